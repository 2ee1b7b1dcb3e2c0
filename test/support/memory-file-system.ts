import { fstatSync, ftruncateSync } from 'node:fs'
import { FileType } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { checked, FsError } from '../../src/base/errno.js'
import { native } from '../../src/base/native.js'
import type { Guards } from '../../src/base/native.js'
import { Rename } from '../../src/base/open-flags.js'
import type { ReadPlan } from '../../src/base/read-plan.js'
import type {
  AttributeChange,
  AttributesReply,
  Caller,
  DirectorySink,
  Entry,
  FileSystem,
  OpenReply,
  StatfsReply,
} from '../../src/fuse/file-system.js'
import { MemoryInode, rootMode } from './memory-inode.js'

export interface MemoryFileSystemOptions {
  /** With them, files are read and written by the addon alone. Without, every request is planned here. */
  guards?: Guards
  entryTtlMs?: number
  attributesTtlMs?: number
  /** Keep cached pages and listings from one open to the next. */
  keepCache?: boolean
}

interface Handle {
  inode: MemoryInode
  listing: [name: ByteString, inode: MemoryInode][]
}

/** A small file system in memory, for tests of transports: enough for a shell and its tools. */
export class MemoryFileSystem implements FileSystem {
  readonly root = new MemoryInode(rootMode, 0, 0)
  readonly #nodes = new Map<number, MemoryInode>()
  readonly #handles = new Map<number, Handle>()
  readonly #options: MemoryFileSystemOptions
  #lastNode = 1
  #lastHandle = 0

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#options = options
    this.root.node = 1
    this.root.nlink = 1
    this.root.parent = this.root
    this.#nodes.set(1, this.root)
  }

  /** How many nodes the kernel knows, the root included. */
  get nodeCount(): number {
    return this.#nodes.size
  }

  get handleCount(): number {
    return this.#handles.size
  }

  lookup(parent: number, name: ByteString, _caller: Caller, entry: Entry): void {
    if (name.length > 255) throw new FsError('ENAMETOOLONG', 'name too long')
    const inode = this.inode(parent).entries.get(name)
    if (inode !== undefined) {
      this.#counted(inode, entry)
      return
    }
    entry.node = 0
    entry.entryTtlMs = this.#options.entryTtlMs ?? 1000
  }

  forget(node: number, lookups: number): void {
    const inode = this.inode(node)
    if (inode === this.root) return
    if (inode.lookups < lookups) throw new Error(`node ${node}: more forgotten than looked up`)
    inode.lookups -= lookups
    if (inode.lookups > 0) return
    this.#nodes.delete(node)
    inode.node = 0
    this.#reap(inode)
  }

  getattr(node: number, handle: number | undefined, reply: AttributesReply): void {
    const inode = handle === undefined ? this.inode(node) : this.#handle(handle).inode
    inode.fill(reply.attributes)
    reply.attributesTtlMs = this.#options.attributesTtlMs ?? 1000
  }

  setattr(
    node: number,
    handle: number | undefined,
    change: AttributeChange,
    _caller: Caller,
    reply: AttributesReply,
  ): void {
    const inode = handle === undefined ? this.inode(node) : this.#handle(handle).inode
    const { mode, uid, gid, sizeBytes, atimeSec, mtimeSec } = change
    if (sizeBytes !== undefined) {
      if (inode.fd < 0) throw new FsError(inode.isDirectory ? 'EISDIR' : 'EINVAL', 'not a file')
      ftruncateSync(inode.fd, sizeBytes)
    }
    if (uid !== undefined || gid !== undefined || change.killPrivileges) inode.killPrivileges()
    if (mode !== undefined) inode.mode = (inode.mode & FileType.mask) | mode
    if (uid !== undefined) inode.uid = uid
    if (gid !== undefined) inode.gid = gid
    if (atimeSec !== undefined) inode.setTime('atime', atimeSec, change.atimeNsec)
    if (mtimeSec !== undefined) inode.setTime('mtime', mtimeSec, change.mtimeNsec)
    if (!inode.isDirectory) inode.touch()
    this.getattr(node, handle, reply)
  }

  readlink(node: number): ByteString {
    return this.inode(node).target
  }

  mknod(
    parent: number,
    name: ByteString,
    mode: number,
    rdev: number,
    caller: Caller,
    entry: Entry,
  ): void {
    const inode = this.#made(parent, name, mode & ~caller.umask, caller)
    inode.rdev = rdev
    this.#counted(inode, entry)
  }

  mkdir(parent: number, name: ByteString, mode: number, caller: Caller, entry: Entry): void {
    const bits = FileType.directory | (mode & 0o7777 & ~caller.umask)
    this.#counted(this.#made(parent, name, bits, caller), entry)
  }

  symlink(
    parent: number,
    name: ByteString,
    target: ByteString,
    caller: Caller,
    entry: Entry,
  ): void {
    const inode = this.#made(parent, name, FileType.symlink | 0o777, caller)
    inode.target = target
    this.#counted(inode, entry)
  }

  link(node: number, newParent: number, newName: ByteString, _caller: Caller, entry: Entry): void {
    const inode = this.inode(node)
    if (inode.isDirectory) throw new FsError('EPERM', 'a directory')
    this.#put(this.inode(newParent), newName, inode)
    this.#counted(inode, entry)
  }

  unlink(parent: number, name: ByteString): void {
    const directory = this.inode(parent)
    const inode = this.#existing(directory, name)
    if (inode.isDirectory) throw new FsError('EISDIR', 'a directory')
    this.#take(directory, name, inode)
  }

  rmdir(parent: number, name: ByteString): void {
    const directory = this.inode(parent)
    const inode = this.#existing(directory, name)
    if (inode.entries.size > 0) throw new FsError('ENOTEMPTY', 'not empty')
    this.#take(directory, name, inode)
  }

  rename(
    parent: number,
    name: ByteString,
    newParent: number,
    newName: ByteString,
    flags: number,
  ): void {
    const from = this.inode(parent)
    const to = this.inode(newParent)
    const inode = this.#existing(from, name)
    const replaced = to.entries.get(newName)
    if (flags & ~(Rename.noReplace | Rename.exchange)) throw new FsError('EINVAL', 'rename flags')
    if (flags & Rename.exchange) {
      const other = this.#existing(to, newName)
      from.entries.set(name, other)
      other.parent = from
      to.entries.set(newName, inode)
      inode.parent = to
    } else if (replaced === inode) {
      return
    } else {
      if (replaced !== undefined) this.#replace(to, newName, inode, replaced, flags)
      from.entries.delete(name)
      to.entries.set(newName, inode)
      inode.parent = to
    }
    from.touch()
    to.touch()
    inode.touch()
  }

  open(node: number, _flags: number, _caller: Caller, reply: OpenReply): void {
    this.#opened(this.inode(node), reply)
  }

  create(
    parent: number,
    name: ByteString,
    _flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    const bits = FileType.regular | (mode & 0o7777 & ~caller.umask)
    const inode = this.#made(parent, name, bits, caller)
    this.#counted(inode, entry)
    this.#opened(inode, reply)
  }

  tmpfile(
    parent: number,
    _flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    this.inode(parent)
    const bits = FileType.regular | (mode & 0o7777 & ~caller.umask)
    const inode = new MemoryInode(bits, caller.uid, caller.gid)
    this.#counted(inode, entry)
    this.#opened(inode, reply)
  }

  release(handle: number): void {
    const { inode } = this.#handle(handle)
    this.#handles.delete(handle)
    inode.handles--
    this.#reap(inode)
  }

  planRead(handle: number, offset: number, length: number, plan: ReadPlan): number {
    const { fd } = this.#handle(handle).inode
    const size = fstatSync(fd).size
    plan.begin(offset)
    plan.addFile(fd, offset, Math.max(0, Math.min(length, size - offset)))
    plan.reachesEnd = offset + length >= size
    return -1
  }

  prepareWrite(
    handle: number,
    _offset: number,
    _length: number,
    unprivileged: Caller | undefined,
  ): number {
    const { inode } = this.#handle(handle)
    if (unprivileged !== undefined) inode.killPrivileges()
    return inode.fd
  }

  fallocate(handle: number, mode: number, offset: number, length: number): void {
    const { fd } = this.#handle(handle).inode
    checked(native().fallocate(fd, mode, offset, length), 'fallocate')
  }

  lseek(handle: number, offset: number, whence: number): number {
    return checked(native().seek(this.#handle(handle).inode.fd, offset, whence), 'lseek')
  }

  copyRange(
    handleIn: number,
    offsetIn: number,
    handleOut: number,
    offsetOut: number,
    length: number,
  ): number {
    const from = this.#handle(handleIn).inode.fd
    const to = this.#handle(handleOut).inode.fd
    return checked(native().copyRange(from, offsetIn, to, offsetOut, length), 'copy')
  }

  planSync(handle: number): readonly number[] {
    const { fd } = this.#handle(handle).inode
    return fd < 0 ? [] : [fd]
  }

  planSyncAll(): readonly number[] {
    return []
  }

  opendir(node: number, _caller: Caller, reply: OpenReply): void {
    const inode = this.inode(node)
    const handle = this.#newHandle(inode)
    handle.listing = [
      ['.' as ByteString, inode],
      ['..' as ByteString, inode.parent ?? inode],
      ...inode.entries,
    ]
    reply.handle = this.#lastHandle
    reply.cacheDirectory = this.#options.keepCache ?? false
    reply.keepCache = this.#options.keepCache ?? false
  }

  releasedir(handle: number): void {
    this.release(handle)
  }

  readdir(handle: number, offset: number, sink: DirectorySink): void {
    const { listing } = this.#handle(handle)
    for (const [index, [name, inode]] of listing.entries()) {
      if (index < offset) continue
      if (!sink.add(name, 0, inode.ino, inode.type, index + 1)) return
    }
  }

  readdirplus(handle: number, offset: number, _caller: Caller, sink: DirectorySink): void {
    const { listing } = this.#handle(handle)
    for (const [index, [name, inode]] of listing.entries()) {
      if (index < offset) continue
      if (!sink.hasRoom(name.length)) return
      if (index < 2 || inode.nlink === 0) {
        sink.add(name, 0, inode.ino, inode.type, index + 1)
      } else {
        this.#counted(inode, sink.entry)
        sink.addEntry(name, inode.type, index + 1)
      }
    }
  }

  statfs(_node: number, reply: StatfsReply): void {
    reply.blockBytes = 4096
    reply.fragmentBytes = 4096
    reply.blocks = 1000
    reply.blocksFree = 600
    reply.blocksAvailable = 500
    reply.files = 100
    reply.filesFree = 50
    reply.nameBytesMax = 255
  }

  fileFlags(): void {
    throw new FsError('ENOTTY', 'no flags')
  }

  getxattr(node: number, name: ByteString): Uint8Array {
    const value = this.inode(node).xattrs.get(name)
    if (value === undefined) throw new FsError('ENODATA', 'no such xattr')
    return value
  }

  listxattr(node: number): Uint8Array {
    const names = [...this.inode(node).xattrs.keys()]
    return Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1')
  }

  setxattr(node: number, name: ByteString, value: Uint8Array, flags: number): void {
    const { xattrs } = this.inode(node)
    if (flags === 1 && xattrs.has(name)) throw new FsError('EEXIST', 'xattr exists')
    if (flags === 2 && !xattrs.has(name)) throw new FsError('ENODATA', 'no such xattr')
    xattrs.set(name, value)
    this.inode(node).touch()
    if (name === 'system.posix_acl_access') {
      const inode = this.inode(node)
      inode.mode = (inode.mode & ~0o777) | permissionsOfAcl(Buffer.from(value))
    }
  }

  removexattr(node: number, name: ByteString): void {
    if (!this.inode(node).xattrs.delete(name)) throw new FsError('ENODATA', 'no such xattr')
  }

  destroy(): void {
    const inodes = new Set([...this.#nodes.values(), ...tree(this.root)])
    for (const { inode } of this.#handles.values()) inodes.add(inode)
    for (const inode of inodes) inode.close()
    this.#handles.clear()
  }

  inode(node: number): MemoryInode {
    const inode = this.#nodes.get(node)
    if (inode === undefined) throw new Error(`node ${node} is not known`)
    return inode
  }

  inodeOf(handle: number): MemoryInode {
    return this.#handle(handle).inode
  }

  #handle(handle: number): Handle {
    const found = this.#handles.get(handle)
    if (found === undefined) throw new Error(`handle ${handle} is not open`)
    return found
  }

  #newHandle(inode: MemoryInode): Handle {
    const handle: Handle = { inode, listing: [] }
    inode.handles++
    this.#handles.set(++this.#lastHandle, handle)
    return handle
  }

  #opened(inode: MemoryInode, reply: OpenReply): void {
    this.#newHandle(inode)
    reply.handle = this.#lastHandle
    reply.keepCache = this.#options.keepCache ?? false
    const { guards } = this.#options
    if (guards === undefined) return
    if (inode.guard < 0) {
      inode.guard = guards.create()
      guards.allowAll(inode.guard)
    }
    reply.dataFd = inode.fd
    reply.guard = inode.guard
  }

  #counted(inode: MemoryInode, entry: Entry): void {
    if (inode.node === 0) {
      inode.node = ++this.#lastNode
      this.#nodes.set(inode.node, inode)
    }
    inode.lookups++
    entry.node = inode.node
    entry.entryTtlMs = this.#options.entryTtlMs ?? 1000
    entry.attributesTtlMs = this.#options.attributesTtlMs ?? 1000
    inode.fill(entry.attributes)
  }

  #existing(directory: MemoryInode, name: ByteString): MemoryInode {
    const inode = directory.entries.get(name)
    if (inode === undefined) throw new FsError('ENOENT', 'no such name')
    return inode
  }

  #made(parent: number, name: ByteString, mode: number, caller: Caller): MemoryInode {
    const directory = this.inode(parent)
    if (directory.entries.has(name)) throw new FsError('EEXIST', 'name exists')
    const inode = new MemoryInode(mode, caller.uid, caller.gid)
    this.#put(directory, name, inode)
    return inode
  }

  #put(directory: MemoryInode, name: ByteString, inode: MemoryInode): void {
    if (name.length > 255) throw new FsError('ENAMETOOLONG', 'name too long')
    if (directory.entries.has(name)) throw new FsError('EEXIST', 'name exists')
    directory.entries.set(name, inode)
    directory.touch()
    inode.parent = directory
    inode.nlink++
    inode.touch()
  }

  #replace(
    directory: MemoryInode,
    name: ByteString,
    inode: MemoryInode,
    replaced: MemoryInode,
    flags: number,
  ): void {
    if (flags & Rename.noReplace) throw new FsError('EEXIST', 'name exists')
    if (inode.isDirectory && !replaced.isDirectory) throw new FsError('ENOTDIR', 'a file there')
    if (!inode.isDirectory && replaced.isDirectory) throw new FsError('EISDIR', 'a directory there')
    if (replaced.isDirectory && replaced.entries.size > 0) {
      throw new FsError('ENOTEMPTY', 'not empty')
    }
    this.#take(directory, name, replaced)
  }

  #take(directory: MemoryInode, name: ByteString, inode: MemoryInode): void {
    directory.entries.delete(name)
    directory.touch()
    inode.nlink--
    inode.touch()
    this.#reap(inode)
  }

  #reap(inode: MemoryInode): void {
    if (inode.isUsed) return
    if (inode.guard >= 0) this.#options.guards?.free(inode.guard)
    inode.close()
  }
}

/** An ACL is a version (4 bytes), and for each entry tag (2), permissions (2) and id (4). */
function permissionsOfAcl(acl: Buffer): number {
  const [user, group, mask, other] = [0x01, 0x04, 0x10, 0x20].map((tag) => {
    for (let at = 4; at < acl.length; at += 8) {
      if (acl.readUInt16LE(at) === tag) return acl.readUInt16LE(at + 2)
    }
    return undefined
  })
  return ((user ?? 0) << 6) | ((mask ?? group ?? 0) << 3) | (other ?? 0)
}

function* tree(directory: MemoryInode): Generator<MemoryInode> {
  for (const inode of directory.entries.values()) {
    yield inode
    if (inode.isDirectory) yield* tree(inode)
  }
}
