import { FsError } from '../base/errno.js'
import { checkedPayloadBytes, checksumBytes, sealValue } from './element-values.js'
import { readU64le, writeU64le } from './integers.js'
import type { JournalPosition } from './journal.js'

/* The entry of the index that says up to where in the journal all is in, drawn in FORMAT.md. */

export const checkpointKey = Buffer.of(0)
const checkpointBytes = 24

/** Throws FsError for a damaged one. */
export function checkpointOf(value: Buffer | undefined): JournalPosition | undefined {
  if (value === undefined) return undefined
  const end = checkedPayloadBytes(checkpointKey, 1, value, value.length)
  if (end !== checkpointBytes) throw new FsError('EIO', 'damaged checkpoint of the index')
  return {
    segment: value.readUInt32LE(0),
    offset: readU64le(value, 8),
    sequence: readU64le(value, 16),
  }
}

/** The value with its checksum. */
export function checkpointValue(position: JournalPosition): Buffer {
  // Sealed together with the key that it belongs to.
  const bytes = Buffer.alloc(1 + checkpointBytes + checksumBytes)
  checkpointKey.copy(bytes)
  bytes.writeUInt32LE(position.segment, 1)
  writeU64le(bytes, position.offset, 9)
  writeU64le(bytes, position.sequence, 17)
  sealValue(bytes, 0, 1 + checkpointBytes)
  return bytes.subarray(1)
}
