import { Durations } from '../base/durations.js'
import { FsError, fsErrorOf } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import type { BackgroundSync, ChunkStage } from '../base/native.js'
import { isKept } from '../base/rules.js'
import type { Change } from './change.js'
import { joined, type DeadRun } from './dead-runs.js'
import type { Disk } from './disk.js'
import { isFull } from './durable-file.js'
import { JournalCompaction } from './journal-compaction.js'
import type { JournalFiles } from './journal-files.js'
import type { JournalReserve } from './journal-reserve.js'
import type { RecordLiveness } from './record-liveness.js'
import { recordHeaderBytes, sealRecord } from './record.js'
import { requestErrorOf } from './request-error.js'
import { segmentBytesMax, segmentHeaderBytes, type MakeFile } from './segment.js'

export type Durability = 'ordered' | 'strict'

/** A place between two records: the next one has number sequence + 1. */
export interface JournalPosition {
  segment: number
  offset: number
  sequence: number
}

/** Before the first record of all. */
export const journalStart: JournalPosition = { segment: 1, offset: segmentHeaderBytes, sequence: 0 }

/** The window of 'ordered': how much of the past a power loss may take. */
const syncIntervalMs = 50
/** A smaller part of a whole segment is not worth one of its own. */
const segmentShareMin = 1 << 12

/**
 * The writing end of a journal: a record is one write, at the end of the newest segment.
 *
 * A write that failed leaves nothing behind: the tail is cut back. If even that fails, or a sync
 * fails, nobody knows what the disk holds; from then on every append is EIO, until the volume is
 * opened again and recovered.
 */
export class Journal {
  readonly #disk: Disk
  readonly #files: JournalFiles
  readonly #segmentBytesMax: number
  readonly #reserve: JournalReserve
  readonly #onSegment: (segment: number) => void
  /** Only 'ordered' has one; 'strict' syncs each record. */
  readonly #background: BackgroundSync | undefined
  #offset: number
  #sequence: number
  /** On the disk up to here, apart from what the background's syncs cover. */
  #durableSequence: number
  /** Records that the background was never told of: its touches count the others. */
  #sequenceUntouched: number
  /** The newest record, if that claims all before it to be durable. */
  #claimedSequence = -1
  /**
   * Where the blocks end that are set aside in the newest segment, if it was made of the reserve and there
   * is no new one; else 0. Up to there is for records that may use the reserve; others pay for their blocks.
   */
  #setAsideEnd = 0
  #failure: string | undefined
  /** Syncs that somebody waited for. */
  readonly syncTimes = new Durations()

  /**
   * Takes over `files`. The newest segment's records end at `end`, are all valid and on the disk.
   */
  constructor(options: {
    disk: Disk
    files: JournalFiles
    durability: Durability
    end: JournalPosition
    segmentBytesMax?: number | undefined
    reserve: JournalReserve
    /** Up to where blocks are set aside in a newest segment that was made of the reserve; else 0. */
    setAsideEnd?: number
    /** Is told the number of each segment that was begun. */
    onSegment: (segment: number) => void
  }) {
    this.#disk = options.disk
    this.#files = options.files
    this.#reserve = options.reserve
    this.#setAsideEnd = options.setAsideEnd ?? 0
    this.#onSegment = options.onSegment
    this.#segmentBytesMax = options.segmentBytesMax ?? segmentBytesMax
    this.#offset = options.end.offset
    this.#sequence = options.end.sequence
    this.#durableSequence = this.#sequence
    this.#sequenceUntouched = this.#sequence
    if (options.durability === 'ordered') {
      this.#background = options.disk.newBackgroundSync(syncIntervalMs)
    }
  }

  get segment(): number {
    return this.#files.newest.segment
  }

  /** Older segments are counted as full. */
  get totalBytes(): number {
    return (this.segment - 1) * this.#segmentBytesMax + this.#offset
  }

