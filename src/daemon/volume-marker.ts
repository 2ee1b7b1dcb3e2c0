import { readFileSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { Failure } from '../base/failure.js'
import { replaceFile } from '../store/durable-file.js'
import { isInside } from './mount-table.js'

/** The directory in the origin's root that is bygone's own, hidden in the mount. */
export const ownDirectory = '.bygone'
export const retiredDirectory = join(ownDirectory, 'retired')
export const defaultStore = join(ownDirectory, 'store')

const markerName = 'volume.json'
const markerFormat = 1

/**
 * ORIGIN/.bygone/volume.json: whose volume the origin is.
 *
 * The store knows the origin's files by their inode numbers, so it is of no use to a copy of them: the
 * root's inode number and birth time tell the origin from a copy that took this file along.
 */
export interface VolumeMarker {
  id: string
  /** Relative to the origin if it lies inside, so that the origin can be moved as a whole. */
  store: string
  originIno: number
  /** Seconds and nanoseconds; null where the file system does not know it. */
  originBirth: string | null
}

/** `root` leads to the origin's own files, whatever is mounted over them. undefined: not a volume yet. */
export function readMarker(root: string): VolumeMarker | undefined {
  const path = join(root, ownDirectory, markerName)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'EACCES') {
      const advice = `run the command as the owner of ${root}, or as root`
      throw new Failure('failed', `no permission to read ${path}: ${advice}`)
    }
    throw error
  }
  return parseMarker(text, path)
}

export function parseMarker(text: string, path: string): VolumeMarker {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const marker = (value ?? {}) as Record<string, unknown>
  const format = marker['format']
  if (typeof format === 'number' && format > markerFormat) {
    const advice = 'use that version'
    throw new Failure(
      'failed',
      `${path} is of a later version of bygone (format ${format}): ${advice}`,
    )
  }
  const { id, store, originIno, originBirth } = marker
  if (
    format !== markerFormat ||
    typeof id !== 'string' ||
    typeof store !== 'string' ||
    typeof originIno !== 'number' ||
    !(typeof originBirth === 'string' || originBirth === null)
  ) {
    throw new Failure('damaged', `${path} is damaged: put it back from a backup, or see FORMAT.md`)
  }
  return { id, store, originIno, originBirth }
}

export function writeMarker(root: string, marker: VolumeMarker): void {
  const text = `${JSON.stringify({ format: markerFormat, ...marker }, undefined, 2)}\n`
  replaceFile(join(root, ownDirectory), markerName, Buffer.from(text))
}

export function markerStoreOf(origin: string, store: string): string {
  return isInside(store, origin) ? relative(origin, store) : store
}

export function storeOfMarker(origin: string, marker: VolumeMarker): string {
  return isAbsolute(marker.store) ? marker.store : join(origin, marker.store)
}
