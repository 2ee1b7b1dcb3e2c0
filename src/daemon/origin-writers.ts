import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { ObjectId } from '../base/ids.js'
import { isInside } from './mount-table.js'
import { ownDirectory } from './origin-marker.js'
import {
  commandOf,
  descriptorInfo,
  descriptorsOf,
  mappingsOf,
  otherProcesses,
  targetOf,
} from './other-processes.js'

/** A process that can change a file of the origin though it is mounted over: it had it open before. */
export interface OriginWriter {
  pid: string
  command: string
  path: string
  object: ObjectId
}

/** Enough to see what kind of process it is. */
const namedMax = 3
const accessMode = 3

/** Where what is looked for is, and what only has the same paths. */
export interface MountedOrigin {
  origin: string
  /** st_dev of the origin's file system. */
  device: number
  /** Of the mount over it, see MountEntry. */
  mount: { mountId: number; device: string }
}

/**
 * Who has files of the origin open for writing, or mapped to be written, beside the mount over it; as far as this
 * user may see. Asks nothing of the mount.
 */
export function originWriters(
  place: MountedOrigin,
  isOwn: (pid: number) => boolean,
): OriginWriter[] {
  const writers = new Map<string, OriginWriter>()
  for (const pid of otherProcesses()) {
    if (isOwn(Number(pid))) continue
    for (const { path, object } of [...openFiles(pid, place), ...mappedFiles(pid, place)]) {
      const key = `${pid} ${object}`
      if (!writers.has(key)) writers.set(key, { pid, command: commandOf(pid), path, object })
    }
  }
  return [...writers.values()]
}

/** What to tell of them, a line each. */
export function notesOfWriters(writers: readonly OriginWriter[]): string[] {
  const advice =
    'what it changes goes past the mount, and the file is EIO in snapshots until it closes it'
  const notes = writers
    .slice(0, namedMax)
    .map(
      ({ command, pid, path }) => `${command} (pid ${pid}) has ${path} open for writing: ${advice}`,
    )
  const more = writers.length - notes.length
  if (more > 0) notes.push(`and ${more} more files are open for writing beside the mount`)
  return notes
}

type Found = Pick<OriginWriter, 'path' | 'object'>

function openFiles(pid: string, { origin, device, mount }: MountedOrigin): Found[] {
  return descriptorsOf(pid).flatMap((fd) => {
    const link = `/proc/${pid}/fd/${fd}`
    const path = targetOf(link)
    if (path === undefined || !isUsers(path, origin)) return []
    const { flags, mountId } = descriptorInfo(pid, fd)
    if ((flags & accessMode) === 0 || mountId === mount.mountId) return []
    const stat = statOf(link)
    const isOurs = stat?.isFile() === true && stat.dev === device
    return isOurs ? [{ path, object: stat.ino as ObjectId }] : []
  })
}

/** A mapping may be there when the descriptor is closed. */
function mappedFiles(pid: string, { origin, mount }: MountedOrigin): Found[] {
  return mappingsOf(pid).flatMap((line) => {
    const match = /^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(\/.*)$/.exec(line)
    const [, major = '', minor = '', ino = '', path = ''] = match ?? []
    if (!isUsers(path, origin)) return []
    const device = `${parseInt(major, 16)}:${parseInt(minor, 16)}`
    return device === mount.device ? [] : [{ path, object: Number(ino) as ObjectId }]
  })
}

/** Bygone's own files are its daemons', which may serve other volumes of the store. */
function isUsers(path: string, origin: string): boolean {
  return isInside(path, origin) && !isInside(path, join(origin, ownDirectory))
}

function statOf(link: string) {
  try {
    return statSync(link)
  } catch {
    return undefined
  }
}
