import { constants, closeSync, fsyncSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { faultPoint } from '../base/fault-point.js'
import type { ReplacedFile } from '../base/fault-points.js'

/*
 * Small files that must be whole after any crash. Nothing here follows a symbolic link in the last
 * component: a store may lie in a directory that others can write to.
 */

/** What replaceFile writes first; one that is left over is worth nothing. */
export const temporarySuffix = '.tmp'

/**
 * The file `name` is, after a crash at any moment, the old one or the new one; the new one once
 * this returns.
 */
export function replaceFile(directory: string, name: ReplacedFile, bytes: Uint8Array): void {
  faultPoint(`file.${name}.begun`)
  const temporary = join(directory, name + temporarySuffix)
  // Not truncated in place: what lies under that name may be anything, a hard link too.
  rmSync(temporary, { force: true })
  try {
    writeNewFile(temporary, bytes, () => {
      faultPoint(`file.${name}.written`)
    })
    faultPoint(`file.${name}.synced`)
    renameSync(temporary, join(directory, name))
    faultPoint(`file.${name}.renamed`)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncDirectory(directory)
  faultPoint(`file.${name}.durable`)
}

function writeNewFile(path: string, bytes: Uint8Array, onWritten: () => void): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written)
    onWritten()
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** The whole file, or undefined if there is none. */
export function readWholeFile(path: string): Buffer | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      return readFileSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes a directory for its owner alone, and those above it that are missing; durable when it
 * returns.
 */
export function makePrivateDirectory(path: string): void {
  const made = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (made === undefined) return
  for (let at = path; ; at = dirname(at)) {
    syncDirectory(dirname(at))
    if (at === made) return
  }
}

/** The code of an error of node:fs ('ENOENT'), if it is one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
