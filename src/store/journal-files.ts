import { join } from 'node:path'
import { isKept } from '../base/rules.js'
import type { Disk } from './disk.js'
import { requestErrorOf } from './request-error.js'
import {
  createSegment,
  openSegment,
  segmentName,
  type MakeFile,
  type SegmentHeader,
} from './segment.js'

/** The open files of a journal: the newest segment for appending, any for reading. */
export class JournalFiles {
  readonly #disk: Disk
  readonly #directory: string
  /**
   * Stay open while the journal is, since read plans borrow them: 4,096 of them for a journal of 1
   * TiB.
   */
  readonly #fds = new Map<number, number>()
  #newest: SegmentHeader
  #fd: number
  #syncFd: number

  /** Takes over `fd`, of the newest segment. */
  constructor(disk: Disk, directory: string, fd: number, newest: SegmentHeader) {
    this.#disk = disk
    this.#directory = directory
    this.#newest = newest
    this.#fd = fd
    this.#fds.set(newest.segment, fd)
    this.#syncFd = disk.reopen(fd)
  }

  get newest(): SegmentHeader {
    return this.#newest
  }

  /** Of the newest segment. */
  get fd(): number {
    return this.#fd
  }

  /**
   * The newest segment opened once more, for others to sync: the kernel tells each open file once
   * of a write that failed, so a sync through this one hides nothing from those through `fd`.
   */
  get syncFd(): number {
    return this.#syncFd
  }

  /** A descriptor for reading a segment; throws what a request is answered. */
  fdOf(segment: number): number {
    const known = this.#fds.get(segment)
    if (known !== undefined) return known
    const path = join(this.#directory, segmentName(segment))
    try {
      const { fd } = openSegment(this.#disk, path, segment, this.#newest.volumeId)
      this.#fds.set(segment, fd)
      return fd
    } catch (error) {
      throw requestErrorOf(error, `open ${path}`)
    }
  }

  /** A descriptor that is the caller's, to read, write and close. */
  openAgain(segment: number): { fd: number; header: SegmentHeader } {
    const path = join(this.#directory, segmentName(segment))
    try {
      return openSegment(this.#disk, path, segment, this.#newest.volumeId)
    } catch (error) {
      throw requestErrorOf(error, `open ${path}`)
    }
  }

  /** What the files take on the disk, in bytes. */
  takenBytes(): number {
    let bytes = 0
    for (let segment = 1; segment <= this.#newest.segment; segment++) {
      const path = join(this.#directory, segmentName(segment))
      bytes += this.#disk.stat(path)?.takenBytes ?? 0
    }
    return bytes
  }

  /** Begins the next segment, durably. If it fails nothing has changed. `makeFile`: see createSegment. */
  begin(firstSequence: number, makeFile?: MakeFile): void {
    const segment = this.#newest.segment + 1
    try {
      const made = createSegment(
        this.#disk,
        this.#directory,
        segment,
        this.#newest.volumeId,
        firstSequence,
        makeFile,
      )
      if (isKept('roll.sync-descriptor')) this.#replaceSyncFd(made.fd)
      this.#newest = made.header
      this.#fd = made.fd
      this.#fds.set(segment, made.fd)
    } catch (error) {
      throw requestErrorOf(error, 'begin a new journal segment')
    }
  }

  close(): void {
    for (const fd of this.#fds.values()) this.#disk.close(fd)
    this.#fds.clear()
    if (this.#syncFd >= 0) this.#disk.close(this.#syncFd)
    this.#syncFd = -1
  }

  #replaceSyncFd(fd: number): void {
    let syncFd
    try {
      syncFd = this.#disk.reopen(fd)
    } catch (error) {
      this.#disk.close(fd)
      throw error
    }
    this.#disk.close(this.#syncFd)
    this.#syncFd = syncFd
  }
}
