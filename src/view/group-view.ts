import type { BigIntStats } from 'node:fs'
import { directoryTypeOf, FileType } from '../base/attributes.js'
import type { Attributes } from '../base/attributes.js'
import { textOf } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf, isErrno } from '../base/errno.js'
import type { Guards, Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import type { ReadPlan } from '../base/read-plan.js'
import { kernelDevice, secondsOf } from '../base/system-stat.js'
import type {
  AttributesReply,
  Caller,
  DirectorySink,
  Entry,
  FileSystem,
  OpenReply,
  StatfsReply,
} from '../fuse/file-system.js'
import { parseSnapshotName } from '../store/snapshot-name.js'
import type { GroupEntry, GroupMember, GroupMembers } from './group-members.js'
import { GroupNode } from './group-node.js'
import type { GroupPlace } from './group-node.js'
import { ttlForeverMs } from './options.js'
import { ReadOnlyFileSystem } from './read-only-file-system.js'
import { visibleXattrs } from './visible-xattrs.js'

/** As in a volume's own root: Samba's clients break on more. */
const listedMax = 512
const directoryType = FileType.directory >>> 12
const noEntries: readonly GroupEntry[] = []

/** An open file (`fd` is owned), or an open directory. */
type GroupHandle =
  | { kind: 'file'; fd: number }
  | { kind: 'directory'; entries: readonly GroupEntry[]; node: GroupNode }

/**
 * `@GMT-…/ID/…`: the snapshots of several volumes in one tree, read through the mounts of the volumes.
 *
 * Which snapshots there are is asked of them each time, so that what comes or goes does so here at once, whoever
 * did it. What is in one never changes: that the kernel may remember for ever.
 */
export class GroupView extends ReadOnlyFileSystem implements FileSystem {
  readonly #native: Native
  readonly #members: GroupMembers
  /** Permits no write, whatever is open. */
  readonly #guard: number
  readonly #root = new GroupNode(undefined, '' as ByteString)
  readonly #nodes = new Map<number, GroupNode>()
  readonly #handles = new Map<number, GroupHandle>()
  #lastNode = 1
  #lastHandle = 0

  constructor(native: Native, members: GroupMembers, guards: Guards) {
    super()
    this.#native = native
    this.#members = members
    this.#guard = guards.create()
    this.#root.id = 1
    this.#nodes.set(1, this.#root)
  }

  lookup(parent: number, name: ByteString, _caller: Caller, entry: Entry): void {
    if (name === '.' || name === '..') {
      // Only of what the kernel has forgotten, for a handle of a file.
      throw new FsError('ESTALE', 'a group finds nothing by handles')
    }
    this.#enter(this.#node(parent), name, entry)
  }

  forget(id: number, lookups: number): void {
    const node = this.#nodes.get(id)
    if (node === undefined || node === this.#root) return
    node.lookups -= lookups
    if (node.lookups > 0) return
    node.lookups = 0
    node.id = 0
    this.#nodes.delete(id)
    this.#prune(node)
  }

  getattr(id: number, _handle: number | undefined, reply: AttributesReply): void {
    const node = this.#node(id)
    this.#attributes(node, reply)
  }

  readlink(id: number): ByteString {
    return this.#within(this.#node(id), O.PATH | O.NOFOLLOW, (fd) => {
      const target = this.#native.readlinkAt(fd, '' as ByteString)
      if (typeof target === 'number') throw fsErrorOf(target, 'readlink')
      return target
    })
  }

  open(id: number, flags: number, _caller: Caller, reply: OpenReply): void {
    if ((flags & O.ACCMODE) !== O.RDONLY) throw new FsError('EROFS', 'snapshots are read-only')
    const place = this.#inside(this.#node(id))
    const fd = this.#members.open(place.member, pathOf(place), O.RDONLY | O.NOFOLLOW | O.NONBLOCK)
    reply.handle = this.#addHandle({ kind: 'file', fd })
    reply.keepCache = true
    reply.dataFd = fd
    reply.guard = this.#guard
  }

  release(handle: number): void {
    const found = this.#handles.get(handle)
    this.#handles.delete(handle)
    if (found?.kind === 'file') this.#native.close(found.fd)
  }

  planRead(handle: number, offset: number, length: number, plan: ReadPlan): number {
    plan.addFile(this.#file(handle), offset, length)
    return -1
  }

  lseek(handle: number, offset: number, whence: number): number {
    return checked(this.#native.seek(this.#file(handle), offset, whence), 'lseek')
  }

  opendir(id: number, _caller: Caller, reply: OpenReply): void {
    const node = this.#node(id)
    const isLasting = this.#place(node).kind === 'inside'
    // Read when the listing begins.
    reply.handle = this.#addHandle({ kind: 'directory', entries: noEntries, node })
    reply.cacheDirectory = isLasting
    reply.keepCache = isLasting
  }

  releasedir(handle: number): void {
    this.release(handle)
  }

  readdir(handle: number, offset: number, sink: DirectorySink): void {
    for (const [at, entry] of this.#entriesFrom(handle, offset)) {
      if (!sink.add(entry.name, entry.inoHigh, entry.inoLow, entry.type, at + 1)) return
    }
  }

  readdirplus(handle: number, offset: number, _caller: Caller, sink: DirectorySink): void {
    const { node } = this.#directory(handle)
    for (const [at, entry] of this.#entriesFrom(handle, offset)) {
      const { name, type } = entry
      if (!sink.hasRoom(name.length)) return
      const isLookedUp = at > 1 && this.#tryEnter(node, name, sink.entry)
      if (isLookedUp) sink.addEntry(name, type, at + 1)
      else if (!sink.add(name, entry.inoHigh, entry.inoLow, type, at + 1)) return
    }
  }

  statfs(_id: number, reply: StatfsReply): void {
    // Whose space it would be depends on the volume; that nothing can be written is all there is to say.
    reply.blockBytes = 4096
    reply.fragmentBytes = 4096
    reply.nameBytesMax = 255
  }

  getxattr(id: number, name: ByteString): Uint8Array {
    const node = this.#node(id)
    if (this.#place(node).kind !== 'inside') throw new FsError('ENODATA', 'no such xattr')
    return this.#within(node, O.PATH | O.NOFOLLOW, (fd) => {
      const value = this.#native.getXattrPath(fd, name)
      if (typeof value === 'number') throw fsErrorOf(value, 'getxattr')
      return value
    })
  }

  listxattr(id: number, caller: Caller): Uint8Array {
    const node = this.#node(id)
    if (this.#place(node).kind !== 'inside') return new Uint8Array()
    return this.#within(node, O.PATH | O.NOFOLLOW, (fd) => {
      const names = this.#native.listXattrPath(fd)
      if (typeof names === 'number') throw fsErrorOf(names, 'listxattr')
      return visibleXattrs(names, caller)
    })
  }

  destroy(): void {
    for (const handle of [...this.#handles.keys()]) this.release(handle)
    this.#nodes.clear()
  }

  /** Fills entry and counts a lookup. */
  #enter(parent: GroupNode, name: ByteString, entry: Entry): void {
    const known = parent.children.get(name)
    const node = known ?? new GroupNode(parent, name)
    const isLasting = this.#place(parent).kind === 'inside'
    try {
      this.#attributes(node, entry)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      entry.node = 0
      entry.entryTtlMs = isLasting ? ttlForeverMs : 0
      return
    }
    parent.children.set(name, node)
    if (node.id === 0) {
      node.id = ++this.#lastNode
      this.#nodes.set(node.id, node)
    }
    node.lookups++
    entry.node = node.id
    entry.entryTtlMs = isLasting ? ttlForeverMs : 0
  }

  /** False: it is gone since it was listed, or can't be read; whoever asks for it by name is told. */
  #tryEnter(parent: GroupNode, name: ByteString, entry: Entry): boolean {
    try {
      this.#enter(parent, name, entry)
      return entry.node !== 0
    } catch (error) {
      if (error instanceof FsError) return false
      throw error
    }
  }

  /** ENOENT where there is no such thing. */
  #attributes(node: GroupNode, reply: AttributesReply): void {
    const place = this.#place(node)
    if (place.kind === 'inside') {
      const stat = this.#members.stat(place.member, pathOf(place))
      fillFromStat(stat, place.member.index, reply.attributes)
      reply.attributesTtlMs = ttlForeverMs
      return
    }
    const timeSec = place.kind === 'root' ? 0 : this.#timeOf(place.snapshot)
    fillOwn(reply.attributes, timeSec)
    reply.attributesTtlMs = 0
  }

  #timeOf(snapshot: ByteString): number {
    const timeSec = parseSnapshotName(textOf(snapshot))
    if (timeSec === undefined || !this.#members.isAnywhere(snapshot)) {
      throw new FsError('ENOENT', `no snapshot ${snapshot}`)
    }
    return timeSec
  }

  /** What the node's path means; ENOENT where the first two names mean nothing. */
  #place(node: GroupNode): GroupPlace {
    const [snapshot, id, ...path] = node.path
    if (snapshot === undefined) return { kind: 'root' }
    if (id === undefined) return { kind: 'snapshot', snapshot }
    const member = this.#members.byId(id)
    // The name must be one: below a volume's mount point there is more than snapshots.
    if (member === undefined || parseSnapshotName(textOf(snapshot)) === undefined) {
      throw new FsError('ENOENT', `no volume ${id}`)
    }
    return { kind: 'inside', snapshot, member, path }
  }

  #inside(node: GroupNode): Extract<GroupPlace, { kind: 'inside' }> {
    const place = this.#place(node)
    if (place.kind !== 'inside') throw new FsError('EISDIR', 'a directory of the group')
    return place
  }

  #within<T>(node: GroupNode, flags: number, use: (fd: number) => T): T {
    const place = this.#inside(node)
    return this.#members.with(place.member, pathOf(place), flags, use)
  }

  #entriesFrom(handle: number, offset: number): [number, GroupEntry][] {
    const directory = this.#directory(handle)
    if (offset === 0) {
      const entries = [...dots(), ...this.#list(directory.node)]
      this.#handles.set(handle, { ...directory, entries })
    }
    const { entries } = this.#directory(handle)
    return entries.slice(offset).map((entry, at) => [offset + at, entry])
  }

  #list(node: GroupNode): GroupEntry[] {
    const place = this.#place(node)
    switch (place.kind) {
      case 'root': {
        const names = new Set(
          this.#members.all.flatMap((member) => this.#members.snapshotsOf(member)),
        )
        return [...names]
          .sort()
          .slice(-listedMax)
          .map((name) => ownEntry(name, parseSnapshotName(name) ?? 0))
      }
      case 'snapshot': {
        const { snapshot } = place
        return this.#members
          .having(snapshot)
          .map((member) => memberEntry(member, this.#members.stat(member, [snapshot])))
      }
      case 'inside': {
        const { index } = place.member
        const entries = this.#members.list(place.member, pathOf(place))
        return entries.map((each) => ({ ...each, inoHigh: ownInoHigh(each.inoHigh, index) }))
      }
    }
  }

  #node(id: number): GroupNode {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new FsError('ESTALE', `node ${id} is not known`)
    return node
  }

  #addHandle(handle: GroupHandle): number {
    this.#handles.set(++this.#lastHandle, handle)
    return this.#lastHandle
  }

  #file(handle: number): number {
    const found = this.#handles.get(handle)
    if (found?.kind !== 'file') throw new FsError('EBADF', 'not an open file')
    return found.fd
  }

  #directory(handle: number): Extract<GroupHandle, { kind: 'directory' }> {
    const found = this.#handles.get(handle)
    if (found?.kind !== 'directory') throw new FsError('EBADF', 'not an open directory')
    return found
  }

  /** Lets go of nodes that lead to none that the kernel knows. */
  #prune(from: GroupNode): void {
    let node = from
    while (node.parent !== undefined && node.id === 0 && node.children.size === 0) {
      node.parent.children.delete(node.name)
      node = node.parent
    }
  }
}

