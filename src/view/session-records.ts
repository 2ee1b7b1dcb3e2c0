import type { ByteString } from '../base/bytes.js'
import type { SharedLog } from '../base/shared-log.js'

/*
 * A session log is a file in memory (memfd), little endian:
 *
 *     0  u32  bytes committed, this header included; what is behind them does not count
 *     4       12 bytes of zeros
 *    16       records, each begun at a multiple of 8:
 *
 *     0  u8   kind
 *     1  u8   flags
 *     2  u8   first small number
 *     3  u8   second small number
 *     4  u32  length, this head included, in units of 8 bytes
 *     8       fields
 *
 *     kind             flags; small numbers          fields (a string has its length before it, as u16)
 *     request                                        f64 low, f64 high half of a request's number
 *     node             NodeFlag; type >> 12, places  f64 object, u32 lookups, u32 generation, [u32 held descriptor],
 *                                                    [f64 id], places x (f64 directory's object, string name)
 *     count            1: by a forget                f64 id, u32 lookups it has now; 0: it is forgotten
 *     pastTree                                       u32 number, u32 label, string key, string snapshot's name
 *     pastNode         1: foreign; type >> 12        f64 id, f64 object, f64 parent's object or -1, u32 tree,
 *                                                    u32 lookups, string name
 *     snapshotsNode                                  f64 id, u32 lookups
 *     liveHandle       1 synchronous, 2 writing,     f64 number, f64 object, u32 descriptor, u32 uid, u32 gid
 *                      4 appending
 *     pastHandle                                     f64 number, u32 tree, f64 object, u32 descriptor, f64 size
 *     directoryHandle  ; 0 live, 1 past, 2 .snapshots  f64 number, f64 object, u32 tree, u32 descriptor
 *     listing          1: it is whole                f64 handle's number, u32 length, bytes
 *     closed                                         f64 handle's number
 *     intent           index in intentOps; names     f64 object, u32 flags, string text,
 *                                                    names x (f64 directory, f64 object before, string name)
 *     constants                                      f64 session's generation, f64 next id, f64 next handle
 *     agreement                                      u32 length, JSON
 *     asked, answered                                string tag
 *     lostCapabilities                               f64 object; 0: none
 *     tailBegins, tailEnds                           see SessionCompaction
 *
 * No older program reads what a newer one has written but a predecessor of it: see sessionVersion.
 */

/** Of the layout of all that a successor reads; another one is not taken over. */
export const sessionVersion = 1

/** Nodes that a log has have this mark at least, until it is written anew. */
export const firstMark = 2

export const Kind = {
  /** What follows belongs to that request: f64 low, f64 high half of its number. */
  request: 1,
  node: 2,
  /** Of a node by its id: how many lookups it has now. */
  count: 3,
  pastTree: 4,
  pastNode: 5,
  snapshotsNode: 6,
  liveHandle: 7,
  pastHandle: 8,
  directoryHandle: 9,
  listing: 10,
  closed: 11,
  intent: 12,
  constants: 13,
  agreement: 14,
  asked: 15,
  answered: 16,
  /** f64 object, 0 for none. */
  lostCapabilities: 17,
  /** What follows, up to `tailEnds`, may rely on nodes that are not in the log: they are no more. */
  tailBegins: 18,
  tailEnds: 19,
} as const

export const NodeFlag = {
  isForeign: 1,
  isByNumber: 2,
  hasRetiredLink: 4,
  isHeld: 8,
  hasId: 16,
  /** The id is not made of the object's number: it follows. */
  hasCountedId: 32,
  hasGeneration: 64,
} as const

export const headBytes = 8
const unitBytes = 8

export class RecordWriter {
  log: SharedLog
  #start = 0
  #at = 0

  constructor(log: SharedLog) {
    this.log = log
  }

  /** `bytesMax`: of all fields. */
  begin(kind: number, flags: number, first: number, second: number, bytesMax: number): void {
    const { log } = this
    log.reserve(headBytes + bytesMax + unitBytes)
    this.#start = log.end
    this.#at = log.end + headBytes
    const { view } = log
    view.setUint8(this.#start, kind)
    view.setUint8(this.#start + 1, flags)
    view.setUint8(this.#start + 2, first)
    view.setUint8(this.#start + 3, second)
  }

  u32(value: number): void {
    this.log.view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  f64(value: number): void {
    this.log.view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  string(text: ByteString): void {
    const { view, bytes } = this.log
    view.setUint16(this.#at, text.length, true)
    this.#at += 2
    for (let i = 0; i < text.length; i++) bytes[this.#at + i] = text.charCodeAt(i)
    this.#at += text.length
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length)
    this.log.bytes.set(value, this.#at)
    this.#at += value.length
  }

  end(): void {
    const units = Math.ceil((this.#at - this.#start) / unitBytes)
    this.log.view.setUint32(this.#start + 4, units, true)
    this.log.end = this.#start + units * unitBytes
  }
}

export class RecordReader {
  kind = 0
  flags = 0
  first = 0
  second = 0

  readonly #log: SharedLog
  #at = 0
  #next: number

  constructor(log: SharedLog) {
    this.#log = log
    this.#next = log.start
  }

  /** Goes to the next record; false at the end. */
  next(): boolean {
    const { view, end } = this.#log
    const start = this.#next
    if (start >= end) return false
    this.kind = view.getUint8(start)
    this.flags = view.getUint8(start + 1)
    this.first = view.getUint8(start + 2)
    this.second = view.getUint8(start + 3)
    const units = view.getUint32(start + 4, true)
    if (units === 0 || start + units * unitBytes > end) throw new Error('a damaged session record')
    this.#at = start + headBytes
    this.#next = start + units * unitBytes
    return true
  }

  u32(): number {
    const value = this.#log.view.getUint32(this.#at, true)
    this.#at += 4
    return value
  }

  f64(): number {
    const value = this.#log.view.getFloat64(this.#at, true)
    this.#at += 8
    return value
  }

  string(): ByteString {
    const length = this.#log.view.getUint16(this.#at, true)
    this.#at += 2 + length
    return this.#log.bytes.toString('latin1', this.#at - length, this.#at) as ByteString
  }

  /** A copy. */
  bytes(): Buffer {
    const length = this.u32()
    this.#at += length
    return Buffer.from(this.#log.bytes.subarray(this.#at - length, this.#at))
  }
}
