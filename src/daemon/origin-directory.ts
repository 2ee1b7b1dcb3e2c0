import { fstatSync, mkdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StatField, statFieldCount } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, fsErrorOf } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { codeOf } from '../store/durable-file.js'
import { readVolumeMarker, writeVolumeMarker } from '../store/volume-marker.js'
import type { VolumeMarker } from '../store/volume-marker.js'
import { failureOf } from './failure-of.js'
import {
  markerFile,
  ownDirectory,
  pairingFile,
  retiredDirectory,
  retiredName,
} from './origin-marker.js'
import { refuseUnsuited } from './origin-suitability.js'
import type { Undo } from './undo.js'

const LOCK_EX_NB = 2 | 4

/**
 * An origin as the daemon holds it from before it is mounted until after it is unmounted.
 *
 * `root` is a path that leads to the origin's own files whatever comes to lie over them; nothing may go
 * by `path` once it is mounted over, for the daemon would wait for itself.
 */
export class OriginDirectory {
  readonly path: string
  readonly root: string

  readonly #native: Native
  readonly #fd: number
  #lockFd = -1
  #isOpen = true

  private constructor(native: Native, path: string, fd: number) {
    this.#native = native
    this.#fd = fd
    this.path = path
    this.root = `/proc/self/fd/${fd}`
  }

  /**
   * Opens it, makes bygone's own directories in it where missing, and locks it for this daemon. Until
   * `undo` forgets, it is what closes the origin too: the lock must outlast the removal of what was made.
   */
  static open(native: Native, path: string, undo: Undo): OriginDirectory {
    const fd = native.openStraight(path, O.PATH | O.DIRECTORY)
    if (fd < 0) throw failureOf(fsErrorOf(fd, path), "can't open the origin")
    const origin = new OriginDirectory(native, path, fd)
    undo.add(() => {
      origin.close()
    })
    const own = makeOwnDirectories(native, fd, path, undo)
    origin.#lockFd = own
    refuseUnsuited(native, fd, own, path)
    lockOwnDirectory(native, own, path)
    return origin
  }

  /** By the descriptors of a predecessor of this process, which has died. */
  static adopt(native: Native, path: string, fd: number, lockFd: number): OriginDirectory {
    const origin = new OriginDirectory(native, path, fd)
    origin.#lockFd = lockFd
    return origin
  }

  /** Borrowed. */
  get lockFd(): number {
    return this.#lockFd
  }

  /** O_PATH. Borrowed. */
  get fd(): number {
    return this.#fd
  }

