import { join } from 'node:path'
import { Failure } from '../../base/failure.js'
import { isVolumeName } from '../../store/catalog-check.js'
import { putFile, readWholeFile } from '../../store/durable-file.js'
import { jsonBytes } from '../../store/durable-json-file.js'
import { FieldCheck, FieldError } from '../../store/field-check.js'
import { realDisk } from '../../store/real-disk.js'

/*
 * DIR/group.json, drawn in FORMAT.md: which volumes a group has. What else is said of them (policy, schedule) is in
 * their store's catalog.
 */

const groupFormat = 'bygone-group'
const groupVersion = 1
const groupFile = 'group.json'

export interface GroupVolume {
  /** The name of the volume, and of its directory in each snapshot. */
  id: string
  /** The origin: absolute and free of links. */
  path: string
}

export interface Group {
  /** Absolute: where it is kept and shown. */
  directory: string
  /** The store of all its volumes. */
  store: string
  volumes: GroupVolume[]
}

/** Where the snapshots are shown. */
export function groupSnapshots({ directory }: Pick<Group, 'directory'>): string {
  return join(directory, 'snapshot')
}

/** Each has a few bits of the inode numbers. */
export const groupVolumesMax = 64

export function hasGroup(directory: string): boolean {
  return readWholeFile(realDisk, join(directory, groupFile)) !== undefined
}

/** `start` has not been there: Failure of the kind missing. */
export function readGroup(directory: string): Group {
  const bytes = readWholeFile(realDisk, join(directory, groupFile))
  if (bytes === undefined) {
    throw new Failure('missing', `${directory} holds no group: \`bygone start\` makes one there`)
  }
  try {
    return { directory, ...parseGroup(bytes.toString('utf8')) }
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof SyntaxError)) throw error
    const advice = 'the next `bygone start` with all its volumes writes a new one if you remove it'
    throw new Failure(
      'damaged',
      `${join(directory, groupFile)} is damaged, ${error.message}: ${advice}`,
    )
  }
}

/** Durable when it returns. */
export function writeGroup({ directory, store, volumes }: Group): void {
  const bytes = jsonBytes({ format: groupFormat, version: groupVersion, store, volumes })
  putFile(realDisk, directory, groupFile, bytes)
}

export function parseGroup(text: string): Omit<Group, 'directory'> {
  const fields = new FieldCheck('', JSON.parse(text))
  fields.text('format', (format) => format === groupFormat)
  const version = fields.integer('version', 1)
  if (version > groupVersion) {
    const advice = 'use a newer bygone'
    throw new Failure('failed', `${groupFile} has version ${version}: ${advice}`)
  }
  const store = fields.text('store', isPath)
  const volumes = fields.list('volumes', (where, value) => {
    const volume = new FieldCheck(where, value)
    const id = volume.text('id', isGroupId)
    const path = volume.text('path', isPath)
    volume.end()
    return { id, path }
  })
  fields.end()
  if (volumes.length === 0 || volumes.length > groupVolumesMax) throw fields.wrong('volumes')
  return { store, volumes }
}

/** The name of a volume that can also be told from its path in `ID:path`, and be one name in a directory. */
export function isGroupId(text: string): boolean {
  const isOne = text !== '.' && text !== '..' && !text.startsWith('-') && !text.includes(':')
  return isOne && isVolumeName(text) && Buffer.byteLength(text) <= 255
}

function isPath(text: string): boolean {
  return text.startsWith('/') && !text.includes('\0')
}
