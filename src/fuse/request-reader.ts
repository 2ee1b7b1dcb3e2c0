import { nameBytesMax } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import type { Caller } from './file-system.js'
import { InHeader } from './structs.js'

const slash = 0x2f

/**
 * Reads the request that the session's one buffer holds. Offsets count from the body, the part behind
 * the header.
 *
 * The buffer still holds the bytes of earlier, longer requests. So whoever reads a struct has made sure
 * by `hasBody` that the request is that long, and strings end inside the request or are refused.
 */
export class RequestReader {
  readonly caller: Caller = { uid: 0, gid: 0, pid: 0, umask: 0 }
  /** Offset behind the string read last. */
  stringEnd = 0

  readonly #view: DataView
  readonly #bytes: Buffer
  #end = 0

  constructor(request: ArrayBuffer) {
    this.#view = new DataView(request)
    this.#bytes = Buffer.from(request)
  }

  /** Takes up the request of `length` bytes. False: that is no request, not even one to answer. */
  begin(length: number): boolean {
    if (length < InHeader.bytes || length > this.#bytes.length) return false
    if (this.#view.getUint32(InHeader.length, true) !== length) return false
    this.#end = length
    const caller = this.caller
    caller.uid = this.#view.getUint32(InHeader.uid, true)
    caller.gid = this.#view.getUint32(InHeader.gid, true)
    caller.pid = this.#view.getUint32(InHeader.pid, true)
    caller.umask = 0
    return true
  }

  /** A copy of the whole request, header included. */
  copy(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#end)
  }

  /** Puts a copied request back in the place of the one that is there; returns its length. */
  put(copy: Uint8Array): number {
    this.#bytes.set(copy)
    return copy.length
  }

  get opcode(): number {
    return this.#view.getUint32(InHeader.opcode, true)
  }

  get uniqueLow(): number {
    return this.#view.getUint32(InHeader.unique, true)
  }

  get uniqueHigh(): number {
    return this.#view.getUint32(InHeader.unique + 4, true)
  }

  get node(): number {
    return this.u64(InHeader.node - InHeader.bytes)
  }

  get bodyBytes(): number {
    return this.#end - InHeader.bytes
  }

  hasBody(bytes: number): boolean {
    return this.#end >= InHeader.bytes + bytes
  }

  u32(offset: number): number {
    return this.#view.getUint32(InHeader.bytes + offset, true)
  }

  /** Exact below 2^53, as node ids and handles are, since we gave them out. */
  u64(offset: number): number {
    const at = InHeader.bytes + offset
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true)
  }

  i64(offset: number): number {
    const at = InHeader.bytes + offset
    return this.#view.getInt32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true)
  }

  /** A size or offset to write at: EFBIG where it can't be told exactly. */
  fileOffset(offset: number): number {
    const value = this.u64(offset)
    if (value > Number.MAX_SAFE_INTEGER) throw new FsError('EFBIG', 'offset beyond 2^53')
    return value
  }

  /** The NUL-terminated string at `offset`. */
  string(offset: number): ByteString {
    const start = InHeader.bytes + offset
    const bytes = this.#bytes
    let at = start
    while (at < this.#end && bytes[at] !== 0) at++
    return this.#stringTo(start, at)
  }

  /** The same for a name in a directory: never one that would lead elsewhere. */
  name(offset: number): ByteString {
    const name = this.nameOrDots(offset)
    if (name === '.' || name === '..') throw new FsError('EINVAL', 'not a name')
    return name
  }

  /** A name, or `.` or `..`. */
  nameOrDots(offset: number): ByteString {
    const start = InHeader.bytes + offset
    const bytes = this.#bytes
    let at = start
    for (; at < this.#end && bytes[at] !== 0; at++) {
      if (bytes[at] === slash) throw new FsError('EINVAL', 'a name with a slash')
    }
    if (at === start) throw new FsError('EINVAL', 'not a name')
    // Newer kernels pass on longer ones than any file system has.
    if (at - start > nameBytesMax) throw new FsError('ENAMETOOLONG', 'a name too long')
    return this.#stringTo(start, at)
  }

  /** A copy: the buffer goes to the next request. */
  bytes(offset: number, length: number): Uint8Array {
    if (!this.hasBody(offset + length)) throw new FsError('EINVAL', 'truncated request')
    const start = InHeader.bytes + offset
    return Uint8Array.prototype.slice.call(this.#bytes, start, start + length)
  }

  #stringTo(start: number, end: number): ByteString {
    if (end >= this.#end) throw new FsError('EINVAL', 'truncated request')
    this.stringEnd = end + 1 - InHeader.bytes
    return this.#bytes.toString('latin1', start, end) as ByteString
  }
}
