import { linkSync, lstatSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StatField, statFieldCount } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { codeOf } from '../store/durable-file.js'
import { ownDirectory } from './origin-marker.js'

const statfsFields = 9
const statfsType = 8
const fuseMagic = 0x65735546

/**
 * Refuses an origin on a file system whose files can't be told apart as snapshots need: by exact names,
 * and by inode numbers that stay. `own` is a descriptor of bygone's own directory in it.
 */
export function refuseUnsuited(native: Native, originFd: number, own: number, path: string): void {
  if (isSameFile(native, originFd, ownDirectory, ownDirectory.toUpperCase())) {
    const why = 'to which "a" and "A" are one name: snapshots could not be kept right'
    const advice = 'choose an origin on one that tells them apart'
    throw new Failure('failed', `${path} is on a file system ${why}; ${advice}`)
  }
  if (isFuse(native, originFd) && !hasLastingNumbers(`/proc/self/fd/${own}`)) {
    const why = 'that gives its files no lasting inode numbers: snapshots would mix them up'
    const advice = 'choose an origin on a disk of this machine'
    throw new Failure('failed', `${path} is on a file system ${why}; ${advice}`)
  }
}

function isSameFile(native: Native, directoryFd: number, a: string, b: string): boolean {
  const [first, second] = [a, b].map((name) => {
    const stat = new Float64Array(statFieldCount)
    const result = native.statAt(directoryFd, name as ByteString, stat)
    return result < 0 ? undefined : stat[StatField.ino]
  })
  return first !== undefined && first === second
}

function isFuse(native: Native, fd: number): boolean {
  const statfs = new Float64Array(statfsFields)
  return native.statfs(fd, statfs) >= 0 && statfs[statfsType] === fuseMagic
}

/**
 * What a FUSE file system tells nobody. One that makes up a number for each name it has met does so for
 * the names of hard links too, or has no hard links.
 */
function hasLastingNumbers(own: string): boolean {
  const names = ['probe', 'probe-link'].map((name) => join(own, name))
  const [file = '', link = ''] = names
  try {
    writeFileSync(file, '')
    linkSync(file, link)
    return lstatSync(file).ino === lstatSync(link).ino
  } catch (error) {
    // Whoever can't write there can't be told; what else is wrong with it shows soon.
    return ['EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'ENOTCONN'].includes(codeOf(error) ?? '')
  } finally {
    for (const name of names) removeQuietly(name)
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // On a file system that is full or failing it may stay: it is empty, and in bygone's own directory.
  }
}