  /** A descriptor of the origin for somebody else to keep and close. */
  duplicate(): number {
    return checked(this.#native.duplicate(this.#fd), 'duplicate the origin descriptor')
  }

  readMarker(): VolumeMarker | undefined {
    const marker = readVolumeMarker(this.#fd)
    if (marker === undefined) return undefined
    if (!isMarkerOf(this.#native, this.#fd, marker)) {
      const own = join(this.path, ownDirectory)
      const advice = `remove ${own} to begin a past of its own`
      throw new Failure(
        'damaged',
        `${this.path} is a copy of a volume, its marker included: ${advice}`,
      )
    }
    return marker
  }

  /** `storePath` null: the default one. */
  writeMarker(marker: Omit<VolumeMarker, 'originIno' | 'originBirth'>, undo: Undo): void {
    undo.add(() => {
      for (const file of [markerFile, pairingFile]) rmSync(join(this.root, file), { force: true })
    })
    writeVolumeMarker(this.#fd, { ...marker, ...identityOf(this.#native, this.#fd) })
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#lockFd >= 0) this.#native.close(this.#lockFd)
    this.#native.close(this.#fd)
  }
}

type Identity = Pick<VolumeMarker, 'originIno' | 'originBirth'>

/** What tells the origin from a copy. */
export function identityOf(native: Native, originFd: number): Identity {
  const stat = new Float64Array(statFieldCount)
  checked(native.statAt(originFd, '' as ByteString, stat), 'stat the origin')
  const birthSec = stat[StatField.btimeSec] ?? Number.NaN
  const birthNsec = String(stat[StatField.btimeNsec] ?? 0).padStart(9, '0')
  const originBirth = Number.isNaN(birthSec) ? null : `${birthSec}.${birthNsec}`
  return { originIno: stat[StatField.ino] ?? 0, originBirth }
}

/** Whether a marker was made for this very directory, and not for one that it is a copy of. */
export function isMarkerOf(native: Native, originFd: number, marker: Identity): boolean {
  const { originIno, originBirth } = identityOf(native, originFd)
  const isBornElsewhere =
    marker.originBirth !== null && originBirth !== null && marker.originBirth !== originBirth
  return marker.originIno === originIno && !isBornElsewhere
}

/**
 * Makes a directory for this user alone; taken back only if it is empty then. `path` may go by a
 * descriptor; `shown` is its name, by which it is found when that is closed.
 */
export function makeDirectory(path: string, shown: string, undo: Undo): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw error
  }
  undo.add(() => {
    rmdirSync(shown)
  })
}

/** A descriptor of bygone's own directory in the origin, in which that for retired files is. */
function makeOwnDirectories(native: Native, originFd: number, path: string, undo: Undo): number {
  const root = `/proc/self/fd/${originFd}`
  const shown = join(path, ownDirectory)
  // The origin's times are the user's data: making a directory in it changes its mtime once, at first use.
  try {
    makeDirectory(join(root, ownDirectory), join(root, ownDirectory), undo)
    const own = openOurs(native, originFd, ownDirectory, shown)
    try {
      const retired = join(path, retiredDirectory)
      makeDirectory(`/proc/self/fd/${own}/${retiredName}`, join(root, retiredDirectory), undo)
      native.close(openOurs(native, own, retiredName, retired))
      if (statSync(`/proc/self/fd/${own}`).dev !== statSync(root).dev) {
        throw new Failure('failed', `${shown} must be on the origin's file system: unmount it`)
      }
      return own
    } catch (error) {
      native.close(own)
      throw error
    }
  } catch (error) {
    throw ownDirectoryFailure(error, shown)
  }
}

/** A directory that nobody else can have put there: its owner could lead us anywhere by symbolic links. */
function openOurs(native: Native, directoryFd: number, name: string, shown: string): number {
  const flags = O.RDONLY | O.DIRECTORY | O.NOFOLLOW
  const fd = native.openAt(directoryFd, name as ByteString, flags, 0)
  if (fd < 0) {
    const error = fsErrorOf(fd, shown)
    if (error.code !== 'ENOTDIR' && error.code !== 'ELOOP') throw error
    throw new Failure('usage', `${shown} is not a directory: remove it, bygone needs that name`)
  }
  const { uid } = fstatSync(fd)
  if (uid === process.geteuid?.()) return fd
  native.close(fd)
  throw new Failure('failed', `${shown} belongs to uid ${uid}: mount the volume as that user`)
}

function ownDirectoryFailure(error: unknown, shown: string): Failure {
  switch (codeOf(error) ?? '') {
    case 'EACCES':
    case 'EPERM':
      return new Failure('failed', `no permission to make ${shown}: mount as the origin's owner`)
    case 'EROFS':
      return new Failure('failed', `can't make ${shown}: the origin is on a read-only file system`)
    default:
      return failureOf(withoutPath(error), `can't make ${shown}`)
  }
}

/** Node's message names the path by the descriptor, which tells a person nothing. */
function withoutPath(error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (error instanceof Failure || code === undefined) return error
  return Object.assign(new Error(`${syscall ?? 'call'}: ${code}`, { cause: error }), { code })
}

function lockOwnDirectory(native: Native, own: number, path: string): void {
  const result = native.flock(own, LOCK_EX_NB)
  if (result >= 0) return
  const error = fsErrorOf(result, `lock ${join(path, ownDirectory)}`)
  if (error.code !== 'EAGAIN') throw error
  const advice = 'wait for the other command, or unmount it first'
  throw new Failure('exists', `${path} is in the hands of another daemon: ${advice}`)
}
