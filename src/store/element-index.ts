import type { JournalPosition } from './journal.js'

/** Takes a run of puts (puts.ts). */
export type PutSink = (puts: Buffer, start: number, end: number) => void

/** Takes the key of an entry that shall be no more; no matter whether there is one. */
export type RemoveSink = (key: Uint8Array) => void

/** At most: entries that are put or removed, bytes of the puts. */
export interface ApplySize {
  entries: number
  bytes: number
}

/**
 * The elements by key, derived from the journal. A crash of the process takes nothing that apply has
 * done; one of the machine may leave anything, unless all was synced after close: whoever opens it
 * has to know (index-state.ts), since it checks nothing itself.
 *
 * All is synchronous and works on a thread whose event loop never turns. Throws FsError.
 */
export interface ElementIndex {
  /** Up to where in the journal all is in; undefined for a new index. */
  checkpoint(): JournalPosition | undefined
  /** The value, unchecked; valid until the next call. */
  get(key: Buffer): Buffer | undefined
  /** The cursor of all, at the first entry at or after `key`; valid until the next call. */
  seek(key: Buffer): IndexCursor
  /** The same with the last entry at or before `key`. */
  seekBackward(key: Buffer): IndexCursor
  /**
   * Puts and removes what `fill` gives, and puts the checkpoint it returns, in one transaction: all or, if
   * anything throws, nothing. `size` tells what room it needs on the disk.
   */
  apply(size: ApplySize, fill: (put: PutSink, remove: RemoveSink) => JournalPosition): void
  /**
   * Gives back the space of what was removed, if that is worth it: the file may be another one afterwards. Takes a while: only
   * before close. What hinders it (a full disk) leaves it as it is.
   */
  shrink(): void
  close(): void
}

/** A walk over the index in the order of its keys, forward or backward. */
export interface IndexCursor {
  readonly isAtEnd: boolean
  readonly key: Buffer
  /** The caller's own. */
  readonly value: Buffer
  seek(key: Uint8Array): void
  advance(): void
}