function pathOf({ snapshot, path }: Extract<GroupPlace, { kind: 'inside' }>): ByteString[] {
  return [snapshot, ...path]
}

/** A snapshot's numbers are its volume's; here volumes must not meet (cp -a would link their files). */
function ownInoHigh(inoHigh: number, memberIndex: number): number {
  return (inoHigh ^ (memberIndex << 24)) >>> 0
}

function dots(): GroupEntry[] {
  return ['.', '..'].map((name) => ({
    name: name as ByteString,
    type: directoryType,
    inoHigh: 0,
    inoLow: 1,
  }))
}

/** Of the group's own directories: no snapshot's number lacks bit 63. */
function ownEntry(name: ByteString, timeSec: number): GroupEntry {
  return { name, type: directoryType, ...ownInode(timeSec) }
}

function ownInode(timeSec: number): { inoHigh: number; inoLow: number } {
  return { inoHigh: Math.floor(timeSec / 2 ** 32), inoLow: timeSec === 0 ? 1 : timeSec >>> 0 }
}

function memberEntry(member: GroupMember, stat: BigIntStats): GroupEntry {
  return {
    name: member.id,
    type: directoryTypeOf(Number(stat.mode)),
    inoHigh: ownInoHigh(Number(stat.ino >> 32n), member.index),
    inoLow: Number(stat.ino & 0xffffffffn),
  }
}

