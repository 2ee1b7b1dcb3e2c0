import { closeSync, fstatSync, mkdtempSync, openSync, rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Attributes } from '../../src/base/attributes.js'
import { directoryTypeOf, FileType, isDirectory, isRegular } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { FsError } from '../../src/base/errno.js'

let lastIno = 0

/** A file, directory or whatever else of a MemoryFileSystem. The bytes of a file lie in memory, behind `fd`. */
export class MemoryInode {
  readonly ino = ++lastIno
  /** Its node id, while the kernel counts lookups of it. */
  node = 0
  lookups = 0
  handles = 0
  guard = -1
  mode: number
  uid: number
  gid: number
  nlink = 0
  rdev = 0
  target = '' as ByteString
  parent: MemoryInode | undefined
  readonly fd: number
  readonly xattrs = new Map<ByteString, Uint8Array>()
  readonly #entries: Map<ByteString, MemoryInode> | undefined
  #atime = now()
  #mtime = now()
  #ctime = now()
  /** The data's own time of change, which moves when the addon writes without asking. */
  #dataChangedNs = 0n

  constructor(mode: number, uid: number, gid: number) {
    this.mode = mode
    this.uid = uid
    this.gid = gid
    this.fd = isRegular(mode) ? openMemory() : -1
    if (isDirectory(mode)) this.#entries = new Map()
    if (this.fd >= 0) this.#dataChangedNs = fstatSync(this.fd, { bigint: true }).mtimeNs
  }

  get entries(): Map<ByteString, MemoryInode> {
    if (this.#entries === undefined) throw new FsError('ENOTDIR', 'not a directory')
    return this.#entries
  }

  get isDirectory(): boolean {
    return this.#entries !== undefined
  }

  get type(): number {
    return directoryTypeOf(this.mode)
  }

  get isUsed(): boolean {
    return this.nlink > 0 || this.lookups > 0 || this.handles > 0
  }

  /** Changed itself, or its list of names. */
  touch(): void {
    this.#ctime = now()
    if (this.isDirectory) this.#mtime = now()
  }

  setTime(which: 'atime' | 'mtime', seconds: number, nanoseconds: number): void {
    this.#noticeWrites()
    const time = nanoseconds === 0x3fffffff ? now() : { seconds, nanoseconds }
    if (which === 'atime') this.#atime = time
    else this.#mtime = time
  }

  fill(attributes: Attributes): void {
    this.#noticeWrites()
    attributes.inoHigh = 0
    attributes.inoLow = this.ino
    attributes.mode = this.mode
    attributes.nlink = this.isDirectory ? 2 + this.#subdirectories() : this.nlink
    attributes.uid = this.uid
    attributes.gid = this.gid
    attributes.rdev = this.rdev
    attributes.blockBytes = 4096
    const data = this.fd >= 0 ? fstatSync(this.fd) : undefined
    attributes.sizeBytes = data?.size ?? this.target.length
    attributes.blocks = data?.blocks ?? 0
    attributes.atimeSec = this.#atime.seconds
    attributes.atimeNsec = this.#atime.nanoseconds
    attributes.mtimeSec = this.#mtime.seconds
    attributes.mtimeNsec = this.#mtime.nanoseconds
    attributes.ctimeSec = this.#ctime.seconds
    attributes.ctimeNsec = this.#ctime.nanoseconds
  }

  killPrivileges(): void {
    if (this.isDirectory) return
    this.mode &= ~0o4000
    if (this.mode & 0o010) this.mode &= ~0o2000
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd)
  }

  #subdirectories(): number {
    return [...this.entries.values()].filter((inode) => inode.isDirectory).length
  }

  #noticeWrites(): void {
    if (this.fd < 0) return
    const changedNs = fstatSync(this.fd, { bigint: true }).mtimeNs
    if (changedNs === this.#dataChangedNs) return
    this.#dataChangedNs = changedNs
    this.#mtime = {
      seconds: Number(changedNs / 1_000_000_000n),
      nanoseconds: Number(changedNs % 1_000_000_000n),
    }
    this.#ctime = this.#mtime
  }
}

interface Time {
  seconds: number
  nanoseconds: number
}

function now(): Time {
  const milliseconds = Date.now()
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanoseconds: (milliseconds - seconds * 1000) * 1e6 }
}

/** A file without a name: gone with its descriptor. */
function openMemory(): number {
  const directory = mkdtempSync('/dev/shm/bygone-test-memory-')
  const path = join(directory, 'data')
  const fd = openSync(path, 'wx+')
  unlinkSync(path)
  rmdirSync(directory)
  return fd
}

export const rootMode = FileType.directory | 0o755
