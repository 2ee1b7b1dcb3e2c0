import { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, isErrno } from '../base/errno.js'
import { native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { ReadPlan } from '../base/read-plan.js'
import { newAttributeChange, newOpenReply } from './blank.js'
import type {
  AttributeChange,
  AttributesReply,
  Caller,
  FileSystem,
  StatfsReply,
} from './file-system.js'
import { InodeNumbers } from './inode-numbers.js'
import { PathListing } from './path-listing.js'
import { nameOf, parentOf, PathNodes } from './path-nodes.js'
import type { PathOperations, PathStat, PathStatfs } from './path-operations.js'
import { bytesOfText, pathOf, unchangedText } from './path-text.js'

/** The kernel finds the end to append at, aligns direct I/O and truncates on its own; see operations/files.ts. */
const kernelFlags = O.CREAT | O.EXCL | O.NOCTTY | O.TRUNC | O.APPEND | O.DIRECT

const permissionBits = 0o7777
const unchangedId = 0xffff_ffff

/**
 * libfuse 2 does not unlink a file that is open, but renames it to this first, and unlinks that when it
 * is closed.
 */
const hiddenName = /\/\.fuse_hidden[0-9a-f]{16}$/

/** Answers calls by paths from a FileSystem of nodes. */
export class PathFileSystem implements PathOperations {
  readonly nodes: PathNodes

  readonly #fileSystem: FileSystem
  readonly #caller: Caller
  readonly #numbers = new InodeNumbers()
  /** Files that are unlinked, while libfuse still has them open under a name it made up. One lookup each. */
  readonly #unlinked = new Map<ByteString, number>()
  /** FileSystem's handles by the descriptors given out: those must fit 31 bits. */
  readonly #handles = new Map<number, number>()
  #lastFd = 0

  readonly #reply: AttributesReply = { attributes: new Attributes(), attributesTtlMs: 0 }
  readonly #plan = new ReadPlan()

  /** `caller` stands for everybody: libfuse's calls do not tell who asks. */
  constructor(fileSystem: FileSystem, caller: Caller, pathsMax?: number) {
    this.#fileSystem = fileSystem
    this.#caller = caller
    this.nodes = new PathNodes(fileSystem, caller, pathsMax)
  }

  getattr(path: string): PathStat {
    const at = pathOf(path)
    const node = this.#unlinked.get(at) ?? this.nodes.remembered(at)
    if (node !== undefined) {
      try {
        this.#fileSystem.getattr(node, undefined, this.#reply)
        return this.#stat(this.#reply.attributes)
      } catch (error) {
        if (!isErrno(error, 'ESTALE', 'ENOENT') || at === '') throw error
        // Changed behind our back: the name may lead to something new.
      }
    }
    this.nodes.lookup(at)
    return this.#stat(this.nodes.entry.attributes)
  }

  readdir(path: string): { names: string[]; stats: PathStat[] } {
    const opened = this.#opendir(this.#find(pathOf(path)))
    try {
      const listing = new PathListing(this.#numbers)
      this.#fileSystem.readdir(opened, 0, listing)
      return listing
    } finally {
      this.#fileSystem.releasedir(opened)
    }
  }

  readlink(path: string): string {
    return unchangedText(this.#fileSystem.readlink(this.#find(pathOf(path))))
  }

  mknod(path: string, mode: number, rdev: number): void {
    this.#make(path, (parent, name) => {
      this.#fileSystem.mknod(parent, name, mode, rdev, this.#caller, this.nodes.freshEntry())
    })
  }

  mkdir(path: string, mode: number): void {
    this.#make(path, (parent, name) => {
      this.#fileSystem.mkdir(parent, name, mode, this.#caller, this.nodes.freshEntry())
    })
  }

  symlink(target: string, path: string): void {
    const bytes = bytesOfText(target)
    this.#make(path, (parent, name) => {
      this.#fileSystem.symlink(parent, name, bytes, this.#caller, this.nodes.freshEntry())
    })
  }

  link(oldPath: string, newPath: string): void {
    const node = this.#find(pathOf(oldPath))
    this.#make(newPath, (parent, name) => {
      this.#fileSystem.link(node, parent, name, this.#caller, this.nodes.freshEntry())
    })
  }

  unlink(path: string): void {
    const at = pathOf(path)
    const unlinked = this.#unlinked.get(at)
    if (unlinked !== undefined) {
      this.#unlinked.delete(at)
      this.#fileSystem.forget(unlinked, 1)
      return
    }
    this.#fileSystem.unlink(this.nodes.find(parentOf(at)), nameOf(at), this.#caller)
    this.nodes.drop(at)
  }

  rmdir(path: string): void {
    const at = pathOf(path)
    this.#fileSystem.rmdir(this.nodes.find(parentOf(at)), nameOf(at), this.#caller)
    this.nodes.dropTree(at)
  }

  rename(oldPath: string, newPath: string): void {
    const from = pathOf(oldPath)
    const to = pathOf(newPath)
    if (hiddenName.test(to)) {
      this.#unlinkOpen(from, to)
      return
    }
    const parent = this.nodes.find(parentOf(from))
    const newParent = this.nodes.find(parentOf(to))
    this.#fileSystem.rename(parent, nameOf(from), newParent, nameOf(to), 0, this.#caller)
    this.nodes.dropTree(from)
    this.nodes.dropTree(to)
  }

  chmod(path: string, mode: number): void {
    this.#change(pathOf(path), undefined, { mode: mode & permissionBits })
  }

  chown(path: string, uid: number, gid: number): void {
    this.#change(pathOf(path), undefined, {
      uid: uid === unchangedId ? undefined : uid,
      gid: gid === unchangedId ? undefined : gid,
    })
  }

  truncate(path: string, size: number): void {
    this.#change(pathOf(path), undefined, { sizeBytes: size })
  }

  ftruncate(path: string, fd: number, size: number): void {
    this.#change(pathOf(path), this.#handle(fd), { sizeBytes: size })
  }

  utimens(path: string, atimeMs: number, mtimeMs: number): void {
    const atimeSec = Math.floor(atimeMs / 1000)
    const mtimeSec = Math.floor(mtimeMs / 1000)
    this.#change(pathOf(path), undefined, {
      atimeSec,
      atimeNsec: (atimeMs - atimeSec * 1000) * 1e6,
      mtimeSec,
      mtimeNsec: (mtimeMs - mtimeSec * 1000) * 1e6,
    })
  }

  open(path: string, flags: number): number {
    const opened = newOpenReply()
    this.#fileSystem.open(this.#find(pathOf(path)), flags & ~kernelFlags, this.#caller, opened)
    return this.#descriptor(opened.handle)
  }

  create(path: string, mode: number): number {
    const opened = newOpenReply()
    this.#make(path, (parent, name) => {
      const entry = this.nodes.freshEntry()
      this.#fileSystem.create(parent, name, O.RDWR, mode, this.#caller, entry, opened)
    })
    return this.#descriptor(opened.handle)
  }

  release(fd: number): void {
    const handle = this.#handle(fd)
    this.#handles.delete(fd)
    this.#fileSystem.release(handle)
  }

  read(fd: number, length: number, offset: number): Uint8Array {
    const plan = this.#plan
    plan.begin(offset)
    this.#fileSystem.planRead(this.#handle(fd), offset, length, plan)
    const end = plan.offset + plan.lengthBytes
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, end - offset)))
    const { words, pieceCount } = plan
    const count = checked(
      native().readByPlan(words, pieceCount, plan.offset, offset, buffer),
      'read by plan',
    )
    return buffer.subarray(0, count)
  }

  write(fd: number, bytes: Uint8Array, offset: number): number {
    const file = this.#fileSystem.prepareWrite(this.#handle(fd), offset, bytes.length, undefined)
    return checked(native().writeAt(file, bytes, offset), 'write')
  }

  fsync(fd: number, dataOnly: boolean): void {
    this.#sync(this.#handle(fd), dataOnly)
  }

  fsyncdir(path: string, dataOnly: boolean): void {
    const opened = this.#opendir(this.#find(pathOf(path)))
    try {
      this.#sync(opened, dataOnly)
    } finally {
      this.#fileSystem.releasedir(opened)
    }
  }

  statfs(path: string): PathStatfs {
    const reply: StatfsReply = {
      blockBytes: 0,
      blocks: 0,
      blocksFree: 0,
      blocksAvailable: 0,
      files: 0,
      filesFree: 0,
      fragmentBytes: 0,
      nameBytesMax: 0,
    }
    this.#fileSystem.statfs(this.#find(pathOf(path)), reply)
    // Larger fragments, until the number of them fits 32 bits.
    let scale = 1
    while (reply.blocks / scale >= 2 ** 32) scale *= 2
    const files = Math.min(reply.filesFree, 2 ** 32 - 1)
    return {
      bsize: reply.blockBytes,
      frsize: reply.fragmentBytes * scale,
      blocks: Math.floor(reply.blocks / scale),
      bfree: Math.floor(reply.blocksFree / scale),
      bavail: Math.floor(reply.blocksAvailable / scale),
      files: Math.min(reply.files, 2 ** 32 - 1),
      ffree: files,
      favail: files,
      namemax: reply.nameBytesMax,
    }
  }

  getxattr(path: string, name: string): Uint8Array {
    return this.#fileSystem.getxattr(this.#find(pathOf(path)), bytesOfText(name))
  }

  listxattr(path: string): Uint8Array {
    return this.#fileSystem.listxattr(this.#find(pathOf(path)), this.#caller)
  }

  setxattr(path: string, name: string, value: Uint8Array, flags: number): void {
    const node = this.#find(pathOf(path))
    this.#fileSystem.setxattr(node, bytesOfText(name), value, flags, this.#caller)
  }

  removexattr(path: string, name: string): void {
    this.#fileSystem.removexattr(this.#find(pathOf(path)), bytesOfText(name), this.#caller)
  }

  /** Gives back every lookup. Handles still open are the file system's to close. */
  close(): void {
    this.nodes.clear()
    for (const node of this.#unlinked.values()) this.#fileSystem.forget(node, 1)
    this.#unlinked.clear()
  }

  #find(path: ByteString): number {
    return this.#unlinked.get(path) ?? this.nodes.find(path)
  }

  #make(path: string, make: (parent: number, name: ByteString) => void): void {
    const at = pathOf(path)
    make(this.nodes.find(parentOf(at)), nameOf(at))
    this.nodes.remember(at)
  }

  /** Carries out what libfuse wants by its renaming: the name goes now, the file with its last handle. */
  #unlinkOpen(from: ByteString, hidden: ByteString): void {
    const parent = this.nodes.find(parentOf(from))
    const entry = this.nodes.freshEntry()
    this.#fileSystem.lookup(parent, nameOf(from), this.#caller, entry)
    const { node } = entry
    if (node === 0) throw new FsError('ENOENT', 'no such name')
    try {
      this.#fileSystem.unlink(parent, nameOf(from), this.#caller)
    } catch (error) {
      this.#fileSystem.forget(node, 1)
      throw error
    }
    this.nodes.drop(from)
    this.#unlinked.set(hidden, node)
  }

  #change(path: ByteString, handle: number | undefined, wanted: Partial<AttributeChange>): void {
    const change: AttributeChange = {
      // The kernel drops set-user-ID by a chmod of its own.
      ...newAttributeChange(),
      ...wanted,
    }
    this.#fileSystem.setattr(this.#find(path), handle, change, this.#caller, this.#reply)
  }

  #opendir(node: number): number {
    const opened = newOpenReply()
    this.#fileSystem.opendir(node, this.#caller, opened)
    return opened.handle
  }

  #sync(handle: number, dataOnly: boolean): void {
    for (const fd of this.#fileSystem.planSync(handle)) {
      checked(native().fsync(fd, dataOnly), 'fsync')
    }
  }

  #descriptor(handle: number): number {
    do {
      this.#lastFd = this.#lastFd === 2 ** 31 - 1 ? 1 : this.#lastFd + 1
    } while (this.#handles.has(this.#lastFd))
    this.#handles.set(this.#lastFd, handle)
    return this.#lastFd
  }

  #handle(fd: number): number {
    const handle = this.#handles.get(fd)
    if (handle === undefined) throw new FsError('EBADF', `descriptor ${fd} is not open`)
    return handle
  }

  #stat(attributes: Attributes): PathStat {
    return {
      mode: attributes.mode,
      ino: this.#numbers.of(attributes.inoHigh, attributes.inoLow),
      nlink: attributes.nlink,
      uid: attributes.uid,
      gid: attributes.gid,
      rdev: attributes.rdev,
      size: attributes.sizeBytes,
      blocks: attributes.blocks,
      blksize: attributes.blockBytes,
      atime: milliseconds(attributes.atimeSec, attributes.atimeNsec),
      mtime: milliseconds(attributes.mtimeSec, attributes.mtimeNsec),
      ctime: milliseconds(attributes.ctimeSec, attributes.ctimeNsec),
    }
  }
}

/** Whole ones; libfuse takes no times before 1970 from fuse-native. */
function milliseconds(seconds: number, nanoseconds: number): number {
  return Math.max(0, seconds * 1000 + Math.floor(nanoseconds / 1e6))
}
