import { dirname, join } from 'node:path'
import { faultPoint } from '../base/fault-point.js'
import { Failure } from '../base/failure.js'
import type { ReplacedFile, ReplacingStep } from '../base/fault-points.js'
import { isKept } from '../base/rules.js'
import type { Disk } from './disk.js'

/* Small files that must be whole after any crash. */

/** What replaceFile writes first; one that is left over is worth nothing. */
export const temporarySuffix = '.tmp'

/** To see the end of a file in the same call that reads it. */
const readMoreBytes = 256

/**
 * The file `name` is, after a crash at any moment, the old one or the new one; the new one once
 * this returns. A fault point stands at each step.
 */
export function replaceFile(
  disk: Disk,
  directory: string,
  name: ReplacedFile,
  bytes: Uint8Array,
): void {
  const steps: Record<ReplacingStep, () => void> = {
    begun: () => {
      faultPoint(`file.${name}.begun`)
    },
    written: () => {
      faultPoint(`file.${name}.written`)
    },
    synced: () => {
      faultPoint(`file.${name}.synced`)
    },
    renamed: () => {
      faultPoint(`file.${name}.renamed`)
    },
    durable: () => {
      faultPoint(`file.${name}.durable`)
    },
  }
  putFile(disk, directory, name, bytes, (step) => {
    steps[step]()
  })
}

/** The same for any file. */
export function putFile(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
  onStep: (step: ReplacingStep) => void = () => undefined,
): void {
  onStep('begun')
  const temporary = join(directory, name + temporarySuffix)
  // Not truncated in place: what lies under that name may be anything, a hard link too.
  disk.remove(temporary)
  try {
    writeNewFile(disk, temporary, bytes, () => {
      onStep('written')
    })
    onStep('synced')
    disk.rename(temporary, join(directory, name))
    onStep('renamed')
  } catch (error) {
    disk.remove(temporary)
    throw error
  }
  disk.syncDirectory(directory)
  onStep('durable')
}

function writeNewFile(disk: Disk, path: string, bytes: Uint8Array, onWritten: () => void): void {
  const fd = disk.open(path, 'make new')
  try {
    disk.write(fd, bytes, 0)
    onWritten()
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}

/** A catalog with a million snapshots is smaller. */
const fileBytesMax = 256 << 20

/** The whole file, or undefined if there is none. */
export function readWholeFile(disk: Disk, path: string): Buffer | undefined {
  try {
    const fd = disk.open(path, 'reading')
    try {
      if (disk.sizeOf(fd) > fileBytesMax) {
        const advice = 'restore it from a copy'
        throw new Failure('damaged', `${path} is longer than ${fileBytesMax} bytes: ${advice}`)
      }
      return readAll(disk, fd)
    } finally {
      disk.close(fd)
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** From the start to the end, whatever the file says of its size: those of /proc say 0. */
export function readAll(disk: Disk, fd: number): Buffer {
  const parts: Buffer[] = []
  for (let offset = 0; ;) {
    const part = Buffer.allocUnsafe(Math.max(disk.sizeOf(fd) - offset, 0) + readMoreBytes)
    const read = disk.read(fd, part, 0, part.length, offset)
    parts.push(part.subarray(0, read))
    if (read < part.length)
      return parts.length === 1 ? part.subarray(0, read) : Buffer.concat(parts)
    offset += read
  }
}

/**
 * Makes a directory for its owner alone, and those above it that are missing; durable when it
 * returns, also if a process that was killed had made it just before.
 */
export function makePrivateDirectory(disk: Disk, path: string): void {
  const uppermost = disk.makeDirectories(path) ?? path
  if (!isKept('directory.named')) return
  for (let at = path; ; at = dirname(at)) {
    disk.syncDirectory(dirname(at))
    if (at === uppermost) return
  }
}

/** The code of an error of node:fs ('ENOENT'), if it is one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** Whether an error says that the disk, or what a user may have of it, is full. */
export function isFull(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
