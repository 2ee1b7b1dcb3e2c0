import { basename, dirname, join } from 'node:path'
import type { ByteString } from '../base/bytes.js'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import type { ReadPlan } from '../base/read-plan.js'
import { isKept } from '../base/rules.js'
import { Change } from './change.js'
import { ChangeWriter } from './change-writer.js'
import type { Disk } from './disk.js'
import { codeOf, isFull, makePrivateDirectory, readWholeFile } from './durable-file.js'
import { noteDoomed, readDoomed, type DoomedFiles } from './doomed-files.js'
import type { ElementIndex } from './element-index.js'
import { ElementLookup } from './element-lookup.js'
import type { ChunkPlace, Location, NameElement, PreservedAttributes } from './elements.js'
import { FileLock } from './file-lock.js'
import { dataName, writeIndexState } from './index-state.js'
import { Journal, type Durability } from './journal.js'
import type { TailKnowledge } from './journal-tail.js'
import { JournalFiles } from './journal-files.js'
import { JournalReserve } from './journal-reserve.js'
import { PendingPuts } from './pending-puts.js'
import type { LiveLabels } from './live-labels.js'
import { planPlace } from './place-plan.js'
import { realDisk } from './real-disk.js'
import { recover, type RecoveredVolume, type RecoveryReport } from './recovery.js'
import { segmentName, volumeIdBytesMax } from './segment.js'
import { requestErrorOf } from './request-error.js'
import { Sessions } from './sessions.js'
import { failureOfSystem, renamedFailure } from './store-failure.js'
import { StoreSweep } from './store-sweep.js'
import { writeSurvey, type StoredSurvey } from './survey-file.js'
import { VolumeElements } from './volume-elements.js'

export interface VolumeStoreOptions {
  /** STORE/volumes/<id>, made if missing. */
  directory: string
  durability: Durability
  /** There are snapshots: a volume that lost its journal is refused, not begun anew. */
  hasPast?: boolean
  disk?: Disk
  /** The directory's name in messages. */
  shownAs?: string
  /** Of the volume, held already; the store takes it over. */
  lock?: FileLock
  /** A repair goes on: it may open what it has begun on, and knows how the journal ends. */
  repairing?: TailKnowledge
  /** For tests: the run of the machine, and a smaller segment. */
  bootId?: string
  segmentBytesMax?: number
}

/** File systems give a file that grows a little more than it asks for. */
const setAsideBytesMin = 64 << 10

export interface VolumeStoreStats {
  journalBytes: number
  segments: number
  recordsWritten: number
  chunksPreserved: number
  /** Elements and locations added since the volume was opened. */
  indexEntriesAdded: number
  indexEntriesPending: number
  /** What the journal can still take on a full disk. */
  reserveBytes: number
  /** Changes that were refused because there was no space to keep what a snapshot needs of it. */
  changesRefused: number
  /** Syncs of the journal that somebody waited for, and how long they took. */
  journalSyncs: number
  journalSyncSeconds: number
}

/**
 * The past of one volume: a journal that takes each change, and an index that finds it.
 *
 * All is synchronous and belongs to one thread. During requests it throws FsError; a commit that
 * failed has left nothing, unless it says EIO: then the journal takes no more until the volume is
 * opened again.
 */
export class VolumeStore {
  readonly recovery: RecoveryReport
  readonly sessions: Sessions
  readonly #disk: Disk
  readonly #indexDirectory: string
  readonly #volumeId: string
  readonly #bootId: string
  readonly #lock: FileLock
  readonly #journal: Journal
  readonly #index: ElementIndex
  readonly #pending: PendingPuts
  readonly #elements: VolumeElements
  readonly #writer: ChangeWriter
  readonly #lookup: ElementLookup
  readonly #change = new Change()
  readonly #unused = { bytes: 0 }
  /** The last pass: what it has open is closed with the store, or when another begins. */
  #sweep: StoreSweep | undefined
  #changesRefused = 0
  #isClosed = false

