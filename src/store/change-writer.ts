import { faultPoint } from '../base/fault-point.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import type { ChunkStage } from '../base/native.js'
import type { Change } from './change.js'
import { ChunkWriter } from './chunk-writer.js'
import type { Disk } from './disk.js'
import type { ElementIndex } from './element-index.js'
import type { ElementLookup } from './element-lookup.js'
import type { Journal } from './journal.js'
import type { PendingPuts } from './pending-puts.js'
import { recordHeaderBytes } from './record.js'

/** Some 5 ms of LMDB's work: what the request that meets the limit waits for. */
const pendingPutsMax = 2048
const pendingBytesMax = 4 << 20

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
    this.#journal.makeRoom(change.bodyBytes, 0)
    this.#append(change, this.#chunks.stage, 0)
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
    this.#index.apply((put) => {
      put(pending.puts, 0, pending.bytes)
      return this.#journal.position
    })
    faultPoint('index.commit.done')
    pending.clear()
  }

  /** Before the journal is written to, so that a failure leaves nothing half done. */
  #makePendingRoom(): void {
    const isFull = this.#pending.count >= pendingPutsMax || this.#pending.bytes >= pendingBytesMax
    if (isFull) this.indexPending()
  }

  #append(change: Change, stage: ChunkStage, dataBytes: number): void {
    this.#journal.append(change, stage, dataBytes)
    this.#pending.add(change.record, recordHeaderBytes, recordHeaderBytes + change.bodyBytes)
    this.#recordsWritten++
    this.#entriesAdded += change.putCount
  }
}
