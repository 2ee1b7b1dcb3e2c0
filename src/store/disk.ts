import type { BackgroundSync, ChunkStage } from '../base/native.js'
import type { ElementIndex } from './element-index.js'

/** What a file is opened for. 'make': it is made if it is missing; 'make new': it must be missing. */
export type OpenFor = 'reading' | 'writing' | 'make' | 'make new' | 'directory'

export interface FileFacts {
  isFile: boolean
  ino: number
  /** How many names it has. */
  links: number
  sizeBytes: number
  /** What it takes on the disk, blocks set aside included. */
  takenBytes: number
  mode: number
  mtimeMs: number
  ctimeNs: bigint
}

/** Free: for whoever is not root. */
export interface DiskSpace {
  bytes: number
  bytesFree: number
}

/**
 * All that the store does to a disk, so that a test can put one in its place that loses power.
 *
 * All calls are synchronous and throw errors as node:fs does (`code`, `errno`). What is written is in
 * the page cache: it outlives the process. It outlives the machine from sync (a file's bytes and
 * size) or syncDirectory (the names in it) on; before, any part of it may. Nothing is opened
 * through a symbolic link in the last component, and nothing but regular files and directories: a pipe in the place of
 * a file would be waited for without end. That is a Failure.
 */
export interface Disk {
  /** A descriptor. 'make' makes files for their owner alone. */
  open(path: string, openFor: OpenFor): number
  close(fd: number): void
  /** The same file by a descriptor of its own, which is told by itself of writes that failed. For reading. */
  reopen(fd: number): number
  /** An exclusive flock(2) until it is closed; false if another holds one. */
  lock(fd: number): boolean

  sizeOf(fd: number): number
  /** Returns the bytes read: fewer than asked for at the file's end only. */
  read(fd: number, to: Uint8Array, at: number, bytes: number, offset: number): number
  /** Writes all; what has been written when it throws, nobody knows. */
  write(fd: number, bytes: Uint8Array, offset: number): void
  truncate(fd: number, sizeBytes: number): void
  /** The range reads as zeros from now on, and its blocks are given back; where that can't be done, nothing happens. */
  punch(fd: number, offset: number, bytes: number): void
  /**
   * Sets blocks aside for a range of the file, whose size stays: writing there needs no space any more,
   * whatever else fills the disk. Does nothing where the file system can't. Throws ENOSPC, EDQUOT.
   */
  setAside(fd: number, offset: number, bytes: number): void
  /** Bytes and size are on the disk when it returns; with sync the times too. */
  syncData(fd: number): void
  sync(fd: number): void

  /** Of what links lead to. Undefined if there is nothing. */
  stat(path: string): FileFacts | undefined
  list(path: string): string[]
  /** Replaces what is there. */
  rename(from: string, to: string): void
  /** Each gets the other's name, at once. False where the file system can't, or one of them is missing. */
  exchange(one: string, other: string): boolean
  /** No matter whether there is one. */
  remove(path: string): void
  /** With what is missing above it; returns the uppermost one it made, undefined if all were there. */
  makeDirectories(path: string): string | undefined
  syncDirectory(path: string): void
  setMode(path: string, mode: number): void
  setTimes(path: string, sec: number): void
  /** Of the file system there. */
  space(path: string): DiskSpace

  /** A buffer to copy chunks through, from files on this disk into a journal on it. */
  newStage(capacityBytes: number): ChunkStage
  newBackgroundSync(intervalMs: number): BackgroundSync
  /** Opens or makes the index in a directory; what lies there must be sound. */
  openIndex(directory: string): ElementIndex
}
