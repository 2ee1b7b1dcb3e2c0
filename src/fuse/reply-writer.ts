import type { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import type { AttributesReply, Entry, OpenReply, StatfsReply } from './file-system.js'
import { OpenFlag, StatxMask } from './flags.js'
import type { RequestReader } from './request-reader.js'
import {
  Attr,
  AttrOut,
  EntryOut,
  GetxattrOut,
  OpenOut,
  OutHeader,
  StatfsOut,
  StatxOut,
  WriteOut,
} from './structs.js'

/**
 * Proof that a request was answered: how many bytes of the reply buffer are to be sent. 0 means that
 * nothing is, because the request wants no answer or the session has given it.
 */
export type Reply = number & { readonly __brand: 'Reply' }

export const noReply = 0 as Reply

/** 68 years: for ever, and safe to add to any clock of the kernel. */
const ttlSecondsMax = 2 ** 31 - 1

/** Below this a loop beats the call into Node's string writer. */
const loopCharsMax = 64

/** Writes the one answer to each request into the session's reply buffer. */
export class ReplyWriter {
  /** Not before protocol 7.35: without, each close(2) would ask for a flush. */
  hasNoFlush = false

  readonly #view: DataView
  readonly #bytes: Buffer

  constructor(reply: ArrayBuffer) {
    this.#view = new DataView(reply)
    this.#bytes = Buffer.from(reply)
  }

  get bodyBytesMax(): number {
    return this.#bytes.length - OutHeader.bytes
  }

  begin(request: RequestReader): void {
    this.#view.setUint32(OutHeader.unique, request.uniqueLow, true)
    this.#view.setUint32(OutHeader.unique + 4, request.uniqueHigh, true)
  }

  /** Sends the first `bodyBytes` of the body, whoever wrote them. */
  body(bodyBytes: number): Reply {
    const length = OutHeader.bytes + bodyBytes
    this.#view.setUint32(OutHeader.length, length, true)
    this.#view.setInt32(OutHeader.error, 0, true)
    return length as Reply
  }

  empty(): Reply {
    return this.body(0)
  }

  error(errno: number): Reply {
    this.#view.setUint32(OutHeader.length, OutHeader.bytes, true)
    this.#view.setInt32(OutHeader.error, -errno, true)
    return OutHeader.bytes as Reply
  }

  entry(entry: Entry): Reply {
    this.putEntry(0, entry)
    return this.body(EntryOut.bytes)
  }

  created(entry: Entry, open: OpenReply): Reply {
    this.putEntry(0, entry)
    this.#putOpen(EntryOut.bytes, open, fileFlags(open, this.hasNoFlush))
    return this.body(EntryOut.bytes + OpenOut.bytes)
  }

  attributes(reply: AttributesReply): Reply {
    this.#putTtl(AttrOut.valid, AttrOut.validNsec, reply.attributesTtlMs)
    this.putU32(AttrOut.validNsec + 4, 0)
    this.#putAttributes(AttrOut.attr, reply.attributes)
    return this.body(AttrOut.bytes)
  }

  statx(reply: AttributesReply): Reply {
    const attributes = reply.attributes
    const knowsBirth = !Number.isNaN(attributes.btimeSec)
    this.zero(0, StatxOut.bytes)
    this.#putTtl(StatxOut.valid, StatxOut.validNsec, reply.attributesTtlMs)
    this.putU32(StatxOut.mask, knowsBirth ? StatxMask.basic | StatxMask.btime : StatxMask.basic)
    this.putU32(StatxOut.blockBytes, attributes.blockBytes)
    this.putU32(StatxOut.nlink, attributes.nlink)
    this.putU32(StatxOut.uid, attributes.uid)
    this.putU32(StatxOut.gid, attributes.gid)
    // A u16, with spare bytes behind it.
    this.putU32(StatxOut.mode, attributes.mode)
    this.#putIno(StatxOut.ino, attributes)
    this.putU64(StatxOut.size, attributes.sizeBytes)
    this.putU64(StatxOut.blocks, attributes.blocks)
    this.#putTime(StatxOut.atime, attributes.atimeSec, attributes.atimeNsec)
    if (knowsBirth) this.#putTime(StatxOut.btime, attributes.btimeSec, attributes.btimeNsec)
    this.#putTime(StatxOut.ctime, attributes.ctimeSec, attributes.ctimeNsec)
    this.#putTime(StatxOut.mtime, attributes.mtimeSec, attributes.mtimeNsec)
    // From the kernel's new_encode_dev: minor 0-7, major, minor 8-19.
    const rdev = attributes.rdev
    this.putU32(StatxOut.rdevMajor, (rdev >>> 8) & 0xfff)
    this.putU32(StatxOut.rdevMinor, (rdev & 0xff) | ((rdev >>> 12) & 0xfff00))
    return this.body(StatxOut.bytes)
  }

  openedFile(open: OpenReply): Reply {
    this.#putOpen(0, open, fileFlags(open, this.hasNoFlush))
    return this.body(OpenOut.bytes)
  }

  openedDirectory(open: OpenReply): Reply {
    let flags = open.cacheDirectory ? OpenFlag.cacheDirectory : 0
    if (open.keepCache) flags |= OpenFlag.keepCache
    this.#putOpen(0, open, flags)
    return this.body(OpenOut.bytes)
  }

  /** The bytes taken by a WRITE or COPY_FILE_RANGE. */
  written(bytes: number): Reply {
    this.putU32(WriteOut.size, bytes)
    this.putU32(WriteOut.padding, 0)
    return this.body(WriteOut.bytes)
  }

  /** One 64-bit number: LSEEK's offset, COPY_FILE_RANGE_64's bytes. */
  number(value: number): Reply {
    this.putU64(0, value)
    return this.body(8)
  }

  xattrSize(bytes: number): Reply {
    this.putU32(GetxattrOut.size, bytes)
    this.putU32(GetxattrOut.padding, 0)
    return this.body(GetxattrOut.bytes)
  }

  bytes(value: Uint8Array): Reply {
    this.#mustFit(value.length)
    this.#bytes.set(value, OutHeader.bytes)
    return this.body(value.length)
  }

  string(value: ByteString): Reply {
    this.#mustFit(value.length)
    this.putString(0, value)
    return this.body(value.length)
  }

  statfs(reply: StatfsReply): Reply {
    this.zero(0, StatfsOut.bytes)
    this.putU64(StatfsOut.blocks, reply.blocks)
    this.putU64(StatfsOut.blocksFree, reply.blocksFree)
    this.putU64(StatfsOut.blocksAvailable, reply.blocksAvailable)
    this.putU64(StatfsOut.files, reply.files)
    this.putU64(StatfsOut.filesFree, reply.filesFree)
    this.putU32(StatfsOut.blockBytes, reply.blockBytes)
    this.putU32(StatfsOut.nameBytesMax, reply.nameBytesMax)
    this.putU32(StatfsOut.fragmentBytes, reply.fragmentBytes)
    return this.body(StatfsOut.bytes)
  }

  putEntry(offset: number, entry: Entry): void {
    this.putU64(offset + EntryOut.node, entry.node)
    this.putU64(offset + EntryOut.generation, entry.generation)
    this.#putTtl(offset + EntryOut.entryValid, offset + EntryOut.entryValidNsec, entry.entryTtlMs)
    this.#putTtl(
      offset + EntryOut.attrValid,
      offset + EntryOut.attrValidNsec,
      entry.attributesTtlMs,
    )
    this.#putAttributes(offset + EntryOut.attr, entry.attributes)
  }

  putU16(offset: number, value: number): void {
    this.#view.setUint16(OutHeader.bytes + offset, value, true)
  }

  putU32(offset: number, value: number): void {
    this.#view.setUint32(OutHeader.bytes + offset, value, true)
  }

  /** Whole numbers from -2^53 to 2^53; a negative one becomes its two's complement. */
  putU64(offset: number, value: number): void {
    const at = OutHeader.bytes + offset
    this.#view.setUint32(at, value, true)
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }

  putString(offset: number, value: ByteString): void {
    const at = OutHeader.bytes + offset
    if (value.length > loopCharsMax) {
      this.#bytes.write(value, at, 'latin1')
      return
    }
    for (let i = 0; i < value.length; i++) this.#bytes[at + i] = value.charCodeAt(i)
  }

  putBytes(offset: number, value: Uint8Array): void {
    this.#bytes.set(value, OutHeader.bytes + offset)
  }

  zero(offset: number, length: number): void {
    this.#bytes.fill(0, OutHeader.bytes + offset, OutHeader.bytes + offset + length)
  }

  #mustFit(bodyBytes: number): void {
    if (bodyBytes > this.bodyBytesMax) throw new FsError('EOVERFLOW', 'answer too long')
  }

  #putAttributes(offset: number, attributes: Attributes): void {
    this.#putIno(offset + Attr.ino, attributes)
    this.putU64(offset + Attr.size, attributes.sizeBytes)
    this.putU64(offset + Attr.blocks, attributes.blocks)
    this.putU64(offset + Attr.atime, attributes.atimeSec)
    this.putU64(offset + Attr.mtime, attributes.mtimeSec)
    this.putU64(offset + Attr.ctime, attributes.ctimeSec)
    this.putU32(offset + Attr.atimeNsec, attributes.atimeNsec)
    this.putU32(offset + Attr.mtimeNsec, attributes.mtimeNsec)
    this.putU32(offset + Attr.ctimeNsec, attributes.ctimeNsec)
    this.putU32(offset + Attr.mode, attributes.mode)
    this.putU32(offset + Attr.nlink, attributes.nlink)
    this.putU32(offset + Attr.uid, attributes.uid)
    this.putU32(offset + Attr.gid, attributes.gid)
    this.putU32(offset + Attr.rdev, attributes.rdev)
    this.putU32(offset + Attr.blockBytes, attributes.blockBytes)
    this.putU32(offset + Attr.flags, 0)
  }

  #putIno(offset: number, attributes: Attributes): void {
    this.putU32(offset, attributes.inoLow)
    this.putU32(offset + 4, attributes.inoHigh)
  }

  /** fuse_sx_time. */
  #putTime(offset: number, seconds: number, nanoseconds: number): void {
    this.putU64(offset, seconds)
    this.putU32(offset + 8, nanoseconds)
  }

  #putTtl(secondsOffset: number, nanosecondsOffset: number, ttlMs: number): void {
    if (ttlMs >= ttlSecondsMax * 1000) {
      this.putU64(secondsOffset, ttlSecondsMax)
      this.putU32(nanosecondsOffset, 0)
      return
    }
    const seconds = Math.floor(ttlMs / 1000)
    this.putU64(secondsOffset, seconds)
    this.putU32(nanosecondsOffset, (ttlMs - seconds * 1000) * 1e6)
  }

  #putOpen(offset: number, open: OpenReply, flags: number): void {
    this.putU64(offset + OpenOut.handle, open.handle)
    this.putU32(offset + OpenOut.flags, flags)
    this.putU32(offset + OpenOut.backing, 0)
  }
}

function fileFlags(open: OpenReply, hasNoFlush: boolean): number {
  let flags = open.keepCache ? OpenFlag.keepCache : 0
  if (open.directIo) flags |= OpenFlag.directIo
  if (hasNoFlush) flags |= OpenFlag.noFlush
  return flags
}
