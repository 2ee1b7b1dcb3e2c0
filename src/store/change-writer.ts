import { faultPoint } from '../base/fault-point.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import type { ChunkStage } from '../base/native.js'
import type { Change } from './change.js'
import { ChunkWriter } from './chunk-writer.js'
import type { Disk } from './disk.js'
import { isFull } from './durable-file.js'
import type { ElementIndex } from './element-index.js'
import type { ElementLookup } from './element-lookup.js'
import { journalStart, type Journal } from './journal.js'
import type { PendingPuts } from './pending-puts.js'
import { endOfPut } from './puts.js'
import { recordHeaderBytes } from './record.js'

/** Some 5 ms of LMDB's work: what the request that meets the limit waits for. */
const pendingPutsMax = 2048
const pendingBytesMax = 4 << 20
/** How many change the index at once on a full disk: each may take some pages. */
export const entriesOfPiece = 16
/** What is kept in memory while the index can't grow on a full disk. */
export const pendingBytesMaxOnFullDisk = 64 << 20

/**
 * The way of a change: into the journal, then to what is pending, and later, many at once, into the
 * index.
 */
export class ChangeWriter {
  readonly #journal: Journal
  readonly #index: ElementIndex
  readonly #pending: PendingPuts
  readonly #lookup: ElementLookup
  readonly #chunks: ChunkWriter
  #recordsWritten = 0
  #chunksPreserved = 0
  #entriesAdded = 0
  #putsDue = pendingPutsMax
  #bytesDue = pendingBytesMax

  constructor(
    disk: Disk,
    journal: Journal,
    index: ElementIndex,
    pending: PendingPuts,
    lookup: ElementLookup,
  ) {
    this.#journal = journal
    this.#index = index
    this.#pending = pending
    this.#lookup = lookup
    this.#chunks = new ChunkWriter(disk, (change, stage, dataBytes) => {
      this.#makePendingRoom()
      const offset = journal.makeRoom(change.bodyBytes, dataBytes)
      change.placeChunks(journal.segment, offset + recordHeaderBytes + change.bodyBytes)
      this.#append(change, stage, dataBytes)
    })
  }

  get counts(): { recordsWritten: number; chunksPreserved: number; indexEntriesAdded: number } {
    return {
      recordsWritten: this.#recordsWritten,
      chunksPreserved: this.#chunksPreserved,
      indexEntriesAdded: this.#entriesAdded,
    }
  }

  commit(change: Change): void {
    if (change.isEmpty) return
    this.#makePendingRoom()
    try {
      this.#appendAlone(change)
    } catch (error) {
      if (!isFull(error) || !change.mayUseReserve || !this.#journal.useReserve()) throw error
      this.#appendAlone(change)
    }
    change.clear()
  }

  preserveChunks(
    object: ObjectId,
    label: Label,
    fd: number,
    first: ChunkIndex,
    count: number,
    chunkBytes: number,
    sizeBytes: number,
  ): void {
    this.#chunks.preserve(object, label, fd, first, count, chunkBytes, sizeBytes)
    this.#chunksPreserved += count
  }

  /** If it fails, all stays pending. */
  indexPending(): void {
    const pending = this.#pending
    if (pending.count === 0) return
    faultPoint('index.commit.begun')
    this.#lookup.noteIndexed()
    try {
      this.#index.apply({ entries: pending.count, bytes: pending.bytes }, (put) => {
        put(pending.puts, 0, pending.bytes)
        return this.#journal.position
      })
    } catch (error) {
      if (!isFull(error)) throw error
      this.#indexInPieces()
    }
    faultPoint('index.commit.done')
    pending.clear()
    this.#putsDue = pendingPutsMax
    this.#bytesDue = pendingBytesMax
  }

  /**
   * What a small transaction leaves behind the next but one writes to: so many of them need less room than a large one.
   * The index counts as not having any of it until it has all.
   */
  #indexInPieces(): void {
    const { puts, bytes } = this.#pending
    const before = this.#index.checkpoint() ?? journalStart
    for (let start = 0, end = 0; start < bytes; start = end) {
      let entries = 0
      for (; end < bytes && entries < entriesOfPiece; entries++) end = endOfPut(puts, end)
      this.#index.apply({ entries, bytes: end - start }, (put) => {
        put(puts, start, end)
        return end < bytes ? before : this.#journal.position
      })
    }
  }

  /** For what frees space: on a full disk the reserve makes room for it. `work` does all or nothing. */
  withReserve(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!isFull(error) || !this.#journal.giveUpReserve()) throw error
      work()
    }
  }

  /** As far as there is room for it on the disk. */
  tryIndexPending(): void {
    try {
      this.indexPending()
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  /**
   * Before the journal is written to, so that a failure leaves nothing half done. On a full disk the index
   * waits: what is not in it is in the journal, and can be found in memory.
   */
  #makePendingRoom(): void {
    const { count, bytes } = this.#pending
    const isDue = count >= this.#putsDue || bytes >= this.#bytesDue
    if (!isDue) return
    try {
      this.indexPending()
    } catch (error) {
      if (!isFull(error) || bytes >= pendingBytesMaxOnFullDisk) throw error
      // Not at once again: the more there is, the longer a try takes.
      this.#putsDue = 2 * count
      this.#bytesDue = Math.min(2 * bytes, pendingBytesMaxOnFullDisk)
    }
  }

  #appendAlone(change: Change): void {
    this.#journal.makeRoom(change.bodyBytes, 0)
    this.#append(change, this.#chunks.stage, 0)
  }

  #append(change: Change, stage: ChunkStage, dataBytes: number): void {
    this.#journal.append(change, stage, dataBytes)
    this.#pending.add(change.record, recordHeaderBytes, recordHeaderBytes + change.bodyBytes)
    this.#recordsWritten++
    this.#entriesAdded += change.putCount
  }
}
