import type { ByteString } from '../base/bytes.js'
import type { ObjectId } from '../base/ids.js'

/** A name that a request is about to change, and what it led to before: 0 for nothing. */
export interface IntendedName {
  readonly directory: ObjectId
  readonly name: ByteString
  readonly before: number
}

export const intentOps = ['make', 'link', 'remove', 'rename', 'setxattr', 'removexattr'] as const
export type IntentOp = (typeof intentOps)[number]

/**
 * What a request is about to do that can't be done twice, on record before it is done: should the daemon die
 * over it, the successor finds out from this, and from what is there, whether it was done.
 */
export interface Intent {
  readonly op: IntentOp
  readonly names: readonly IntendedName[]
  /** link, setxattr, removexattr: of what. */
  readonly object: number
  /** make: S_IFMT bits; rename: as of renameat2(2); setxattr, removexattr: 1 if there was such an xattr. */
  readonly flags: number
  /** make: a symlink's target; the xattr's name. */
  readonly text: ByteString
}
