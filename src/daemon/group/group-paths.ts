import { existsSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure } from '../../base/failure.js'
import { codeOf } from '../../store/durable-file.js'
import { failureOf } from '../failure-of.js'
import { isInside } from '../mount-table.js'
import { groupVolumesMax, isGroupId, readGroup } from './group-file.js'
import type { Group, GroupVolume } from './group-file.js'

/** The group in a directory, as a user names that. */
export function groupAt(path: string): Group {
  return readGroup(existingDirectory(path))
}

function existingDirectory(path: string): string {
  const place = resolve(path)
  try {
    return realpathSync(place)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw failureOf(error, `can't reach ${place}`)
    const advice = '`bygone start` makes one'
    throw new Failure('missing', `the directory of snapshots ${place} does not exist: ${advice}`)
  }
}

/**
 * Makes the directory of a group if it is missing; its parent must exist. For its owner alone: in the snapshots below
 * it files are reached without passing what is above the volumes.
 */
export function makeGroupDirectory(path: string): string {
  const place = resolve(path)
  try {
    const parent = realpathSync(dirname(place))
    mkdirSync(join(parent, basename(place)), { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw new Failure(
        'missing',
        `${dirname(place)} does not exist: make it, or correct --snap-dir`,
      )
    }
    if (codeOf(error) !== 'EEXIST') throw failureOf(error, `can't make ${place}`)
  }
  const directory = existingDirectory(path)
  if (statSync(directory).isDirectory()) return directory
  throw new Failure('usage', `${directory} is no directory: correct --snap-dir`)
}

/** The store, free of links; it may have to be made. */
export function storeAt(path: string): string {
  const place = resolve(path)
  try {
    return existsSync(place)
      ? realpathSync(place)
      : join(realpathSync(dirname(place)), basename(place))
  } catch (error) {
    throw failureOf(error, `can't reach the store ${place}`)
  }
}

/** What shows the snapshots is mounted there: what is in it by then would be hidden. */
export function makeSnapshotsDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw failureOf(error, `can't make ${path}`)
  }
  if (readdirSync(path).length === 0) return
  const advice = 'move what is in it away, or choose another --snap-dir'
  throw new Failure('exists', `${path} is not empty (snapshots of another program?): ${advice}`)
}

/** Makes the paths absolute and free of links, and refuses what can be no group. */
export function checkedVolumes(volumes: readonly GroupVolume[], directory: string): GroupVolume[] {
  const checked = volumes.map(({ id, path }) => {
    if (!isGroupId(id)) {
      const advice = 'use 1 to 255 characters without slashes, colons and control characters'
      throw new Failure('usage', `'${id}' can't be the name of a volume: ${advice}`)
    }
    return { id, path: originAt(path) }
  })
  if (checked.length === 0) throw new Failure('usage', 'no volume is given: name ID:PATH')
  if (checked.length > groupVolumesMax) {
    throw new Failure('usage', `${checked.length} volumes: a group has ${groupVolumesMax} at most`)
  }
  for (const [at, { id, path }] of checked.entries()) {
    const earlier = checked.slice(0, at)
    if (earlier.some((other) => other.id === id)) {
      throw new Failure('usage', `'${id}' is given twice: each volume needs a name of its own`)
    }
    const overlap = earlier.find(
      (other) => isInside(path, other.path) || isInside(other.path, path),
    )
    if (overlap !== undefined) {
      const advice = 'a volume can lie in no other'
      throw new Failure('usage', `${path} and ${overlap.path} overlap: ${advice}`)
    }
    if (isInside(directory, path) || isInside(path, directory)) {
      const advice = 'keep the snapshots beside the volumes'
      throw new Failure('usage', `${path} and the snapshots in ${directory} overlap: ${advice}`)
    }
  }
  return checked
}

function originAt(path: string): string {
  const place = resolve(path)
  try {
    const real = realpathSync(place)
    if (statSync(real).isDirectory()) return real
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw failureOf(error, `can't reach ${place}`)
    throw new Failure('missing', `${place} does not exist: make it, or correct the path`)
  }
  throw new Failure('usage', `${place} is not a directory: give a directory`)
}