  get position(): JournalPosition {
    return { segment: this.segment, offset: this.#offset, sequence: this.#sequence }
  }

  /**
   * Makes sure that a record of that size fits into the newest segment; returns where it will lie.
   */
  makeRoom(bodyBytes: number, dataBytes: number): number {
    this.#assertSound()
    const end = this.#offset + recordHeaderBytes + bodyBytes + dataBytes
    if (end > this.#segmentBytesMax && this.#offset > segmentHeaderBytes) this.#roll()
    return this.#offset
  }

  /**
   * Appends, after makeRoom, the change's puts and the bytes in `stage` as one record. Strict: it
   * is on the disk when this returns.
   */
  append(change: Change, stage: ChunkStage, dataBytes: number): void {
    const { record, bodyBytes } = change
    if (!change.mayUseReserve) this.#payFor(recordHeaderBytes + bodyBytes + dataBytes)
    const { seed } = this.#files.newest
    const { fd } = this.#files
    sealRecord(record, seed, this.#sequence + 1, this.#durableNow(), bodyBytes, dataBytes)
    const headerBytes = recordHeaderBytes + bodyBytes
    faultPoint('journal.append.begun')
    const written = stage.writeRecord(fd, this.#offset, record, headerBytes)
    if (written !== headerBytes + dataBytes) throw this.#cutBack(written)
    this.#offset += written
    this.#sequence++
    if (this.#background === undefined) {
      if (isKept('record.synced')) this.#syncNewest()
    } else if (isKept('record.touched')) this.#background.touch(fd)
    faultPoint('journal.append.written')
  }

  /**
   * The disk is full: goes on in a segment made of the reserve. False if there is none: then nothing has
   * changed.
   */
  useReserve(): boolean {
    if (this.#reserve.bytes === 0) return false
    this.#assertSound()
    let bytes = 0
    this.#roll((path) => {
      bytes = this.#reserve.give(path)
    })
    this.#setAsideEnd = bytes
    return true
  }

  /** Frees what is set aside, for others. False if there was nothing. */
  giveUpReserve(): boolean {
    return this.#reserve.giveUp()
  }

  /** Takes a new reserve as soon as there is room for it. */
  refillReserve(): void {
    this.#reserve.refill()
    if (this.#reserve.bytes > 0) this.#setAsideEnd = 0
  }

  /** What is left of the reserve. */
  get reserveBytes(): number {
    return this.#reserve.bytes + Math.max(0, this.#setAsideEnd - this.#offset)
  }

  /** The descriptor to sync before what was appended may be called durable. */
  syncFd(): number {
    this.#assertSound()
    return this.#files.syncFd
  }

  /** All that was appended is on the disk when this returns. */
  sync(): void {
    this.#assertSound()
    faultPoint('journal.sync.begun')
    if (this.#background === undefined) return
    const background = this.#background
    const result = this.syncTimes.measured(() => background.syncNow())
    if (result < 0) throw this.#poison(fsErrorOf(result, 'sync the journal'))
    this.#durableSequence = this.#sequence
  }

  fdOf(segment: number): number {
    return this.#files.fdOf(segment)
  }

  /**
   * Gives back the space of data that no element names any more. The records stay, and are told by their own
   * checksums.
   */
  punch(runs: readonly DeadRun[]): void {
    const isClaimed =
      !runs.some(({ segment }) => segment === this.segment) || !isKept('punch.claimed')
    const punchable = isClaimed || this.#claim() ? runs : runs.filter((run) => this.#isOld(run))
    for (const { segment, offset, bytes } of joined(punchable)) {
      this.#disk.punch(this.#files.fdOf(segment), offset, bytes)
    }
  }

  /**
   * What gives back the space of records that nobody needs. In the newest segment there are none to be given back: a
   * new one is begun, if there is room for it and enough in this one.
   */
  compaction(liveness: RecordLiveness): JournalCompaction {
    if (this.#offset * segmentShareMin > this.#segmentBytesMax) this.#tryRoll()
    return new JournalCompaction({
      liveness,
      sync: () => {
        this.sync()
      },
      disk: this.#disk,
      segments: Array.from({ length: this.segment - 1 }, (_, at) => at + 1),
      openSegment: (segment) => this.#files.openAgain(segment),
    })
  }

  takenBytes(): number {
    return this.#files.takenBytes()
  }

  close(): void {
    this.#background?.close()
    this.#files.close()
  }

  #isOld({ segment }: DeadRun): boolean {
    return segment < this.segment
  }

  /**
   * All that was appended is on the disk, and a record says so: else recovery would take a record of which the
   * data is gone for torn, and cut it off with all that follows. False if there is no room for that record.
   */
  #claim(): boolean {
    this.sync()
    if (this.#claimedSequence === this.#sequence) return true
    const record = Buffer.alloc(recordHeaderBytes)
    const { seed } = this.#files.newest
    sealRecord(record, seed, this.#sequence + 1, this.#sequence, 0, 0)
    try {
      this.#disk.write(this.#files.fd, record, this.#offset)
    } catch (error) {
      const failed = requestErrorOf(error, 'append to the journal')
      if (!(failed instanceof FsError)) throw error
      const failure = this.#cutBack(-failed.errno)
      if (isFull(failure)) return false
      throw failure
    }
    this.#offset += record.length
    this.#sequence++
    this.#syncNewest()
    this.#sequenceUntouched++
    this.#claimedSequence = this.#sequence
    return true
  }

  #roll(makeFile?: MakeFile): void {
    // The old segment first: that a newer one exists says that this one is whole.
    if (isKept('roll.synced')) this.#syncNewest()
    faultPoint('journal.roll.synced')
    this.#files.begin(this.#sequence + 1, makeFile)
    this.#offset = segmentHeaderBytes
    this.#setAsideEnd = 0
    faultPoint('journal.roll.begun')
    if (isKept('roll.noted')) this.#onSegment(this.segment)
    faultPoint('journal.roll.done')
  }

  #tryRoll(): void {
    try {
      this.#roll()
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  /** Blocks for a record that leave as many of those set aside as there were. */
  #payFor(bytes: number): void {
    if (this.#setAsideEnd === 0) return
    try {
      this.#disk.setAside(this.#files.fd, this.#setAsideEnd, bytes)
    } catch (error) {
      throw requestErrorOf(error, 'append to the journal')
    }
    this.#setAsideEnd += bytes
  }

  #syncNewest(): void {
    try {
      this.syncTimes.measured(() => {
        this.#disk.syncData(this.#files.fd)
      })
    } catch (error) {
      throw this.#poison(error)
    }
    this.#durableSequence = this.#sequence
  }

  /** After a write that was not whole: `written` is its length or its errno. */
  #cutBack(written: number): FsError {
    // Goes with the tail.
    this.#setAsideEnd = 0
    try {
      if (isKept('record.cut-back')) this.#disk.truncate(this.#files.fd, this.#offset)
      // Or a power loss after a clean close could bring back what no closed journal may end with.
      if (isKept('record.cut-synced')) this.#disk.syncData(this.#files.fd)
    } catch (error) {
      return this.#poison(error)
    }
    // A write stops short where the disk is full, and only the next one would say so.
    return written < 0
      ? fsErrorOf(written, 'append to the journal')
      : new FsError('ENOSPC', 'the record could be written only in part')
  }

  #durableNow(): number {
    if (!isKept('record.durable-at-most')) return this.#sequence
    if (!isKept('record.durable-at-least')) return 0
    if (this.#background === undefined) return this.#durableSequence
    const inBackground = this.#sequenceUntouched + this.#background.touchesSynced()
    return Math.max(inBackground, this.#durableSequence)
  }

  #assertSound(): void {
    if (this.#failure === undefined && this.#background !== undefined) {
      const result = this.#background.error()
      if (result < 0) this.#failure = fsErrorOf(result, 'sync the journal').message
    }
    if (this.#failure !== undefined) {
      throw new FsError('EIO', `the journal failed before (${this.#failure}); mount again`)
    }
  }

  #poison(error: unknown): FsError {
    this.#failure = String(error)
    return new FsError('EIO', 'the journal failed', { cause: error })
  }
}
