import { isKept } from '../base/rules.js'
import { crc32cOf } from './checksum.js'
import { readU64le, writeU64le } from './integers.js'

/*
 * The header of a journal record, drawn in FORMAT.md. After it: the body (puts), then the data
 * (chunk bytes, whose checksums are in the puts). All checksums start from the segment's seed, so
 * that a record is valid only in the segment it was written to.
 */

export const recordHeaderBytes = 40
export const recordMagic = 0x43_45_52_42 // 'BREC'
export const bodyBytesMax = 64 << 20

const at = {
  magic: 0,
  headerCrc: 4,
  sequence: 8,
  durable: 16,
  body: 24,
  data: 28,
  bodyCrc: 32,
  flags: 36,
}

export interface RecordHeader {
  /** 1 for the first record of a volume, then one more for each, over all segments. */
  sequence: number
  /** Every record up to this one was known to be on the disk when this one was written. */
  durableSequence: number
  bodyBytes: number
  dataBytes: number
  bodyCrc: number
  /** It stands in the place of records that are lost, the last of which had its number. */
  isVoid: boolean
}

/** Whether a record with that header may come right after the one with number `sequence`. */
export function comesAfter(header: RecordHeader, sequence: number): boolean {
  return header.isVoid ? header.sequence >= sequence : header.sequence === sequence + 1
}

/** The header of a record without a body, `bytes` long as a whole, for records up to `sequence` that are lost. */
export function voidRecordHeader(seed: number, sequence: number, bytes: number): Buffer {
  const header = Buffer.alloc(recordHeaderBytes)
  sealRecord(header, seed, sequence, sequence - 1, 0, bytes - recordHeaderBytes, true)
  return header
}

/** Fills the header at the start of `record`, whose body follows it. */
export function sealRecord(
  record: Buffer,
  seed: number,
  sequence: number,
  durableSequence: number,
  bodyBytes: number,
  dataBytes: number,
  isVoid = false,
): void {
  record.writeUInt32LE(recordMagic, at.magic)
  writeU64le(record, sequence, at.sequence)
  writeU64le(record, durableSequence, at.durable)
  record.writeUInt32LE(bodyBytes, at.body)
  record.writeUInt32LE(dataBytes, at.data)
  const bodyCrc = crc32cOf(record, recordHeaderBytes, recordHeaderBytes + bodyBytes, seed)
  record.writeUInt32LE(bodyCrc, at.bodyCrc)
  record.writeUInt32LE(isVoid ? 1 : 0, at.flags)
  record.writeUInt32LE(crc32cOf(record, at.sequence, recordHeaderBytes, seed), at.headerCrc)
}

/** The header at `start`, or undefined where there is none. */
export function readRecordHeader(
  from: Buffer,
  start: number,
  seed: number,
): RecordHeader | undefined {
  if (from.readUInt32LE(start + at.magic) !== recordMagic) return undefined
  const crc = crc32cOf(from, start + at.sequence, start + recordHeaderBytes, seed)
  if (from.readUInt32LE(start + at.headerCrc) !== crc && isKept('record.header')) return undefined
  const flags = from.readUInt32LE(start + at.flags)
  const header = {
    sequence: readU64le(from, start + at.sequence),
    durableSequence: readU64le(from, start + at.durable),
    bodyBytes: from.readUInt32LE(start + at.body),
    dataBytes: from.readUInt32LE(start + at.data),
    bodyCrc: from.readUInt32LE(start + at.bodyCrc),
    isVoid: flags === 1,
  }
  const isPossible =
    flags <= 1 &&
    (flags === 0 || header.bodyBytes === 0) &&
    Number.isSafeInteger(header.sequence) &&
    header.durableSequence < header.sequence &&
    header.bodyBytes <= bodyBytesMax
  return isPossible ? header : undefined
}
