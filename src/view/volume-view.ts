import { FileType } from '../base/attributes.js'
import { bytesOf } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import type { Label } from '../base/ids.js'
import { checked, FsError } from '../base/errno.js'
import { FileFlagsCommand, O } from '../base/open-flags.js'
import type { ReadPlan } from '../base/read-plan.js'
import type {
  AttributeChange,
  AttributesReply,
  Caller,
  DirectorySink,
  Entry,
  FileSystem,
  OpenReply,
  StatfsReply,
} from '../fuse/file-system.js'
import {
  bygoneDirectory,
  latestName,
  snapshotPrefix,
  snapshotsDirectory,
} from '../volume/hidden-names.js'
import { OriginNode } from '../volume/origin-node.js'
import { PastNode } from '../volume/past-node.js'
import { actingAs } from '../volume/acting-as.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import { ChangeCount } from './change-count.js'
import type { FlushMarker } from './flush-marker.js'
import { HandleTable } from './handle-table.js'
import type { Handle } from './handle-table.js'
import { LiveView } from './live-view.js'
import { NodeTable } from './node-table.js'
import type { Once } from './once.js'
import type { ViewOptions } from './options.js'
import { PastView } from './past-view.js'
import { rootSource } from './root-source.js'
import type { SessionLog } from './session-log.js'
import type { OpenRequest } from './session-replay.js'
import type { DirectorySource } from './directory-stream.js'
import { SnapshotsView } from './snapshots-view.js'
import { SnapshotsNode } from './view-node.js'
import type { ViewNode } from './view-node.js'
import { ViewSession } from './view-session.js'
import { visibleXattrs } from './visible-xattrs.js'

const statfsFields = 9
const noTarget = '' as ByteString
const self = '.' as ByteString
const above = '..' as ByteString

/**
 * What a mount of a tree volume shows: the live tree, and beside it the snapshots. Each call goes to the
 * view of the kind of node it is about; what would change a snapshot is EROFS here, once for all.
 */
export class VolumeView implements FileSystem {
  readonly session: ViewSession
  readonly #volume: TreeVolume
  readonly #nodes: NodeTable
  readonly #handles: HandleTable
  readonly #live: LiveView
  readonly #past: PastView
  readonly #snapshots: SnapshotsView
  readonly #statfs = new Float64Array(statfsFields)
  readonly #flushMarker: FlushMarker | undefined
  readonly #changes: ChangeCount
  readonly #log: SessionLog | undefined
  readonly #once: Once

  constructor(volume: TreeVolume, options: ViewOptions) {
    const { log } = options
    this.#volume = volume
    this.#flushMarker = options.flushMarker
    this.#changes = options.changes ?? new ChangeCount()
    this.#log = log
    this.#handles = new HandleTable(log)
    this.#nodes = new NodeTable(volume.origin.root, log)
    this.#live = new LiveView(volume, this.#nodes, this.#handles, options.isMountedOver)
    this.#past = new PastView(volume, this.#nodes, this.#handles)
    this.#snapshots = new SnapshotsView(volume, this.#nodes, this.#handles, this.#past, options)
    this.session = new ViewSession({
      volume,
      nodes: this.#nodes,
      handles: this.#handles,
      live: this.#live,
      past: this.#past,
      snapshots: this.#snapshots,
      sourceOfLive: (node) => this.#sourceOfLive(node),
      log,
      onResent: options.onResent,
      takeBack: (request) => {
        this.#takeBack(request)
      },
    })
    this.#once = this.session.once
  }

  begins(high: number, low: number, isSilent: boolean): void {
    this.session.begins(high, low, isSilent)
  }

  ends(): void {
    this.session.ends()
  }

  agreed(agreement: string): void {
    this.#log?.agreed(agreement)
  }

  eachOpened(
    visit: (handle: number, dataFd: number, guard: number, uid: number, gid: number) => void,
  ): void {
    for (const [number, handle] of this.#handles.entries()) {
      if (handle.kind !== 'live') continue
      const { fd, object, isSynchronous, isAppending, opener } = handle
      const guard = isSynchronous || isAppending ? -1 : object.guard
      visit(number, fd, guard, opener.uid, opener.gid)
    }
  }

  /** How many files and directories the kernel knows. */
  get nodeCount(): number {
    return this.#nodes.size
  }

  gauges(): Record<string, number> {
    return {
      nodes: this.#nodes.size,
      handles: this.#handles.size,
      snapshotTrees: this.#past.treeCount,
      ...this.#volume.gauges(),
    }
  }

