import { nameBytesMax } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import { readU64be, writeU64be } from './integers.js'

/*
 * Keys of the index, drawn in FORMAT.md: u8 table, u64be object, address, u32be label. Bytewise
 * order is the order of tables, objects, addresses, labels, so that the element which a
 * snapshot sees is the first at or after (address, the snapshot's label).
 *
 * A name ends with NUL, which no name contains: no name's keys can lie among another's.
 */

export const Table = {
  meta: 0,
  names: 1,
  attributes: 2,
  chunks: 3,
  locations: 4,
  drifts: 5,
} as const

/** u8 table, u64be object. */
export const objectPrefixBytes = 9
export const labelBytes = 4
export const labelMax = 0xffffffff
export const keyBytesMax = objectPrefixBytes + nameBytesMax + 1 + labelBytes
export const attributesKeyBytes = objectPrefixBytes + labelBytes
export const chunkKeyBytes = objectPrefixBytes + 8 + labelBytes
/** Of the tables without addresses and labels. */
export const objectKeyBytes = objectPrefixBytes

/** Each writes a key at `at` and returns where it ends. */
export function writeObjectPrefix(to: Buffer, at: number, table: number, object: number): number {
  to[at] = table
  writeU64be(to, object, at + 1)
  return at + objectPrefixBytes
}

export function writeNameKey(
  to: Buffer,
  at: number,
  directory: ObjectId,
  name: ByteString,
  label: number,
): number {
  let end = writeObjectPrefix(to, at, Table.names, directory)
  end += to.write(name, end, 'latin1')
  to[end++] = 0
  return to.writeUInt32BE(label, end)
}

export function writeAttributesKey(
  to: Buffer,
  at: number,
  object: ObjectId,
  label: number,
): number {
  return to.writeUInt32BE(label, writeObjectPrefix(to, at, Table.attributes, object))
}

export function writeChunkKey(
  to: Buffer,
  at: number,
  object: ObjectId,
  chunk: ChunkIndex,
  label: number,
): number {
  const end = writeObjectPrefix(to, at, Table.chunks, object)
  writeU64be(to, chunk, end)
  return to.writeUInt32BE(label, end + 8)
}

export function writeLocationKey(to: Buffer, at: number, object: ObjectId): number {
  return writeObjectPrefix(to, at, Table.locations, object)
}

export function writeDriftKey(to: Buffer, at: number, object: ObjectId): number {
  return writeObjectPrefix(to, at, Table.drifts, object)
}

export function hasLabels(table: number): boolean {
  return table !== Table.locations && table !== Table.drifts
}

/** Reads parts of a key that lies at [at, end). */
export function objectOfKey(key: Buffer, at: number): ObjectId {
  return readU64be(key, at + 1) as ObjectId
}

export function labelOfKey(key: Buffer, end: number): Label {
  return key.readUInt32BE(end - labelBytes) as Label
}

export function nameOfKey(key: Buffer, at: number, end: number): ByteString {
  return key.toString('latin1', at + objectPrefixBytes, end - labelBytes - 1) as ByteString
}

export function chunkOfKey(key: Buffer, at: number): ChunkIndex {
  return readU64be(key, at + objectPrefixBytes) as ChunkIndex
}

/** Whether [at, end) can be the key of an element: known table, right length, numbers in range. */
export function isElementKey(key: Buffer, at: number, end: number): boolean {
  const bytes = end - at
  if (bytes < objectPrefixBytes || !Number.isSafeInteger(objectOfKey(key, at))) return false
  switch (key[at] ?? Table.meta) {
    case Table.names:
      return bytes <= keyBytesMax && isNameWithNul(key, at + objectPrefixBytes, end - labelBytes)
    case Table.attributes:
      return bytes === attributesKeyBytes
    case Table.chunks:
      return bytes === chunkKeyBytes && Number.isSafeInteger(chunkOfKey(key, at))
    case Table.locations:
    case Table.drifts:
      return bytes === objectKeyBytes
    default:
      return false
  }
}

const nul = 0
const dot = 0x2e
const slash = 0x2f

/** Whether [at, end) is a name as `isName` says, and the NUL that ends it. */
function isNameWithNul(key: Buffer, at: number, end: number): boolean {
  const nameBytes = end - at - 1
  if (nameBytes < 1 || key[end - 1] !== nul) return false
  let dots = 0
  for (let byte = at; byte < end - 1; byte++) {
    if (key[byte] === nul || key[byte] === slash) return false
    if (key[byte] === dot) dots++
  }
  return dots < nameBytes || nameBytes > 2
}
