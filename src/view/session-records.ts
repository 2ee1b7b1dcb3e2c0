import type { ByteString } from '../base/bytes.js'
import type { SharedLog } from '../base/shared-log.js'

/*
 * The records of a session log: u8 kind, u8 flags, u8 and u8 small numbers, u32 length in units of 8 bytes; then
 * fields by kind, f64 and u32, little endian. A string has its length before it (u16). No older program reads what a newer one
 * has written but a predecessor of it: see sessionVersion.
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