  /** These snapshots are no more. The kernel has to be told of their names in the root. */
  removeSnapshots(labels: ReadonlySet<Label>): void {
    this.#past.remove(labels)
    this.#volume.remove(labels)
  }

  lookup(parent: number, name: ByteString, caller: Caller, entry: Entry): void {
    if (name === self) {
      this.#enterAgain(parent, entry)
      return
    }
    const directory = this.#nodes.get(parent)
    if (name === above) {
      this.#enterAbove(directory, entry)
      return
    }
    if (directory instanceof PastNode) {
      this.#past.lookup(directory, name, entry)
    } else if (directory instanceof SnapshotsNode) {
      this.#snapshots.lookup(name, caller, entry)
    } else if (name.startsWith(snapshotPrefix) || name === latestName) {
      this.#lookupSnapshot(directory, name, caller, entry)
    } else if (directory === this.#volume.origin.root && name === snapshotsDirectory) {
      this.#snapshots.enterDirectory(entry)
    } else if (directory === this.#volume.origin.root && name === bygoneDirectory) {
      throw new FsError('ENOENT', 'hidden')
    } else this.#live.lookup(directory, name, entry)
  }

  forget(id: number, lookups: number): void {
    this.#release(this.#nodes.forget(id, lookups))
  }

  #release(node: ViewNode | undefined): void {
    if (node instanceof OriginNode) this.#volume.origin.release(node)
    else if (node instanceof PastNode) this.#past.release(node)
  }

  /** What the kernel never learned of. */
  #takeBack({ handles, lookups }: OpenRequest): void {
    for (const number of handles) {
      const handle = this.#handles.remove(number)
      if (handle !== undefined) this.#close(handle)
    }
    for (const [node, counted] of lookups) {
      if (counted > 0) this.#release(this.#nodes.takeBack(node, counted))
    }
  }

  getattr(id: number, _handle: number | undefined, reply: AttributesReply): void {
    const node = this.#nodes.get(id)
    if (node instanceof OriginNode) this.#live.attributes(node, reply)
    else if (node instanceof PastNode) this.#past.attributes(node, reply)
    else this.#snapshots.directoryAttributes(reply)
  }

  setattr(
    id: number,
    number: number | undefined,
    change: AttributeChange,
    caller: Caller,
    reply: AttributesReply,
  ): void {
    const node = this.#nodes.live(id)
    const handle = number === undefined ? undefined : this.#handles.get(number)
    const fd = handle?.kind === 'live' ? handle.fd : undefined
    this.#changes.add()
    this.#volume.files.setAttributes(node, change, caller, fd)
    this.#live.attributes(node, reply)
  }

  readlink(id: number): ByteString {
    const node = this.#nodes.get(id)
    if (node instanceof PastNode) return node.tree.readlink(node)
    return this.#volume.files.readlink(this.#nodes.live(id))
  }

  mknod(
    parent: number,
    name: ByteString,
    mode: number,
    rdev: number,
    caller: Caller,
    entry: Entry,
  ): void {
    const directory = this.#parentOfNew(parent, name)
    this.#changes.add()
    const { names } = this.#volume
    const node = this.#once.make(directory, name, typeOf(mode), noTarget, () =>
      names.mknod(directory, name, mode, rdev, caller),
    )
    this.#live.enterFromStat(node, entry)
  }

  mkdir(parent: number, name: ByteString, mode: number, caller: Caller, entry: Entry): void {
    if (this.#nodes.get(parent) instanceof SnapshotsNode) {
      this.#snapshots.take(name, caller, entry)
      return
    }
    const directory = this.#parentOfNew(parent, name)
    this.#changes.add()
    const { names } = this.#volume
    const node = this.#once.make(directory, name, FileType.directory, noTarget, () =>
      names.mkdir(directory, name, mode, caller),
    )
    this.#live.enterFromStat(node, entry)
  }

  symlink(
    parent: number,
    name: ByteString,
    target: ByteString,
    caller: Caller,
    entry: Entry,
  ): void {
    const directory = this.#parentOfNew(parent, name)
    this.#changes.add()
    const { names } = this.#volume
    const node = this.#once.make(directory, name, FileType.symlink, target, () =>
      names.symlink(directory, name, target, caller),
    )
    this.#live.enterFromStat(node, entry)
  }

  link(id: number, newParent: number, newName: ByteString, caller: Caller, entry: Entry): void {
    const node = this.#nodes.live(id)
    const directory = this.#parentOfNew(newParent, newName)
    this.#changes.add()
    if (!this.#once.isDone('link')) this.#volume.names.link(node, directory, newName, caller)
    this.#volume.origin.statNode(node)
    this.#live.enterFromStat(node, entry)
  }

  unlink(parent: number, name: ByteString): void {
    const directory = this.#parentOfOld(parent, name)
    this.#changes.add()
    if (!this.#once.isDone('remove')) this.#volume.names.unlink(directory, name)
  }

  rmdir(parent: number, name: ByteString, caller: Caller): void {
    if (this.#nodes.get(parent) instanceof SnapshotsNode) {
      this.#snapshots.remove(name, caller)
      return
    }
    const directory = this.#parentOfOld(parent, name)
    this.#changes.add()
    if (!this.#once.isDone('remove')) this.#volume.names.rmdir(directory, name)
  }

  rename(
    parent: number,
    name: ByteString,
    newParent: number,
    newName: ByteString,
    flags: number,
    caller: Caller,
  ): void {
    const from = this.#parentOfOld(parent, name)
    const to = this.#parentOfNew(newParent, newName)
    this.#changes.add()
    if (this.#once.isDone('rename')) return
    this.#volume.names.rename(from, name, to, newName, flags, caller)
  }

  open(id: number, flags: number, caller: Caller, reply: OpenReply): void {
    const node = this.#nodes.get(id)
    if (node instanceof PastNode) this.#past.open(node, flags, reply)
    else this.#live.open(this.#nodes.live(id), flags, caller, reply)
  }

  create(
    parent: number,
    name: ByteString,
    flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    const directory = this.#parentOfNew(parent, name)
    this.#changes.add()
    this.#once.make(directory, name, FileType.regular, noTarget, () => {
      this.#live.create(directory, name, flags, mode, caller, entry, reply)
    })
  }

  tmpfile(
    parent: number,
    flags: number,
    mode: number,
    caller: Caller,
    entry: Entry,
    reply: OpenReply,
  ): void {
    this.#live.createUnnamed(this.#nodes.live(parent), flags, mode, caller, entry, reply)
  }

  release(number: number): void {
    const handle = this.#handles.remove(number)
    if (handle !== undefined) this.#close(handle)
  }

  planRead(number: number, offset: number, length: number, plan: ReadPlan): number {
    const handle = this.#handles.get(number)
    if (handle.kind === 'past') return handle.file.plan(offset, length, plan)
    const { fd } = this.#handles.live(number)
    const { origin } = this.#volume
    checked(origin.native.statAt(fd, '' as ByteString, origin.stat), 'stat')
    const end = Math.min(offset + length, origin.sizeFromStat())
    plan.begin(offset)
    if (end > offset) plan.addFile(fd, offset, end - offset)
    plan.reachesEnd = end < offset + length
    return -1
  }

  prepareWrite(
    number: number,
    offset: number,
    length: number,
    unprivileged: Caller | undefined,
  ): number {
    const { object, fd, isSynchronous, isAppending } = this.#handles.live(number)
    if (isAppending) {
      if (this.#once.isAgain && this.#volume.files.endsAt(fd, offset + length)) return -1
      this.#volume.files.assertAtEnd(fd, offset)
    }
    this.#changes.add()
    this.#volume.files.prepareWrite(object, fd, offset, length, unprivileged)
    if (isSynchronous) {
      checked(this.#volume.origin.native.fsync(this.#volume.store.syncFd(), true), 'journal')
    }
    return fd
  }

  fallocate(number: number, mode: number, offset: number, length: number, caller: Caller): void {
    const { object, fd } = this.#handles.live(number)
    this.#changes.add()
    this.#volume.files.fallocate(object, fd, mode, offset, length, caller)
  }

  lseek(number: number, offset: number, whence: number): number {
    const handle = this.#handles.get(number)
    if (handle.kind === 'past') return handle.file.seek(offset, whence)
    const { fd } = this.#handles.live(number)
    return checked(this.#volume.origin.native.seek(fd, offset, whence), 'seek')
  }

  copyRange(
    numberIn: number,
    offsetIn: number,
    numberOut: number,
    offsetOut: number,
    length: number,
    caller: Caller,
  ): number {
    const from = this.#handles.get(numberIn)
    const to = this.#handles.live(numberOut)
    // The kernel copies by reading and writing then.
    if (from.kind !== 'live') throw new FsError('EOPNOTSUPP', 'not two live files')
    this.#changes.add()
    this.#volume.files.prepareWrite(to.object, to.fd, offsetOut, length, undefined)
    const { native } = this.#volume.origin
    const copy = () => native.copyRange(from.fd, offsetIn, to.fd, offsetOut, length)
    return checked(actingAs(native, caller, copy), 'copy')
  }

  planSync(number: number): readonly number[] {
    const handle = this.#handles.get(number)
    if (handle.kind === 'past' || handle.fd < 0) return []
    return [this.#volume.store.syncFd(), handle.fd]
  }

  planSyncAll(): readonly number[] {
    const { origin, store } = this.#volume
    const fd = checked(origin.native.reopen(origin.root.heldFd, O.RDONLY | O.DIRECTORY), 'open')
    const result = origin.native.syncfs(fd)
    origin.native.close(fd)
    checked(result, 'syncfs')
    return [store.syncFd()]
  }

  opendir(id: number, caller: Caller, reply: OpenReply): void {
    const node = this.#nodes.get(id)
    if (node instanceof PastNode) this.#past.openDirectory(node, reply)
    else if (node instanceof SnapshotsNode) this.#snapshots.openDirectory(reply)
    else {
      if (node.type !== FileType.directory) throw new FsError('ENOTDIR', 'not a directory')
      const isRoot = node === this.#volume.origin.root
      this.#live.openDirectory(node, this.#sourceOfLive(node), reply)
      if (isRoot) this.#flushMarker?.opened(caller.pid, reply.handle)
    }
  }

  releasedir(number: number): void {
    this.release(number)
    this.#flushMarker?.released(number)
  }

  readdir(number: number, offset: number, sink: DirectorySink): void {
    this.#handles.directory(number).stream.read(offset, sink)
  }

  readdirplus(number: number, offset: number, _caller: Caller, sink: DirectorySink): void {
    this.#handles.directory(number).stream.readWithEntries(offset, sink)
  }

  statfs(_id: number, reply: StatfsReply): void {
    const { origin } = this.#volume
    const found = this.#statfs
    checked(origin.native.statfs(origin.root.heldFd, found), 'statfs')
    reply.blockBytes = found[0] ?? 0
    reply.blocks = found[1] ?? 0
    reply.blocksFree = found[2] ?? 0
    reply.blocksAvailable = found[3] ?? 0
    reply.files = found[4] ?? 0
    reply.filesFree = found[5] ?? 0
    reply.fragmentBytes = found[6] ?? 0
    reply.nameBytesMax = found[7] ?? 0
  }

  getxattr(id: number, name: ByteString): Uint8Array {
    const node = this.#nodes.get(id)
    if (node instanceof PastNode) return node.tree.getXattr(node, name)
    if (node instanceof SnapshotsNode) throw new FsError('ENODATA', 'no xattrs')
    return this.#volume.files.getXattr(node, name)
  }

  listxattr(id: number, caller: Caller): Uint8Array {
    const node = this.#nodes.get(id)
    if (node instanceof SnapshotsNode) return bytesOf('' as ByteString)
    const isPast = node instanceof PastNode
    const names = isPast ? node.tree.listXattr(node) : this.#volume.files.listXattr(node)
    return visibleXattrs(names, caller)
  }

  setxattr(id: number, name: ByteString, value: Uint8Array, flags: number, caller: Caller): void {
    const node = this.#nodes.live(id)
    this.#changes.add()
    this.#once.setXattr(node, name, value, flags, () => {
      this.#volume.files.setXattr(node, name, value, flags, caller)
    })
  }

  removexattr(id: number, name: ByteString, caller: Caller): void {
    const node = this.#nodes.live(id)
    this.#changes.add()
    this.#once.removeXattr(node, name, () => {
      this.#volume.files.removeXattr(node, name, caller)
    })
  }

  fileFlags(
    id: number,
    number: number,
    command: FileFlagsCommand,
    value: Uint8Array,
    caller: Caller,
  ): void {
    const node = this.#nodes.get(id)
    const handle = this.#handles.get(number)
    if (!(node instanceof OriginNode) || handle.kind === 'past' || handle.fd < 0) {
      throw new FsError('ENOTTY', 'snapshots do not keep flags')
    }
    const isSetting = command === FileFlagsCommand.set || command === FileFlagsCommand.setExtended
    if (isSetting) this.#changes.add()
    this.#volume.flags.carryOut(node, handle.fd, command, value, caller)
  }

  destroy(): void {
    for (const handle of this.#handles.removeAll()) this.#close(handle)
    this.#nodes.clear()
  }

  /** A node by its id alone, known or forgotten. */
  #enterAgain(id: number, entry: Entry): void {
    const node = this.#nodes.find(id)
    if (node instanceof PastNode) this.#past.enter(node, entry)
    else if (node instanceof SnapshotsNode) this.#snapshots.enterDirectory(entry)
    else {
      const { objects, origin } = this.#volume
      if (node === undefined)
        this.#live.enterFromStat(objects.find(this.#nodes.objectOf(id)), entry)
      else {
        origin.statNode(node)
        this.#live.enterFromStat(node, entry)
      }
    }
  }

  #enterAbove(directory: ViewNode, entry: Entry): void {
    const { origin } = this.#volume
    const isLive = directory instanceof OriginNode && directory.type === FileType.directory
    const parent = directory instanceof SnapshotsNode ? origin.root : isLive && directory.parent
    // What is above a snapshot's directory depends on the way in, by which the kernel is to come again.
    if (parent === undefined || parent === false || parent === origin.retired) {
      throw new FsError('ESTALE', 'nothing is known above it')
    }
    origin.statNode(parent)
    this.#live.enterFromStat(parent, entry)
  }

  #close(handle: Handle): void {
    if (handle.kind === 'live') {
      this.#live.close(handle)
      return
    }
    const fd = handle.kind === 'past' ? handle.file.fd : handle.fd
    this.#log?.letGo(fd)
    if (handle.kind === 'past') handle.file.close()
    else if (fd >= 0) this.#volume.origin.native.close(fd)
  }

  #sourceOfLive(node: OriginNode): DirectorySource {
    const isRoot = node === this.#volume.origin.root
    return isRoot ? rootSource(this.#volume, this.#live, this.#snapshots) : this.#live.source(node)
  }

  /**
   * `@GMT-…` or `@latest` in a live directory: the same directory as that snapshot has it, by path. Below the
   * root a file of the user's that is really called so comes first.
   */
  #lookupSnapshot(directory: OriginNode, name: ByteString, caller: Caller, entry: Entry): void {
    const isRoot = directory === this.#volume.origin.root
    if (!isRoot && this.#volume.origin.statName(directory, name)) {
      this.#live.lookup(directory, name, entry)
      return
    }
    const record = this.#snapshots.named(name)
    if (record === undefined) throw new FsError('ENOENT', 'no such snapshot')
    const wayIn = isRoot && name !== latestName ? '' : `${directory.object}/${name}`
    this.#past.enterSnapshot(record, wayIn, pathOf(directory), caller, entry)
    // What is newest changes; and below another directory the path may come to lead elsewhere.
    if (!isRoot || name === latestName) entry.entryTtlMs = 0
  }

  #parentOfNew(parent: number, name: ByteString): OriginNode {
    const directory = this.#nodes.live(parent)
    const isReserved = directory === this.#volume.origin.root && this.#volume.hidden.has(name)
    if (isReserved || name.startsWith(snapshotPrefix)) {
      throw new FsError('EPERM', `${name} is a name of bygone's own`)
    }
    return directory
  }

  #parentOfOld(parent: number, name: ByteString): OriginNode {
    const node: ViewNode = this.#nodes.get(parent)
    if (node instanceof SnapshotsNode) {
      throw new FsError('EPERM', 'snapshots are deleted by rmdir, or the bygone command')
    }
    const directory = this.#nodes.live(parent)
    const { origin, hidden } = this.#volume
    const isRoot = directory === origin.root
    if (isRoot && name === bygoneDirectory) throw new FsError('ENOENT', 'hidden')
    const mayBeSnapshot = name.startsWith(snapshotPrefix) || name === latestName
    const isSnapshot = isRoot
      ? hidden.isTaken(name)
      : mayBeSnapshot && !origin.statName(directory, name)
    if (isSnapshot) throw new FsError('EROFS', 'snapshots are read-only')
    return directory
  }
}

/** mknod(2): without a type it is a regular file. */
function typeOf(mode: number): number {
  const type = mode & FileType.mask
  return type === 0 ? FileType.regular : type
}

/** The names from the root down to a live directory. */
function pathOf(directory: OriginNode): ByteString[] {
  const names: ByteString[] = []
  for (let at = directory; at.parent !== undefined; at = at.parent) names.push(at.name)
  return names.reverse()
}
