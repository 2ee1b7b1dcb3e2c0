import { byteStringOf, isName } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import type { Label, ObjectId } from '../base/ids.js'
import { isKept } from '../base/rules.js'
import { chunkBytesMax } from './catalog-data.js'
import { crc32cOf } from './checksum.js'
import type { ChunkPlace, Location, NameElement } from './elements.js'
import { readU64le, writeU64le } from './integers.js'

/*
 * Values of the index, drawn in FORMAT.md: a payload and the CRC-32C of key and payload, so that a
 * damaged page, or a value that strayed to another key, is never believed. Each write function
 * takes where the payload starts and returns where it ends; each read function gets a checked
 * payload [0, end).
 */

export const checksumBytes = 4
export const nameValueBytes = 9
export const chunkValueBytesMin = 16
export const placesMax = 3

/** d_type as readdir(3) has it; 0: absent, or not known. */
const directoryTypes = new Set([0, 1, 2, 4, 6, 8, 10, 12])

/**
 * Completes a value: the payload ends at `payloadEnd`, its key starts at `keyStart` just before it.
 */
export function sealValue(to: Buffer, keyStart: number, payloadEnd: number): number {
  return to.writeUInt32LE(crc32cOf(to, keyStart, payloadEnd, 0), payloadEnd)
}

/** The length of the payload of a value that is right for its key; else EIO. */
export function checkedPayloadBytes(
  key: Buffer,
  keyBytes: number,
  value: Buffer,
  valueBytes: number,
): number {
  const end = valueBytes - checksumBytes
  if (!isKept('value.checksum')) return end
  if (end < 0 || value.readUInt32LE(end) !== crc32cOf(value, 0, end, crc32cOf(key, 0, keyBytes, 0)))
    throw damaged('checksum')
  return end
}

export function writeNameValue(to: Buffer, at: number, element: NameElement): number {
  to[at] = element.type
  writeU64le(to, element.object, at + 1)
  return at + nameValueBytes
}

export function readNameValue(from: Buffer, end: number): NameElement {
  if (end !== nameValueBytes) throw damaged('name')
  const object = readU64le(from, 1)
  const type = from[0] ?? 0
  if (!Number.isSafeInteger(object) || !directoryTypes.has(type)) throw damaged('name')
  return { object: object as ObjectId, type }
}

/** A run that is one extent from the chunk's start needs no extents. */
function isPlainRun(place: ChunkPlace): boolean {
  return place.extents.length === 2 && place.extents[0] === 0
}

export function writeChunkValue(to: Buffer, at: number, place: ChunkPlace): number {
  to.writeUInt32LE(place.segment, at)
  to.writeUInt32LE(place.dataOffset, at + 4)
  to.writeUInt32LE(place.dataBytes, at + 8)
  let end = to.writeUInt32LE(place.crc, at + 12)
  if (isPlainRun(place)) return end
  for (const word of place.extents) end = to.writeUInt32LE(word, end)
  return end
}

/** Puts the run of a chunk value written before where it came to lie. */
export function moveChunkValue(value: Buffer, at: number, segment: number, byOffset: number): void {
  value.writeUInt32LE(segment, at)
  value.writeUInt32LE(value.readUInt32LE(at + 4) + byOffset, at + 4)
}

export function readChunkValue(from: Buffer, end: number): ChunkPlace {
  if (end < chunkValueBytesMin || (end - chunkValueBytesMin) % 8 !== 0) throw damaged('chunk')
  const dataBytes = from.readUInt32LE(8)
  const isPlain = end === chunkValueBytesMin && dataBytes > 0
  const extents = new Uint32Array(isPlain ? 2 : (end - chunkValueBytesMin) / 4)
  if (isPlain) extents[1] = dataBytes
  else {
    for (let word = 0; word < extents.length; word++)
      extents[word] = from.readUInt32LE(chunkValueBytesMin + 4 * word)
  }
  const place = {
    segment: from.readUInt32LE(0),
    dataOffset: from.readUInt32LE(4),
    dataBytes,
    crc: from.readUInt32LE(12),
    extents,
  }
  if (!areExtentsSound(place)) throw damaged('extents')
  return place
}

/** Whether they can be a chunk's, of whatever size that is. */
function areExtentsSound({ extents, dataBytes }: ChunkPlace): boolean {
  let position = 0
  let sum = 0
  for (let word = 0; word < extents.length; word += 2) {
    const start = extents[word] ?? 0
    const length = extents[word + 1] ?? 0
    if (start < position || length === 0) return false
    position = start + length
    sum += length
  }
  return sum === dataBytes && position <= chunkBytesMax
}

const locationFixedBytes = 10

export function locationValueBytesMax(location: Location): number {
  return location.places.reduce((sum, { name }) => sum + 10 + name.length, locationFixedBytes)
}

export function writeLocationValue(to: Buffer, at: number, location: Location): number {
  to[at] = location.isRetired ? 1 : 0
  to[at + 1] = location.places.length
  to.writeUInt32LE(location.bornAfter, at + 2)
  let end = to.writeUInt32LE(location.writtenAt, at + 6)
  for (const { parent, name } of location.places) {
    writeU64le(to, parent, end)
    end = to.writeUInt16LE(name.length, end + 8)
    end += to.write(name, end, 'latin1')
  }
  return end
}

export function readLocationValue(from: Buffer, end: number): Location {
  if (end < locationFixedBytes || (from[0] ?? 0) > 1 || (from[1] ?? 0) > placesMax)
    throw damaged('location')
  const places: { parent: ObjectId; name: Location['places'][number]['name'] }[] = []
  let at = locationFixedBytes
  for (let count = from[1] ?? 0; count > 0; count--) {
    const nameStart = at + 10
    const nameEnd = nameStart <= end ? nameStart + from.readUInt16LE(at + 8) : Infinity
    if (nameEnd > end) throw damaged('location')
    const parent = readU64le(from, at)
    const name = byteStringOf(from.subarray(nameStart, nameEnd))
    if (!Number.isSafeInteger(parent) || !isName(name)) throw damaged('location')
    places.push({ parent: parent as ObjectId, name })
    at = nameEnd
  }
  if (at !== end) throw damaged('location')
  return {
    isRetired: from[0] === 1,
    places,
    bornAfter: from.readUInt32LE(2) as Label,
    writtenAt: from.readUInt32LE(6) as Label,
  }
}

/** What an object that is gone for good leaves: its number may come to stand for another. */
export function isNowhere({ isRetired, places, bornAfter }: Location): boolean {
  return !isRetired && places.length === 0 && bornAfter === 0
}

export function driftValueBytes(labels: readonly Label[]): number {
  return 4 * labels.length
}

/** Ascending. */
export function writeDriftValue(to: Buffer, at: number, labels: readonly Label[]): number {
  return labels.reduce((end, label) => to.writeUInt32LE(label, end), at)
}

export function readDriftValue(from: Buffer, end: number): readonly Label[] {
  if (end === 0 || end % 4 !== 0) throw damaged('drift')
  const labels: Label[] = []
  for (let at = 0; at < end; at += 4) {
    const label = from.readUInt32LE(at) as Label
    if (label <= (labels.at(-1) ?? 0)) throw damaged('drift')
    labels.push(label)
  }
  return labels
}

export function damaged(what: string): FsError {
  return new FsError('EIO', `damaged element of the index: ${what}`)
}
