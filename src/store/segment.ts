import { join } from 'node:path'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import { isKept } from '../base/rules.js'
import { crc32cOf } from './checksum.js'
import type { Disk } from './disk.js'
import { readU64le, writeU64le } from './integers.js'

/*
 * A segment file of the journal: its name, its header (drawn in FORMAT.md), its birth. A segment is
 * made under another name and renamed when its header is on the disk: one with a bad header is
 * damaged, never half made.
 */

export const segmentHeaderBytes = 64
/** Tests that want many segments have a smaller one. */
export const segmentBytesMax = Number(process.env['BYGONE_SEGMENT_BYTES'] ?? 256 << 20)
export const journalFormat = 1
export const volumeIdBytesMax = 32

const magic = Buffer.from('BYGONEJ\n', 'latin1')
const at = { format: 8, segment: 12, volume: 16, firstSequence: 48, crc: 60 }
const namePattern = /^(\d{8})\.seg$/
const newSuffix = '.new'

export interface SegmentHeader {
  segment: number
  volumeId: string
  /** Of the segment's first record. */
  firstSequence: number
  /** Where the checksums of this segment's records start from. */
  seed: number
}

export function segmentName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.seg`
}

/** The numbers of the segments in a journal's directory, ascending. */
export function segmentNumbers(disk: Disk, directory: string): number[] {
  return disk
    .list(directory)
    .flatMap((name) => namePattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

/** The same; removes what was never finished. */
export function listSegments(disk: Disk, directory: string): number[] {
  for (const name of disk.list(directory)) {
    if (name.endsWith(newSuffix)) disk.remove(join(directory, name))
  }
  return segmentNumbers(disk, directory)
}

/** The header that a segment has, by what can be known of it. */
export function segmentHeaderOf(
  segment: number,
  volumeId: string,
  firstSequence: number,
): { bytes: Buffer; header: SegmentHeader } {
  const bytes = Buffer.alloc(segmentHeaderBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(journalFormat, at.format)
  bytes.writeUInt32LE(segment, at.segment)
  bytes.write(volumeId, at.volume, 'latin1')
  writeU64le(bytes, firstSequence, at.firstSequence)
  const crc = crc32cOf(bytes, 0, at.crc, 0)
  bytes.writeUInt32LE(crc, at.crc)
  const seed = isKept('segment.seed') ? crc : 0
  return { bytes, header: { segment, volumeId, firstSequence, seed } }
}

/** Makes an empty file under the name given. */
export type MakeFile = (path: string) => void

/**
 * Makes a segment, durably, and returns it open for reading and writing. `makeFile`: where its file comes
 * from, if not from free space.
 */
export function createSegment(
  disk: Disk,
  directory: string,
  segment: number,
  volumeId: string,
  firstSequence: number,
  makeFile?: MakeFile,
): { fd: number; header: SegmentHeader } {
  const { bytes, header } = segmentHeaderOf(segment, volumeId, firstSequence)
  const path = join(directory, segmentName(segment))
  const made = isKept('segment.aside') ? path + newSuffix : path
  disk.remove(made)
  makeFile?.(made)
  const fd = disk.open(made, makeFile === undefined ? 'make new' : 'writing')
  try {
    disk.write(fd, bytes, 0)
    faultPoint('journal.segment.written')
    if (isKept('segment.synced')) disk.sync(fd)
    faultPoint('journal.segment.synced')
    disk.rename(made, path)
    faultPoint('journal.segment.renamed')
    if (isKept('segment.named')) disk.syncDirectory(directory)
    faultPoint('journal.segment.durable')
  } catch (error) {
    disk.close(fd)
    disk.remove(made)
    throw error
  }
  return { fd, header }
}

/** Opens a segment and checks its header. `path` is named in failures. */
export function openSegment(
  disk: Disk,
  path: string,
  segment: number,
  volumeId: string,
): { fd: number; header: SegmentHeader } {
  const fd = disk.open(path, 'writing')
  try {
    const bytes = Buffer.alloc(segmentHeaderBytes)
    const isWhole = disk.read(fd, bytes, 0, segmentHeaderBytes, 0) === segmentHeaderBytes
    return { fd, header: readSegmentHeader(bytes, isWhole, path, segment, volumeId) }
  } catch (error) {
    disk.close(fd)
    throw error
  }
}

/** Throws Failure for what is no header of that segment. `path` is named in it. */
export function readSegmentHeader(
  bytes: Buffer,
  isWhole: boolean,
  path: string,
  segment: number,
  volumeId: string,
): SegmentHeader {
  const crc = crc32cOf(bytes, 0, at.crc, 0)
  const seed = isKept('segment.seed') ? crc : 0
  const read = { segment, volumeId, firstSequence: readU64le(bytes, at.firstSequence), seed }
  if (!isKept('segment.header')) return read
  const isOurs = isWhole && bytes.subarray(0, magic.length).equals(magic)
  if (!isOurs) throw damagedJournal(path, 0, 'not a journal segment')
  // Of every format the header's first 64 bytes end with this checksum.
  if (bytes.readUInt32LE(at.crc) !== crc) throw damagedJournal(path, 0, 'header checksum')
  const format = bytes.readUInt32LE(at.format)
  if (format > journalFormat) {
    throw new Failure(
      'failed',
      `${path} has journal format ${format}, this bygone knows up to ${journalFormat}: use a newer bygone`,
    )
  }
  const foundId = bytes.toString('latin1', at.volume, at.volume + volumeIdBytesMax)
  if (foundId.replace(/\0+$/, '') !== volumeId || bytes.readUInt32LE(at.segment) !== segment) {
    throw damagedJournal(path, 0, 'belongs to another volume or place')
  }
  return read
}

export function damagedJournal(path: string, offset: number, what: string): Failure {
  return new Failure(
    'damaged',
    `damaged journal: ${path} at offset ${offset}: ${what}; restore the store from a copy (live files are not affected)`,
  )
}
