import * as fs from 'node:fs'
import { checked, fsErrorOf, isErrno } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import { native, type BackgroundSync, type ChunkStage } from '../base/native.js'
import { Fallocate, FileFlagsCommand, O, Rename } from '../base/open-flags.js'
import type { ByteString } from '../base/bytes.js'
import { basename, dirname } from 'node:path'
import { isFull } from './durable-file.js'
import type { Disk, DiskSpace, FileFacts, OpenFor } from './disk.js'
import type { ElementIndex } from './element-index.js'
import { LmdbIndex } from './lmdb-index.js'

const LOCK_EX_NB = 2 | 4
const EAGAIN = -11

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = fs.constants

const openFlags: Record<OpenFor, number> = {
  reading: O_RDONLY | O_NOFOLLOW,
  writing: O_RDWR | O_NOFOLLOW,
  make: O_RDWR | O_CREAT | O_NOFOLLOW,
  'make new': O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
  directory: O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
}

/** The disk that the machine has. */
export class RealDisk implements Disk {
  open(path: string, openFor: OpenFor): number {
    const fd = fs.openSync(path, openFlags[openFor] | O_NONBLOCK, 0o600)
    if (openFor === 'directory' || fs.fstatSync(fd).isFile()) return fd
    fs.closeSync(fd)
    throw new Failure('damaged', `${path} is no regular file: remove it`)
  }

  close(fd: number): void {
    fs.closeSync(fd)
  }

  reopen(fd: number): number {
    return checked(native().reopen(fd, O.RDONLY), 'open a file of the store once more')
  }

  lock(fd: number): boolean {
    const result = native().flock(fd, LOCK_EX_NB)
    if (result < 0 && result !== EAGAIN) throw fsErrorOf(result, 'lock a file of the store')
    return result >= 0
  }

  sizeOf(fd: number): number {
    return fs.fstatSync(fd).size
  }

  read(fd: number, to: Uint8Array, at: number, bytes: number, offset: number): number {
    let done = 0
    while (done < bytes) {
      const read = fs.readSync(fd, to, at + done, bytes - done, offset + done)
      if (read === 0) break
      done += read
    }
    return done
  }

  write(fd: number, bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length;) {
      done += fs.writeSync(fd, bytes, done, bytes.length - done, offset + done)
    }
  }

  truncate(fd: number, sizeBytes: number): void {
    fs.ftruncateSync(fd, sizeBytes)
  }

  punch(fd: number, offset: number, bytes: number): void {
    const result = native().fallocate(fd, Fallocate.punchHole | Fallocate.keepSize, offset, bytes)
    if (result < 0 && !isErrno(fsErrorOf(result, 'punch'), 'EOPNOTSUPP')) {
      throw fsErrorOf(result, 'give back space of a file of the store')
    }
  }

  setAside(fd: number, offset: number, bytes: number): void {
    const { size, blocks } = fs.fstatSync(fd)
    if (offset === 0 && blocks * 512 >= bytes) return
    // Where writes go to new blocks (btrfs) those set aside would serve once only.
    if (size === 0) writeInPlace(fd)
    const result = native().fallocate(fd, Fallocate.keepSize, offset, bytes)
    if (result >= 0) return
    const error = fsErrorOf(result, 'set blocks aside')
    if (isFull(error)) throw error
  }

  syncData(fd: number): void {
    fs.fdatasyncSync(fd)
  }

  sync(fd: number): void {
    fs.fsyncSync(fd)
  }

  stat(path: string): FileFacts | undefined {
    const found = fs.statSync(path, { bigint: true, throwIfNoEntry: false })
    return (
      found && {
        isFile: found.isFile(),
        ino: Number(found.ino),
        links: Number(found.nlink),
        sizeBytes: Number(found.size),
        takenBytes: Number(found.blocks) * 512,
        mode: Number(found.mode),
        mtimeMs: Number(found.mtimeNs) / 1e6,
        ctimeNs: found.ctimeNs,
      }
    )
  }

  list(path: string): string[] {
    return fs.readdirSync(path)
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to)
  }

  exchange(one: string, other: string): boolean {
    const directory = fs.openSync(dirname(one), O_RDONLY | O_DIRECTORY)
    try {
      const names = [one, other].map((path) => Buffer.from(basename(path)).toString('latin1'))
      const [from, to] = names as [ByteString, ByteString]
      const result = native().renameAt(directory, from, directory, to, Rename.exchange)
      if (result >= 0) return true
      const error = fsErrorOf(result, 'exchange two files of the store')
      if (['ENOENT', 'EINVAL', 'ENOSYS'].includes(error.code)) return false
      throw error
    } finally {
      fs.closeSync(directory)
    }
  }

  remove(path: string): void {
    fs.rmSync(path, { force: true })
  }

  makeDirectories(path: string): string | undefined {
    const made = fs.mkdirSync(path, { recursive: true, mode: 0o700 })
    if (fs.lstatSync(path).isDirectory()) return made
    throw new Failure('damaged', `${path} is no directory of its own: remove it`)
  }

  syncDirectory(path: string): void {
    const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY)
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }

  setMode(path: string, mode: number): void {
    fs.chmodSync(path, mode)
  }

  setTimes(path: string, sec: number): void {
    fs.lutimesSync(path, sec, sec)
  }

  space(path: string): DiskSpace {
    const { blocks, bavail, bsize } = fs.statfsSync(path)
    return { bytes: blocks * bsize, bytesFree: bavail * bsize }
  }

  newStage(capacityBytes: number): ChunkStage {
    return new (native().ChunkStage)(capacityBytes)
  }

  newBackgroundSync(intervalMs: number): BackgroundSync {
    return new (native().BackgroundSync)(intervalMs)
  }

  openIndex(directory: string): ElementIndex {
    return LmdbIndex.open(directory)
  }
}

/** FS_NOCOW_FL of linux/fs.h; only for a file that is empty. */
const noCopyOnWrite = 0x800000

/** From now on. Means nothing to most file systems, which do so anyway. */
function writeInPlace(fd: number): void {
  const flags = new Uint32Array(1)
  const bytes = new Uint8Array(flags.buffer)
  if (native().fileFlags(fd, FileFlagsCommand.get, bytes) < 0) return
  flags[0] = (flags[0] ?? 0) | noCopyOnWrite
  native().fileFlags(fd, FileFlagsCommand.set, bytes)
}

export const realDisk = new RealDisk()
