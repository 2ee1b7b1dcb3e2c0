import { join } from 'node:path'
import { FsError } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { isKept } from '../base/rules.js'
import { crc32cOf } from './checksum.js'
import type { Disk } from './disk.js'
import { readWholeFile } from './durable-file.js'
import { replaceInPlace } from './spare-file.js'
import { readU64le, writeU64le } from './integers.js'
import { volumeIdBytesMax } from './segment.js'

/*
 * The file index/state, drawn in FORMAT.md: whether the index may be believed. LMDB runs here
 * without syncing and trusts its file blindly, a damaged one may crash the process: so what can be
 * told from outside is checked before it is opened, and in doubt it is built anew.
 */

export const stateName = 'state'
/** survey-file.ts. */
export const surveyName = 'survey.json'
export const dataName = 'data.mdb'
/** LMDB's, where it is not kept in memory (lmdb-place.ts). */
export const lockName = 'lock.mdb'
const stateBytes = 128
const stateFormat = 1
const magic = Buffer.from('BYGONIX\n', 'latin1')
const at = {
  format: 8,
  flags: 12,
  volume: 16,
  boot: 48,
  segments: 84,
  inode: 88,
  size: 96,
  changed: 104,
  end: 112,
  crc: 124,
}
const bootIdBytes = 36

export interface IndexState {
  volumeId: string
  /** Of the machine's run in which the index was last opened. */
  bootId: string
  /** How many segments the journal had at least. */
  segments: number
  /** Set when it was closed and synced; nothing may have changed since. */
  closed: { sizeBytes: number; changedNs: bigint; endSequence: number } | undefined
  inode: number
}

export function readIndexState(disk: Disk, directory: string): IndexState | undefined {
  const bytes = readWholeFile(disk, join(directory, stateName))
  if (bytes?.length !== stateBytes || !bytes.subarray(0, magic.length).equals(magic))
    return undefined
  const isSound = bytes.readUInt32LE(at.crc) === crc32cOf(bytes, 0, at.crc, 0)
  if (!isSound && isKept('index.state-checksum')) return undefined
  if (bytes.readUInt32LE(at.format) !== stateFormat) return undefined
  const isClosed = (bytes.readUInt32LE(at.flags) & 1) !== 0
  return {
    volumeId: textAt(bytes, at.volume, volumeIdBytesMax),
    bootId: textAt(bytes, at.boot, bootIdBytes),
    segments: bytes.readUInt32LE(at.segments),
    inode: readU64le(bytes, at.inode),
    closed: isClosed
      ? {
          sizeBytes: readU64le(bytes, at.size),
          changedNs: bytes.readBigUInt64LE(at.changed),
          endSequence: readU64le(bytes, at.end),
        }
      : undefined,
  }
}

function textAt(bytes: Buffer, start: number, length: number): string {
  return bytes.toString('latin1', start, start + length).replace(/\0+$/, '')
}

/** Durable when it returns. `endSequence`, of the journal: the index is closed and synced. */
export function writeIndexState(
  disk: Disk,
  directory: string,
  state: Pick<IndexState, 'volumeId' | 'bootId' | 'segments'>,
  endSequence?: number,
): void {
  const data = disk.stat(join(directory, dataName))
  if (data === undefined) throw new FsError('EIO', `the index ${directory} is gone`)
  const bytes = Buffer.alloc(stateBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(stateFormat, at.format)
  bytes.writeUInt32LE(endSequence === undefined ? 0 : 1, at.flags)
  bytes.write(state.volumeId, at.volume, 'latin1')
  bytes.write(state.bootId, at.boot, bootIdBytes, 'latin1')
  bytes.writeUInt32LE(state.segments, at.segments)
  writeU64le(bytes, data.ino, at.inode)
  if (endSequence !== undefined) {
    writeU64le(bytes, data.sizeBytes, at.size)
    bytes.writeBigUInt64LE(data.ctimeNs, at.changed)
    writeU64le(bytes, endSequence, at.end)
  }
  bytes.writeUInt32LE(crc32cOf(bytes, 0, at.crc, 0), at.crc)
  replaceInPlace(disk, directory, stateName, bytes, 0)
}

/** Whether LMDB may open the file that lies there, and find what we left. */
export function isIndexTrusted(
  disk: Disk,
  directory: string,
  state: IndexState | undefined,
  volumeId: string,
  bootId: string,
): boolean {
  if (state?.volumeId !== volumeId) return false
  const path = join(directory, dataName)
  const data = disk.stat(path)
  if (data?.isFile !== true || data.ino !== state.inode) return false
  const { closed } = state
  const isSame =
    closed === undefined
      ? state.bootId === bootId || !isKept('index.boot')
      : !isKept('index.changed') ||
        (data.sizeBytes === closed.sizeBytes && data.ctimeNs === closed.changedNs)
  return isSame && (!isKept('index.head') || hasSoundHead(disk, path, data.sizeBytes))
}

/** LMDB's two meta pages say what they should, and the file is as long as the newer one claims. */
function hasSoundHead(disk: Disk, path: string, sizeBytes: number): boolean {
  const head = Buffer.alloc(168)
  const fd = disk.open(path, 'reading')
  try {
    let newest = -1n
    let endBytes = 0
    for (let page = 0, offset = 0; page < 2; page++) {
      if (disk.read(fd, head, 0, head.length, offset) !== head.length) return false
      const pageBytes = head.readUInt32LE(48)
      const isMeta = head.readUInt32LE(24) === 0xbeefc0de && head.readUInt32LE(28) === 2
      if (!isMeta || pageBytes < 4096 || pageBytes > 65536) return false
      const transaction = head.readBigUInt64LE(152)
      if (transaction > newest) {
        newest = transaction
        endBytes = (readU64le(head, 144) + 1) * pageBytes
      }
      offset = pageBytes
    }
    return endBytes <= sizeBytes
  } finally {
    disk.close(fd)
  }
}

/** The state first: without it the rest is worth nothing. */
export function removeIndex(disk: Disk, directory: string): void {
  disk.remove(join(directory, stateName))
  disk.syncDirectory(directory)
  faultPoint('index.remove.state')
  for (const name of [dataName, lockName, surveyName]) disk.remove(join(directory, name))
  faultPoint('index.remove.data')
}
