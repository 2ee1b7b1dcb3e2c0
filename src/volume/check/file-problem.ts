import type { ByteString } from '../../base/bytes.js'

/** Bytes [start, end) of a file. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** What snapshots have lost of one file or directory. */
export interface FileProblem {
  /**
   * 'changed': in the origin, while it was not mounted. 'gone': it is where it should be no more. 'damaged': the
   * store holds it wrongly, or not any more.
   */
  readonly kind: 'changed' | 'gone' | 'damaged'
  /** Of the volume's root: ''. */
  readonly path: ByteString
  /** Names of snapshots, oldest first. */
  readonly snapshots: readonly string[]
  /** 'everything': opening it fails. 'names': of a directory; what is left of them is listed. Else of a file's bytes. */
  readonly lost: 'everything' | 'names' | readonly ByteRange[]
}

export type OnProblem = (problem: FileProblem) => void