  private constructor(
    disk: Disk,
    options: VolumeStoreOptions,
    volumeId: string,
    bootId: string,
    lock: FileLock,
    recovered: RecoveredVolume,
    sessions: Sessions,
  ) {
    this.#disk = disk
    this.#indexDirectory = recovered.indexDirectory
    this.#volumeId = volumeId
    this.#bootId = bootId
    this.#lock = lock
    this.recovery = recovered.report
    this.#index = recovered.index
    this.#pending = recovered.pending
    const reserve = new JournalReserve(disk, recovered.journalDirectory)
    this.#journal = new Journal({
      disk,
      files: new JournalFiles(disk, recovered.journalDirectory, recovered.fd, recovered.newest),
      durability: options.durability,
      end: recovered.end,
      segmentBytesMax: options.segmentBytesMax,
      reserve,
      setAsideEnd: reserve.bytes > 0 ? 0 : setAsideEndOf(disk, recovered),
      onSegment: () => {
        this.#noteState()
      },
    })
    this.#journal.refillReserve()
    this.sessions = sessions
    const lookup = new ElementLookup(this.#index, this.#pending)
    this.#lookup = lookup
    this.#elements = new VolumeElements(lookup, this.#pending)
    this.#writer = new ChangeWriter(disk, this.#journal, this.#index, this.#pending, lookup)
  }

  /** Locks, recovers and opens a volume. Throws Failure. */
  static open(options: VolumeStoreOptions): VolumeStore {
    const { directory, disk = realDisk } = options
    const volumeId = basename(directory)
    if (volumeId.length > volumeIdBytesMax || !/^[\w.-]+$/.test(volumeId)) {
      throw new Failure('failed', `'${volumeId}' can't be the id of a volume: ${directory}`)
    }
    const bootId = options.bootId ?? bootIdOfMachine(disk)
    try {
      makePrivateDirectory(disk, directory)
      const lock =
        options.lock ??
        FileLock.acquire(disk, join(directory, 'lock'), `the volume in ${directory}`)
      try {
        if (options.repairing === undefined) refuseHalfRepaired(disk, directory)
        const sessions = Sessions.open(disk, directory, bootId)
        const recovered = recover(
          disk,
          directory,
          volumeId,
          bootId,
          sessions,
          options.hasPast ?? false,
          options.repairing,
        )
        return new VolumeStore(disk, options, volumeId, bootId, lock, recovered, sessions)
      } catch (error) {
        lock.release()
        throw error
      }
    } catch (error) {
      const failure = failureOfSystem(error, `open the volume in ${directory}`)
      throw renamedFailure(failure, directory, options.shownAs)
    }
  }

  /** A cleared change; the same object each time. */
  change(): Change {
    this.#change.clear()
    return this.#change
  }

  /**
   * The change is in the journal (strict: on the disk) when this returns, and cleared. Nothing
   * happens for an empty one.
   */
  commit(change: Change): void {
    try {
      this.#writer.commit(change)
    } catch (error) {
      this.#noteRefusal(error)
      throw error
    }
  }

  /**
   * Preserves chunks [first, first + count) of the open file `fd`, whose size as the snapshot sees
   * it is `sizeBytes`; beyond that they are holes. The caller has checked that none has an element
   * of the label.
   */
  preserveChunks(
    object: ObjectId,
    label: Label,
    fd: number,
    first: ChunkIndex,
    count: number,
    chunkBytes: number,
    sizeBytes: number,
  ): void {
    try {
      this.#writer.preserveChunks(object, label, fd, first, count, chunkBytes, sizeBytes)
    } catch (error) {
      this.#noteRefusal(error)
      throw error
    }
  }

  /** Whether there is an element with this label or a higher one: what such a snapshot sees is preserved. */
  hasName(directory: ObjectId, name: ByteString, label: Label): boolean {
    return this.#elements.hasName(directory, name, label)
  }

  hasAttributes(object: ObjectId, label: Label): boolean {
    return this.#elements.hasAttributes(object, label)
  }

  hasChunk(object: ObjectId, chunk: ChunkIndex, label: Label): boolean {
    return this.#elements.hasChunk(object, chunk, label)
  }

  /**
   * What the snapshot `label` sees: the element with the lowest label at or above it. Undefined:
   * the origin's own value.
   */
  findName(directory: ObjectId, name: ByteString, label: Label): NameElement | undefined {
    return this.#elements.findName(directory, name, label)
  }

  findAttributes(object: ObjectId, label: Label): PreservedAttributes | undefined {
    return this.#elements.findAttributes(object, label)
  }

  findChunks(
    object: ObjectId,
    first: ChunkIndex,
    count: number,
    label: Label,
  ): (ChunkPlace | undefined)[] {
    return this.#elements.findChunks(object, first, count, label)
  }

  /** Every name of the directory that has an element which the snapshot sees. */
  listNames(directory: ObjectId, label: Label): Map<ByteString, NameElement> {
    return this.#elements.listNames(directory, label)
  }

  sizeMaxBefore(object: ObjectId, label: Label): number {
    return this.#elements.sizeMaxBefore(object, label)
  }

  /** The element of the name with the highest label of all. */
  newestName(
    directory: ObjectId,
    name: ByteString,
  ): { label: Label; element: NameElement } | undefined {
    return this.#elements.newestName(directory, name)
  }

  hasAnyChunk(object: ObjectId): boolean {
    return this.#elements.hasAnyChunk(object)
  }

  nextChunk(object: ObjectId, from: ChunkIndex): ChunkIndex | undefined {
    return this.#elements.nextChunk(object, from)
  }

  location(object: ObjectId): Location | undefined {
    return this.#elements.location(object)
  }

  /**
   * Plans bytes [skip, skip + length) of the chunk. The descriptor that the plan borrows is open
   * until close.
   */
  addPlace(plan: ReadPlan, place: ChunkPlace, skip: number, length: number): void {
    const fd = place.dataBytes > 0 ? this.#journal.fdOf(place.segment) : -1
    planPlace(plan, place, fd, skip, length)
  }

  /** Snapshots up to this label can't rely on what the origin holds of the object; 0: all can. */
  drift(object: ObjectId): Label | 0 {
    return this.#elements.drift(object)
  }

  drifts(object: ObjectId): readonly Label[] {
    return this.#elements.drifts(object)
  }

  syncFd(): number {
    return this.#journal.syncFd()
  }

  /**
   * What no request need wait for, to be called when there is none: brings what is pending into the index and
   * takes a reserve, each if there is room for it.
   */
  whenIdle(): void {
    this.#writer.tryIndexPending()
    this.#journal.refillReserve()
  }

  /** Brings what is pending into the index; on a full disk the reserve makes room for it. */
  indexPending(): void {
    this.#writer.withReserve(() => {
      this.#writer.indexPending()
    })
  }

  /**
   * A pass that frees what none of these snapshots (labels, ascending) needs. One at a time: the one before is over. `live` is the
   * caller's: he adds what is cut meanwhile at its end.
   */
  sweep(live: LiveLabels): StoreSweep {
    this.#sweep?.close()
    return (this.#sweep = new StoreSweep(
      this.#journal,
      this.#index,
      this.#lookup,
      this.#writer,
      live,
      this.#elements,
      this.#unused,
    ))
  }

  /** The number of the last record. */
  get sequence(): number {
    return this.#journal.position.sequence
  }

  /** What is about to be forgotten, and then removed from the retired directory; replaces what was noted before. */
  noteDoomed(objects: readonly ObjectId[]): void {
    noteDoomed(this.#disk, dirname(this.#indexDirectory), objects)
  }

  /** What somebody who was killed may have left there. */
  doomed(): DoomedFiles | undefined {
    return readDoomed(this.#disk, dirname(this.#indexDirectory))
  }

  /** What a whole pass has found is told of the volume while it is closed. */
  noteSurvey(survey: StoredSurvey): void {
    writeSurvey(this.#disk, this.#indexDirectory, survey)
  }

  /** All that was committed is on the disk when this returns. */
  flush(): void {
    this.#journal.sync()
  }

  /** The number of the last record, when it and all before it are on the disk. */
  flushedSequence(): number {
    this.flush()
    return this.#journal.position.sequence
  }

  /**
   * May be called twice. What can't be finished here (the disk is full) recovery does when the
   * volume is opened again.
   */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      this.#closeCleanly()
    } catch (error) {
      if (codeOf(error) === undefined) throw error
    } finally {
      this.#sweep?.close()
      this.#index.close()
      this.#journal.close()
      this.#lock.release()
    }
  }

  stats(): VolumeStoreStats {
    return {
      journalBytes: this.#journal.totalBytes,
      segments: this.#journal.segment,
      indexEntriesPending: this.#pending.count,
      reserveBytes: this.#journal.reserveBytes,
      changesRefused: this.#changesRefused,
      journalSyncs: this.#journal.syncTimes.count,
      journalSyncSeconds: this.#journal.syncTimes.seconds,
      ...this.#writer.counts,
    }
  }

  #closeCleanly(): void {
    // What there is no room for is applied when the volume is opened again.
    this.#writer.tryIndexPending()
    faultPoint('close.indexed')
    if (isKept('close.journal-synced')) this.flush()
    const { sequence } = this.#journal.position
    // What is pending may be a lot, and is not in the copy.
    if (this.#pending.count === 0) this.#index.shrink()
    this.#index.close()
    if (isKept('close.index-synced')) this.#syncFile(join(this.#indexDirectory, dataName))
    faultPoint('close.synced')
    this.#noteState(sequence)
  }

  #noteRefusal(error: unknown): void {
    if (isFull(error)) this.#changesRefused++
  }

  #syncFile(path: string): void {
    const fd = this.#disk.open(path, 'reading')
    try {
      this.#disk.sync(fd)
    } finally {
      this.#disk.close(fd)
    }
  }

  #noteState(endSequence?: number): void {
    const state = {
      volumeId: this.#volumeId,
      bootId: this.#bootId,
      segments: this.#journal.segment,
    }
    try {
      writeIndexState(this.#disk, this.#indexDirectory, state, endSequence)
    } catch (error) {
      throw requestErrorOf(error, "write the index's state")
    }
  }
}

/** What was left of a reserve that the newest segment was made of. */
function setAsideEndOf(disk: Disk, { journalDirectory, newest, end }: RecoveredVolume): number {
  const facts = disk.stat(join(journalDirectory, segmentName(newest.segment)))
  return facts !== undefined && facts.takenBytes > end.offset + setAsideBytesMin
    ? facts.takenBytes
    : 0
}

/** While it lies in a volume's directory a repair is under way (check/repair-plan.ts). */
export const repairPlanFile = 'repair.json'

function refuseHalfRepaired(disk: Disk, directory: string): void {
  if (disk.stat(join(directory, repairPlanFile)) === undefined) return
  const advice = '`bygone check --repair` goes on with it'
  throw new Failure('damaged', `a repair of ${directory} was begun and has not ended: ${advice}`)
}

/**
 * Another for each run of the machine: what a process wrote before is all there while it stays the
 * same.
 */
export function bootIdOfMachine(disk: Disk): string {
  const text = readWholeFile(disk, '/proc/sys/kernel/random/boot_id')?.toString('latin1').trim()
  if (text === undefined) throw new Failure('failed', 'the system does not say when it was started')
  return text
}
