import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { crc32cOf } from '../../src/store/checksum.js'
import { sealValue } from '../../src/store/element-values.js'
import { putHeaderBytes, writePutHeader } from '../../src/store/puts.js'
import { recordHeaderBytes, sealRecord } from '../../src/store/record.js'
import { journalFormat, segmentHeaderBytes, segmentName } from '../../src/store/segment.js'

/*
 * Journals by somebody who can write to the store and knows the format: every checksum is right, and
 * what they say is up to him.
 */

export interface ForgedPut {
  key: Buffer
  /** Without its checksum. */
  payload: Buffer
}

export interface ForgedRecord {
  puts: readonly ForgedPut[]
  data?: Buffer
}

/** The seal that a segment of that volume and number has. */
function segmentHeader(volumeId: string, segment: number): { header: Buffer; seed: number } {
  const header = Buffer.alloc(segmentHeaderBytes)
  header.write('BYGONEJ\n', 'latin1')
  header.writeUInt32LE(journalFormat, 8)
  header.writeUInt32LE(segment, 12)
  header.write(volumeId, 16, 'latin1')
  header.writeUInt32LE(1, 48)
  const seed = crc32cOf(header, 0, segmentHeaderBytes - 4, 0)
  header.writeUInt32LE(seed, segmentHeaderBytes - 4)
  return { header, seed }
}

/** A put as the body of a record has it. */
export function forgedPut({ key, payload }: ForgedPut): Buffer {
  const bytes = Buffer.alloc(putHeaderBytes + key.length + payload.length + 4)
  const keyEnd = putHeaderBytes + key.copy(bytes, putHeaderBytes)
  const end = sealValue(bytes, putHeaderBytes, keyEnd + payload.copy(bytes, keyEnd))
  writePutHeader(bytes, 0, key.length, end - keyEnd)
  return bytes
}

export function forgedSegment(volumeId: string, records: readonly ForgedRecord[]): Buffer {
  const { header, seed } = segmentHeader(volumeId, 1)
  const parts = [header]
  for (const [at, { puts, data = Buffer.alloc(0) }] of records.entries()) {
    const body = Buffer.concat(puts.map(forgedPut))
    const record = Buffer.concat([Buffer.alloc(recordHeaderBytes), body])
    sealRecord(record, seed, at + 1, at, body.length, data.length)
    parts.push(record, data)
  }
  return Buffer.concat(parts)
}

/** The journal of the volume in `directory`, whose name is the volume's id. */
export function forgeJournal(directory: string, records: readonly ForgedRecord[]): void {
  mkdirSync(join(directory, 'journal'), { recursive: true, mode: 0o700 })
  const bytes = forgedSegment(basename(directory), records)
  writeFileSync(join(directory, 'journal', segmentName(1)), bytes)
}
