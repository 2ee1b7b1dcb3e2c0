import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.js'
import { O } from '../base/open-flags.js'
import { codeOf } from '../store/durable-file.js'
import { readVolumeMarker } from '../store/volume-marker.js'
import type { VolumeMarker } from '../store/volume-marker.js'

/** The directory in the origin's root that is bygone's own, hidden in the mount. */
export const ownDirectory = '.bygone'
export const retiredName = 'retired'
export const retiredDirectory = join(ownDirectory, retiredName)
export const defaultStore = join(ownDirectory, 'store')
export const markerFile = join(ownDirectory, 'volume.json')
export const pairingFile = join(ownDirectory, 'pairing')

/** The marker of a directory that may be an origin, by its path: what is mounted over it hides it. */
export function readMarkerAt(directory: string): VolumeMarker | undefined {
  let fd: number
  try {
    fd = openSync(directory, O.PATH | O.DIRECTORY)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
  try {
    return readVolumeMarker(fd)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    // A file or a link of that name is nothing of ours; it is in the way only if this is to be an origin.
    if (codeOf(error.cause) === 'ENOTDIR') return undefined
    throw new Failure(error.kind, `${directory}: ${error.message}`, { cause: error })
  } finally {
    closeSync(fd)
  }
}

export function storeOfMarker(origin: string, marker: VolumeMarker): string {
  return marker.storePath ?? join(origin, defaultStore)
}