function fillOwn(to: Attributes, timeSec: number): void {
  Object.assign(to, ownInode(timeSec))
  to.mode = FileType.directory | 0o755
  to.nlink = 2
  to.uid = process.geteuid?.() ?? 0
  to.gid = process.getegid?.() ?? 0
  to.sizeBytes = 0
  to.blocks = 0
  to.atimeSec = to.mtimeSec = to.ctimeSec = timeSec
}

function fillFromStat(stat: BigIntStats, memberIndex: number, to: Attributes): void {
  to.inoHigh = ownInoHigh(Number(stat.ino >> 32n), memberIndex)
  to.inoLow = Number(stat.ino & 0xffffffffn)
  to.mode = Number(stat.mode)
  to.nlink = Number(stat.nlink)
  to.uid = Number(stat.uid)
  to.gid = Number(stat.gid)
  to.rdev = kernelDevice(stat.rdev)
  to.sizeBytes = Number(stat.size)
  to.blocks = Number(stat.blocks)
  to.blockBytes = Number(stat.blksize)
  ;[to.atimeSec, to.atimeNsec] = secondsOf(stat.atimeNs)
  ;[to.mtimeSec, to.mtimeNsec] = secondsOf(stat.mtimeNs)
  ;[to.ctimeSec, to.ctimeNsec] = secondsOf(stat.ctimeNs)
  ;[to.btimeSec, to.btimeNsec] = secondsOf(stat.birthtimeNs)
}
