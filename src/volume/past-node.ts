import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import type { Label, ObjectId } from '../base/ids.js'
import type { Route } from './locator.js'
import type { OriginNode } from './origin-node.js'
import type { PastTree } from './past-tree.js'

/** An inode of a snapshot: an object as one label sees it. Nothing about it ever changes. */
export class PastNode implements Route {
  /** The view's: the id under which the kernel knows it, 0 if it does not, and how often it was told. */
  id = 0
  lookups = 0
  /** As an OriginNode's. */
  logMark = 0
  /** How many nodes below it and handles need it. */
  references = 0
  /** Directories, once used: where its names without elements are. Holds a reference of the origin node. */
  origin: OriginNode | undefined

  /** Directories, once used: it was changed unseen since the snapshot, so its names may not be all. */
  hasDrifted = false

  readonly tree: PastTree
  readonly object: ObjectId
  readonly parent: PastNode | undefined
  readonly name: ByteString
  /** S_IFMT bits. */
  readonly type: number
  /** A mount point of then or now: shown empty. */
  readonly isForeign: boolean

  constructor(
    tree: PastTree,
    object: ObjectId,
    parent: PastNode | undefined,
    name: ByteString,
    type: number,
    isForeign: boolean,
  ) {
    this.tree = tree
    this.object = object
    this.parent = parent
    this.name = name
    this.type = type
    this.isForeign = isForeign
  }

  get isDirectory(): boolean {
    return this.type === FileType.directory
  }
}

/** One st_ino in two halves. */
export interface InodeNumber {
  high: number
  low: number
}

/**
 * The st_ino of an object in a snapshot: never a live one (bit 63 is set), another one in each snapshot, and the same
 * after every remount. Label and object stand in it as they are where they fit (22 and 40 bits); else
 * they are mixed, and bit 62 tells the two kinds apart.
 */
export function pastInodeNumber(label: Label, object: number, to: InodeNumber): void {
  const objectHigh = Math.floor(object / 2 ** 32)
  if (label < 2 ** 22 && objectHigh < 2 ** 8) {
    to.high = (0x80000000 | (label << 8) | objectHigh) >>> 0
    to.low = object >>> 0
    return
  }
  const mixed = Math.imul(label ^ objectHigh, 0x9e3779b1) ^ (object >>> 0)
  to.high = (0xc0000000 | (mix(mixed ^ 0x5bd1e995) & 0x3fffffff)) >>> 0
  to.low = (mix(object >>> 0) ^ mix(label + Math.imul(objectHigh, 0x85ebca6b))) >>> 0
}

/** A 32-bit finalizer: every bit of the input changes about half of the output. */
function mix(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return x ^ (x >>> 16)
}

/** Whether st_ino of a snapshot is that of the live object with the other one, as far as it stands in it. */
export function isInodeOfSameObject(pastIno: bigint, liveIno: bigint): boolean {
  const isMixed = (pastIno & (1n << 62n)) !== 0n
  return !isMixed && (pastIno & ((1n << 40n) - 1n)) === liveIno
}
