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
  kind: RecordKind
}

/**
 * 'change': of one commit. Others stand in the place of records up to their number: 'lost' for some that are lost, 'freed'
 * for all after its durable sequence number, which nobody needs.
 */
export type RecordKind = 'change' | 'lost' | 'freed'
const kinds: readonly RecordKind[] = ['change', 'lost', 'freed']

/** Whether a record with that header may come right after the one with number `sequence`. */
export function comesAfter(header: RecordHeader, sequence: number): boolean {
  switch (header.kind) {
    case 'change':
      return header.sequence === sequence + 1
    case 'lost':
      return header.sequence >= sequence
    case 'freed':
      return header.durableSequence === sequence
  }
}

/** The header of a record without a body, `bytes` long as a whole, for records up to `sequence` that are lost. */
export function lostRecordHeader(seed: number, sequence: number, bytes: number): Buffer {
  const header = Buffer.alloc(recordHeaderBytes)
  sealRecord(header, seed, sequence, sequence - 1, 0, bytes - recordHeaderBytes, 'lost')
  return header
}

/** The same for those from `first` to `last` that are freed. */
export function freedRecordHeader(
  seed: number,
  first: number,
  last: number,
  bytes: number,
): Buffer {
  const header = Buffer.alloc(recordHeaderBytes)
  sealRecord(header, seed, last, first - 1, 0, bytes - recordHeaderBytes, 'freed')
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
  kind: RecordKind = 'change',
): void {
  record.writeUInt32LE(recordMagic, at.magic)
  writeU64le(record, sequence, at.sequence)
  writeU64le(record, durableSequence, at.durable)
  record.writeUInt32LE(bodyBytes, at.body)
  record.writeUInt32LE(dataBytes, at.data)
  const bodyCrc = crc32cOf(record, recordHeaderBytes, recordHeaderBytes + bodyBytes, seed)
  record.writeUInt32LE(bodyCrc, at.bodyCrc)
  record.writeUInt32LE(kinds.indexOf(kind), at.flags)
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
  const kind = kinds[from.readUInt32LE(start + at.flags)]
  if (kind === undefined) return undefined
  const header = {
    kind,
    sequence: readU64le(from, start + at.sequence),
    durableSequence: readU64le(from, start + at.durable),
    bodyBytes: from.readUInt32LE(start + at.body),
    dataBytes: from.readUInt32LE(start + at.data),
    bodyCrc: from.readUInt32LE(start + at.bodyCrc),
  }
  const isPossible =
    (kind === 'change' || header.bodyBytes === 0) &&
    Number.isSafeInteger(header.sequence) &&
    header.durableSequence < header.sequence &&
    header.bodyBytes <= bodyBytesMax
  return isPossible ? header : undefined
}
