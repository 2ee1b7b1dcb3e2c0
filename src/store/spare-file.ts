import { join } from 'node:path'
import { faultPoint } from '../base/fault-point.js'
import type { ReplacedFile } from '../base/fault-points.js'
import { isKept } from '../base/rules.js'
import type { Disk } from './disk.js'
import { codeOf, isFull, temporarySuffix } from './durable-file.js'

/** More than a snapshot with the longest memo adds to a catalog. */
const spareSlackBytes = 32 << 10
/** A file that has become so much shorter gives its blocks back. */
const paddingBytesMax = 1 << 20
/** What tells a spare from the file that it was. */
const spareMark = Buffer.from('no longer in use\n')

/**
 * As replaceFile, for a file that has to be replaced on a full disk too: what was replaced is kept, under the
 * temporary name, with its blocks and some more, and is written to the next time. `padding` fills
 * what is shorter than before: cutting it off would give the blocks away.
 */
export function replaceInPlace(
  disk: Disk,
  directory: string,
  name: ReplacedFile,
  bytes: Uint8Array,
  padding: number,
): void {
  faultPoint(`file.${name}.begun`)
  const path = join(directory, name)
  const spare = path + temporarySuffix
  const settled = settledOf(disk)
  // Which of the two is the file in use may be known in memory alone, if a process was killed before this one.
  if (!settled.has(path)) disk.syncDirectory(directory)
  settled.delete(path)
  const fd = openSpare(disk, isKept('file.aside') ? spare : path)
  try {
    setAsideIfRoom(disk, fd, bytes.length + spareSlackBytes)
    const excess = disk.sizeOf(fd) - bytes.length
    if (excess > paddingBytesMax) disk.truncate(fd, bytes.length)
    const padded = excess > 0 && excess <= paddingBytesMax ? excess : 0
    disk.write(fd, Buffer.concat([bytes, Buffer.alloc(padded, padding)]), 0)
    faultPoint(`file.${name}.written`)
    if (isKept('file.synced')) disk.sync(fd)
  } finally {
    disk.close(fd)
  }
  faultPoint(`file.${name}.synced`)
  const isOldKept = isKept('file.aside') && disk.exchange(spare, path)
  if (!isOldKept && isKept('file.aside')) disk.rename(spare, path)
  faultPoint(`file.${name}.renamed`)
  if (isKept('file.named')) disk.syncDirectory(directory)
  settled.add(path)
  faultPoint(`file.${name}.durable`)
  prepareSpare(disk, spare, bytes.length + spareSlackBytes, isOldKept)
}

/** By disk, the files whose names are on it as they are in memory. */
const settledPaths = new WeakMap<Disk, Set<string>>()

function settledOf(disk: Disk): Set<string> {
  let settled = settledPaths.get(disk)
  if (settled === undefined) settledPaths.set(disk, (settled = new Set()))
  return settled
}

/** Neither a link nor a file with other names: somebody's copy by hard links keeps what it has. */
function openSpare(disk: Disk, spare: string): number {
  const found = disk.stat(spare)
  if (found !== undefined && !(found.isFile && found.links === 1)) disk.remove(spare)
  try {
    return disk.open(spare, 'make')
  } catch (error) {
    if (codeOf(error) !== 'ELOOP') throw error
    disk.remove(spare)
    return disk.open(spare, 'make new')
  }
}

/** For the next time; can't be done on a full disk, where the last time has done it already. */
function prepareSpare(disk: Disk, spare: string, bytes: number, isOldFile: boolean): void {
  try {
    const fd = openSpare(disk, spare)
    try {
      // Whoever took it for the newest would go back in time.
      if (isOldFile) disk.write(fd, spareMark, 0)
      setAsideIfRoom(disk, fd, bytes)
    } finally {
      disk.close(fd)
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
  }
}

function setAsideIfRoom(disk: Disk, fd: number, bytes: number): void {
  try {
    disk.setAside(fd, 0, bytes)
  } catch (error) {
    if (!isFull(error)) throw error
  }
}
