import { join } from 'node:path'
import type { ObjectId } from '../base/ids.js'
import type { Disk } from './disk.js'
import { codeOf, readWholeFile } from './durable-file.js'

const fileName = 'doomed'

export interface DoomedFiles {
  objects: readonly ObjectId[]
  /** When that was noted. What came to the retired directory later is none of them. */
  notedMs: number
}

/**
 * The file `doomed`, drawn in FORMAT.md: of the retired directory, which the index is about to forget, and which are then
 * removed. A process that is killed between the two would leave them there for good. Never synced: a power failure may.
 */
export function noteDoomed(disk: Disk, directory: string, objects: readonly ObjectId[]): void {
  const path = join(directory, fileName)
  try {
    if (objects.length === 0) {
      disk.remove(path)
      return
    }
    const fd = disk.open(path, 'make')
    try {
      const text = Buffer.from(objects.map((object) => `${object}\n`).join(''))
      disk.write(fd, text, 0)
      disk.truncate(fd, text.length)
    } finally {
      disk.close(fd)
    }
  } catch (error) {
    // On a full disk removing goes on without.
    if (codeOf(error) === undefined) throw error
  }
}

export function readDoomed(disk: Disk, directory: string): DoomedFiles | undefined {
  const path = join(directory, fileName)
  const facts = disk.stat(path)
  const text = facts && readWholeFile(disk, path)?.toString('latin1')
  if (text === undefined) return undefined
  const lines = text.split('\n').slice(0, -1)
  // What a power failure has left of it is not worth guessing.
  if (!lines.every((line) => /^[1-9]\d{0,15}$/.test(line))) return undefined
  const objects = lines.map((line) => Number(line) as ObjectId)
  return { objects, notedMs: facts?.mtimeMs ?? 0 }
}
