import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { Failure } from '../base/failure.js'
import { codeOf, readWholeFile, replaceFile, syncDirectory } from './durable-file.js'
import { FieldCheck, FieldError } from './field-check.js'
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
export function readVolumeMarker(originFd: number): VolumeMarker | undefined {
  return withMarkerDirectory(originFd, false, (directory) => {
    const bytes = readWholeFile(`${directory}/${markerName}`)
    return bytes && checkedMarker(bytes.toString('utf8'))
  })
}

/** Durable when it returns; makes .bygone if it is missing. Throws Failure. */
export function writeVolumeMarker(originFd: number, marker: VolumeMarker): void {
  const { volumeId, storeId, storePath, originIno, originBirth } = marker
  const names = { volumeId, storeId, storePath }
  const data = { format: markerFormat, version: markerVersion, ...names, originIno, originBirth }
  withMarkerDirectory(originFd, true, (directory) => {
    replaceFile(directory, markerName, Buffer.from(`${JSON.stringify(data, null, 2)}\n`))
  })
}

function withMarkerDirectory<Result>(
  originFd: number,
  create: boolean,
  use: (directory: string) => Result,
): Result | undefined {
  const origin = `/proc/self/fd/${originFd}`
  const path = `${origin}/${markerDirectory}`
  try {
    if (create) makeMarkerDirectory(origin, path)
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      return use(`/proc/self/fd/${fd}`)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (!create && codeOf(error) === 'ENOENT') return undefined
    throw failureOfSystem(error, `open ${markerDirectory} in the origin`)
  }
}

function makeMarkerDirectory(origin: string, path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
    syncDirectory(origin)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
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
