import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError, isErrno } from '../base/errno.js'
import { O } from '../base/open-flags.js'
import type { AttributesReply, Caller, Entry, OpenReply } from '../fuse/file-system.js'
import { Listing } from '../volume/listing.js'
import { listOrigin } from '../volume/origin-listing.js'
import type { OriginNode } from '../volume/origin-node.js'
import type { InodeNumber } from '../volume/past-node.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import { DirectoryStream } from './directory-stream.js'
import type { DirectorySource } from './directory-stream.js'
import type { HandleTable, LiveHandle } from './handle-table.js'
import type { NodeTable } from './node-table.js'
import { ttlForeverMs, ttlSharedMs } from './options.js'

/** The live tree of a mount: the origin's nodes, with the kernel's lookups counted. */
export class LiveView {
  readonly #volume: TreeVolume
  readonly #nodes: NodeTable
  readonly #handles: HandleTable
  readonly #isMountedOver: boolean
  readonly #ttlMs: number

  constructor(volume: TreeVolume, nodes: NodeTable, handles: HandleTable, isMountedOver: boolean) {
    this.#volume = volume
    this.#nodes = nodes
    this.#handles = handles
    this.#isMountedOver = isMountedOver
    this.#ttlMs = isMountedOver ? ttlForeverMs : ttlSharedMs
  }

  lookup(parent: OriginNode, name: ByteString, entry: Entry): void {
    const node = this.#volume.names.lookup(parent, name)
    if (node !== undefined) {
      this.enterFromStat(node, entry)
      return
    }
    if (!this.#isMountedOver) throw new FsError('ENOENT', 'no such name')
    entry.node = 0
    entry.entryTtlMs = this.#ttlMs
  }

  /** Fills entry from the origin's `stat`, which a lookup has just filled for this node. */
  enterFromStat(node: OriginNode, entry: Entry): void {
    this.#volume.origin.attributesFromStat(node, entry.attributes)
    entry.generation = this.#volume.origin.generation(node)
    entry.node = this.#nodes.remember(node)
    entry.entryTtlMs = this.#ttlMs
    entry.attributesTtlMs = this.#ttlMs
  }

  attributes(node: OriginNode, reply: AttributesReply): void {
    this.#volume.origin.statNode(node)
    this.#volume.origin.attributesFromStat(node, reply.attributes)
    reply.attributesTtlMs = this.#ttlMs
  }

  open(node: OriginNode, flags: number, caller: Caller, reply: OpenReply): void {
    if (node.type !== FileType.regular) throw new FsError('ENXIO', 'not a regular file')
    this.#volume.assertRoomToOpen()
    const { files } = this.#volume
    try {
      this.#opened(node, files.open(node, flags), flags, caller, reply)
    } catch (error) {
      const isToAppend = (flags & O.APPEND) !== 0 && (flags & O.ACCMODE) !== O.RDONLY
      if (!isToAppend || !isErrno(error, 'EPERM')) throw error
      this.#opened(node, files.openToAppend(node, flags), flags, caller, reply, true)
    }
  }

  create(
    parent: OriginNode,
    name: ByteString,
    flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    const isExclusive = (flags & O.EXCL) !== 0
    this.#volume.assertRoomToOpen()
    try {
      const kept = flags & (O.SYNC | O.DSYNC)
      const { names } = this.#volume
      const { node, fd } = names.create(parent, name, O.RDWR | kept, mode, caller)
      this.enterFromStat(node, entry)
      this.#opened(node, fd, flags, caller, reply)
    } catch (error) {
      // Somebody made it beside the mount after the kernel had looked.
      if (isExclusive || !isErrno(error, 'EEXIST')) throw error
      this.#openExisting(parent, name, flags, caller, entry, reply)
    }
  }

  createUnnamed(
    parent: OriginNode,
    flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    this.#volume.assertRoomToOpen()
    // With O_EXCL it can't be linked later.
    const kept = flags & (O.SYNC | O.DSYNC | O.EXCL)
    const { node, fd } = this.#volume.names.createUnnamed(parent, O.RDWR | kept, mode, caller)
    this.enterFromStat(node, entry)
    this.#opened(node, fd, flags, caller, reply)
  }

  openDirectory(node: OriginNode, source: DirectorySource, reply: OpenReply): void {
    const isPlain = node !== this.#volume.origin.root
    this.#volume.assertRoomToOpen()
    const fd = node.isForeign ? -1 : this.#volume.origin.open(node, O.RDONLY | O.DIRECTORY)
    const stream = new DirectoryStream(source)
    reply.handle = this.#handles.add({ kind: 'directory', node, stream, fd })
    // The root's listing changes with each snapshot, which the kernel does not see.
    reply.cacheDirectory = this.#isMountedOver && isPlain
    reply.keepCache = reply.cacheDirectory
  }

  /** A live directory, without what the root shows beside it. */
  source(node: OriginNode): DirectorySource {
    return {
      list: () => this.list(node),
      inodeNumber: liveInodeNumber,
      self: numberOf(node),
      above: numberOf(node.parent ?? node),
      enter: (name, _ino, _type, entry) => {
        const found = this.#volume.names.lookup(node, name)
        if (found === undefined) throw new FsError('ENOENT', 'removed meanwhile')
        this.enterFromStat(found, entry)
      },
    }
  }

  list(node: OriginNode): Listing {
    if (node.isForeign) return new Listing(Buffer.alloc(0))
    return listOrigin(this.#volume.origin, node)
  }

  close(handle: LiveHandle): void {
    this.#volume.origin.closeOpened(handle.node, handle.fd)
    if (handle.isWriting) handle.object.writers--
    this.#volume.chunks.release(handle.object)
  }

  #openExisting(
    parent: OriginNode,
    name: ByteString,
    flags: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    this.lookup(parent, name, entry)
    const node = this.#nodes.live(entry.node)
    try {
      this.open(node, flags, caller, reply)
    } catch (error) {
      // The kernel gets an error, and will not forget what it was not told of.
      if (this.#nodes.forget(entry.node, 1) !== undefined) this.#volume.origin.release(node)
      throw error
    }
  }

  /** A file that is open as `fd`, perhaps since a predecessor had it. */
  handleOf(opened: Omit<LiveHandle, 'kind' | 'object'>): LiveHandle {
    const { node, fd, isWriting } = opened
    const object = this.#volume.chunks.acquire(node)
    this.#volume.origin.noteOpened(node, fd)
    if (isWriting) object.writers++
    return { kind: 'live', object, ...opened }
  }

  #opened(
    node: OriginNode,
    fd: number,
    flags: number,
    caller: Caller,
    reply: OpenReply,
    isAppending = false,
  ): void {
    const isWriting = (flags & O.ACCMODE) !== O.RDONLY
    const isSynchronous = (flags & (O.SYNC | O.DSYNC)) !== 0
    const opener = { uid: caller.uid, gid: caller.gid }
    const handle = this.handleOf({ node, fd, isSynchronous, isWriting, isAppending, opener })
    const { object } = handle
    reply.handle = this.#handles.add(handle)
    reply.keepCache = this.#isMountedOver
    reply.dataFd = fd
    reply.guard = isSynchronous || isAppending ? -1 : object.guard
  }
}

export function liveInodeNumber(ino: number, to: InodeNumber): void {
  to.high = Math.floor(ino / 2 ** 32)
  to.low = ino >>> 0
}

export function numberOf(node: OriginNode): InodeNumber {
  return { high: Math.floor(node.object / 2 ** 32), low: node.object >>> 0 }
}
