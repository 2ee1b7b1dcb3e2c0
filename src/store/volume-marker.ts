import { Failure } from '../base/failure.js'
import type { Disk } from './disk.js'
import { codeOf, makePrivateDirectory, readWholeFile, replaceFile } from './durable-file.js'
import { FieldCheck, FieldError } from './field-check.js'
import { realDisk } from './real-disk.js'
import { failureOfSystem } from './store-failure.js'

/*
 * ORIGIN/.bygone/volume.json, drawn in FORMAT.md: whose volume the origin is. Reached through a
 * descriptor of the origin, which may be mounted over, and past no symbolic link.
 */

const markerFormat = 'bygone-volume'
const markerVersion = 1
const markerName = 'volume.json'
const markerDirectory = '.bygone'

export interface VolumeMarker {
  volumeId: string
  storeId: string
  /** Absolute path of the store; null: it is at .bygone/store. */
  storePath: string | null
  /**
   * The origin's root: its inode number, and its birth (seconds.nanoseconds; null where the file
   * system knows none). The store knows files by their inode numbers, so it is worth nothing for a
   * copy of them.
   */
  originIno: number
  originBirth: string | null
}

/** Undefined if the origin has none. Throws Failure. */
export function readVolumeMarker(
  originFd: number,
  disk: Disk = realDisk,
): VolumeMarker | undefined {
  return withMarkerDirectory(disk, originFd, false, (directory) => {
    const bytes = readWholeFile(disk, `${directory}/${markerName}`)
    return bytes && checkedMarker(bytes.toString('utf8'))
  })
}

/** Durable when it returns; makes .bygone if it is missing. Throws Failure. */
export function writeVolumeMarker(
  originFd: number,
  marker: VolumeMarker,
  disk: Disk = realDisk,
): void {
  const { volumeId, storeId, storePath, originIno, originBirth } = marker
  const names = { volumeId, storeId, storePath }
  const data = { format: markerFormat, version: markerVersion, ...names, originIno, originBirth }
  withMarkerDirectory(disk, originFd, true, (directory) => {
    replaceFile(disk, directory, markerName, Buffer.from(`${JSON.stringify(data, null, 2)}\n`))
  })
}

function withMarkerDirectory<Result>(
  disk: Disk,
  originFd: number,
  create: boolean,
  use: (directory: string) => Result,
): Result | undefined {
  const origin = `/proc/self/fd/${originFd}`
  const path = `${origin}/${markerDirectory}`
  try {
    if (create) makePrivateDirectory(disk, path)
    const fd = disk.open(path, 'directory')
    try {
      return use(`/proc/self/fd/${fd}`)
    } finally {
      disk.close(fd)
    }
  } catch (error) {
    if (!create && codeOf(error) === 'ENOENT') return undefined
    throw failureOfSystem(error, `open ${markerDirectory} in the origin`)
  }
}

function checkedMarker(text: string): VolumeMarker {
  try {
    const data: unknown = JSON.parse(text)
    const fields = new FieldCheck('', data)
    fields.text('format', (format) => format === markerFormat)
    const version = fields.integer('version', 1)
    if (version > markerVersion) {
      throw new Failure(
        'failed',
        `${markerDirectory}/${markerName} has version ${version}, this bygone knows up to ${markerVersion}: use a newer bygone`,
      )
    }
    const marker = {
      volumeId: fields.text('volumeId', isId),
      storeId: fields.text('storeId', isId),
      storePath: fields.textOrNull('storePath', (path) => path.startsWith('/')),
      originIno: fields.integer('originIno', 1),
      originBirth: fields.textOrNull('originBirth', (birth) => /^-?\d+\.\d{9}$/.test(birth)),
    }
    fields.end()
    return marker
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof SyntaxError)) throw error
    throw new Failure(
      'damaged',
      `damaged ${markerDirectory}/${markerName} in the origin: ${error.message}; restore it from a copy, or remove .bygone to begin anew`,
    )
  }
}

function isId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}
