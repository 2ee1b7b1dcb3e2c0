import { randomInt } from 'node:crypto'
import { directoryTypeOf, FileType, StatField, statFieldCount } from '../base/attributes.js'
import type { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf, isFullResult } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { DirectoryDescriptors } from './directory-descriptors.js'
import type { NodeChanges } from './node-changes.js'
import { OriginNode } from './origin-node.js'

const self = '' as ByteString

/** -ESTALE: of a number that nothing has, or that can't be asked for here. */
const staleResult = -116

/** Numbers from here on stand for what another file system shows, so that they meet none of ours. */
const foreignObjectBase = 2 ** 52

/** Whether the object stands for something of another file system, of which nothing is shown or kept. */
export function isForeignObject(object: ObjectId): boolean {
  return object >= foreignObjectBase
}

/**
 * The origin's tree as bygone reaches it: from one descriptor, taken before anything was mounted over it.
 *
 * Owns the nodes (one for each inode in use) and the descriptors that lead to them. Changes nothing in the origin.
 */
export class Origin {
  readonly native: Native
  readonly root: OriginNode
  /** ORIGIN/.bygone/retired: keeps what snapshots need and the live tree has removed. */
  readonly retired: OriginNode
  readonly directories: DirectoryDescriptors
  /** What the last `stat…` call found. One buffer, for no request may allocate; read it at once. */
  readonly stat = new Float64Array(statFieldCount)

  /** Set by who keeps a record for a successor. */
  changes: NodeChanges | undefined

  readonly #device: number
  readonly #nodes = new Map<ObjectId, OriginNode>()
  /** A descriptor of each file that a program has open. */
  readonly #openFds = new Map<OriginNode, number>()
  /** Opening by number needs a descriptor that is not O_PATH; -1 until it is needed. */
  #readableRootFd = -1
  #nextGeneration = randomInt(2 ** 32)

  /** Takes over both descriptors (O_PATH). */
  constructor(native: Native, rootFd: number, retiredFd: number, descriptorsMax: number) {
    this.native = native
    this.directories = new DirectoryDescriptors(native, descriptorsMax)
    this.root = this.#heldDirectory(rootFd, 'origin')
    this.#device = this.#field(StatField.dev)
    this.retired = this.#heldDirectory(retiredFd, 'retired directory')
    if (this.#field(StatField.dev) !== this.#device) {
      throw new FsError('EXDEV', 'the retired directory is not on the file system of the origin')
    }
    this.#nodes.set(this.root.object, this.root)
    this.#nodes.set(this.retired.object, this.retired)
  }

  get nodeCount(): number {
    return this.#nodes.size
  }

  known(object: ObjectId): OriginNode | undefined {
    return this.#nodes.get(object)
  }

  /** Fills `stat` for a name; false if there is no such name. */
  statName(directory: OriginNode, name: ByteString): boolean {
    if (directory.isForeign) return false
    const result = this.native.statAt(this.directories.of(directory), name, this.stat)
    if (result >= 0) return true
    const error = fsErrorOf(result, 'stat')
    if (error.code === 'ENOENT') return false
    throw error
  }

  /** Fills `stat` for a node. ESTALE if it is not where it was: the origin was changed behind the mount. */
  statNode(node: OriginNode): void {
    if (node.heldFd >= 0) {
      checked(this.native.statAt(node.heldFd, self, this.stat), 'stat')
      return
    }
    if (node.parent !== undefined && this.#isAt(node, node.parent, node.name)) return
    for (const place of node.otherPlaces ?? []) {
      if (this.#isAt(node, place.parent, place.name)) return
    }
    if (node.isByNumber) {
      this.withPath(node, (fd) => checked(this.native.statAt(fd, self, this.stat), 'stat'))
      return
    }
    throw new FsError('ESTALE', `object ${node.object} is not where it was`)
  }

  /** The node for what `statName` has just found at (parent, name); made if it was not known. */
  nodeFromStat(parent: OriginNode, name: ByteString): OriginNode {
    const object = this.objectFromStat()
    const type = this.typeFromStat()
    const isNew = !this.#nodes.has(object)
    const node = this.#nodeFor(object, type, this.isForeignFromStat())
    if (node.addPlace(parent, name)) this.changes?.touch(node)
    const mayHaveRetiredLink = type !== FileType.directory && this.linksFromStat() > 1
    if (isNew && mayHaveRetiredLink) this.#noteRetiredLink(node)
    return node
  }

  objectFromStat(): ObjectId {
    const ino = this.#field(StatField.ino)
    if (!Number.isSafeInteger(ino) || ino >= foreignObjectBase) {
      throw new FsError('EOVERFLOW', `inode number ${ino} is larger than bygone can keep`)
    }
    return (this.isForeignFromStat() ? foreignObjectBase + ino : ino) as ObjectId
  }

  /** Another file system, or another part of this one, is mounted on it. */
  isForeignFromStat(): boolean {
    return this.#field(StatField.dev) !== this.#device || this.#field(StatField.isMountRoot) === 1
  }

  /** The origin's root has no foreign number, though it may be the root of a mount. */
  isRootFromStat(): boolean {
    return (
      this.#field(StatField.dev) === this.#device && this.#field(StatField.ino) === this.root.object
    )
  }

  typeFromStat(): number {
    return this.#field(StatField.mode) & FileType.mask
  }

  directoryTypeFromStat(): number {
    return directoryTypeOf(this.#field(StatField.mode))
  }

  linksFromStat(): number {
    return this.#field(StatField.nlink)
  }

  /** Without the link in the retired directory. */
  liveLinksFromStat(node: OriginNode): number {
    if (!node.hasRetiredLink) return this.linksFromStat()
    return node.type === FileType.directory ? 0 : this.linksFromStat() - 1
  }

  sizeFromStat(): number {
    return this.#field(StatField.size)
  }

  /** Copies `stat` for the node it belongs to; the link in the retired directory is not counted. */
  attributesFromStat(node: OriginNode, to: Attributes): void {
    const stat = this.stat
    to.inoHigh = Math.floor(node.object / 2 ** 32)
    to.inoLow = node.object >>> 0
    to.mode = stat[StatField.mode] ?? 0
    to.nlink = this.liveLinksFromStat(node)
    to.uid = stat[StatField.uid] ?? 0
    to.gid = stat[StatField.gid] ?? 0
    to.rdev = stat[StatField.rdev] ?? 0
    to.sizeBytes = stat[StatField.size] ?? 0
    to.blocks = stat[StatField.blocks] ?? 0
    to.blockBytes = stat[StatField.blockBytes] ?? 0
    to.atimeSec = stat[StatField.atimeSec] ?? 0
    to.atimeNsec = stat[StatField.atimeNsec] ?? 0
    to.mtimeSec = stat[StatField.mtimeSec] ?? 0
    to.mtimeNsec = stat[StatField.mtimeNsec] ?? 0
    to.ctimeSec = stat[StatField.ctimeSec] ?? 0
    to.ctimeNsec = stat[StatField.ctimeNsec] ?? 0
    to.btimeSec = stat[StatField.btimeSec] ?? Number.NaN
    to.btimeNsec = stat[StatField.btimeNsec] ?? 0
  }

  /** Opens a node; the caller closes. `flags` without O_CREAT. */
  open(node: OriginNode, flags: number): number {
    if (node.isForeign) throw new FsError('EXDEV', 'another file system is mounted here')
    return checked(
      this.#retrying(() => this.#tryOpen(node, flags)),
      'open',
    )
  }

  /** Calls `use` with an O_PATH descriptor of the node. */
  withPath<T>(node: OriginNode, use: (fd: number) => T): T {
    if (node.heldFd >= 0) return use(node.heldFd)
    if (node.type === FileType.directory && !node.isForeign) return use(this.directories.of(node))
    const fd = this.open(node, O.PATH)
    try {
      return use(fd)
    } finally {
      this.native.close(fd)
    }
  }

  /** Opens an object by nothing but its number: it may be retired, or not be in the tree at all. The caller closes. */
  openNumber(object: ObjectId, flags: number): number {
    return checked(
      this.#retrying(() => this.#tryOpenNumber(object, flags)),
      'open by number',
    )
  }

  /**
   * Tells this use of the node's inode number from every other, also after a remount. Where the file system has
   * nothing of the kind, the answer is one that never comes again.
   */
  generation(node: OriginNode): number {
    if (node === this.root) return 0
    if (node.generation < 0) {
      const known = node.isForeign ? -1 : this.#askGeneration(node)
      node.generation = known >= 0 ? known : this.#nextGeneration++ % 2 ** 32
    }
    return node.generation
  }

  /** The name that an object's link in the retired directory has. */
  retiredName(object: ObjectId): ByteString {
    return object.toString(16) as ByteString
  }

  /** Whether a descriptor leads to the object: false also for one that is closed, or of another kind. */
  isOpenAs(object: ObjectId, fd: number): boolean {
    if (this.native.statAt(fd, self, this.stat) < 0) return false
    return this.#field(StatField.dev) === this.#device && this.#field(StatField.ino) === object
  }

  /** A program has opened the node as `fd`. Whoever says so closes it by closeOpened. */
  noteOpened(node: OriginNode, fd: number): void {
    this.#openFds.set(node, fd)
  }

  closeOpened(node: OriginNode, fd: number): void {
    if (this.#openFds.get(node) === fd) this.#openFds.delete(node)
    // The node has come to hold it.
    if (node.heldFd === fd) return
    this.changes?.letGo(fd)
    this.native.close(fd)
  }

  /**
   * The node is about to lose its last name: it is held by a descriptor from now on. That of a program's
   * open file will do, so that no more are needed than programs have files open.
   */
  hold(node: OriginNode): void {
    node.heldFd = this.#openFds.get(node) ?? this.open(node, O.PATH)
    this.changes?.held(node)
  }

  /** The node has a link in the retired directory: that is one of its places, the last to be used. */
  noteRetired(node: OriginNode): void {
    node.hasRetiredLink = true
    node.addPlace(this.retired, this.retiredName(node.object))
    this.changes?.touch(node)
  }

  /** Of a node that a predecessor knew: it may have removed the link there, and not come to note that. */
  recheckRetired(node: OriginNode): void {
    if (!node.hasRetiredLink || this.hasRetired(node.object)) return
    node.hasRetiredLink = false
    node.removePlace(this.retired, this.retiredName(node.object))
  }

  hasRetired(object: ObjectId): boolean {
    const found = this.statName(this.retired, this.retiredName(object))
    return found && this.#field(StatField.ino) === object
  }

  /** Nobody needs the node any more: forgets it, and its parents if they were kept only for it. */
  release(node: OriginNode): void {
    let unneeded: OriginNode | undefined = node
    while (unneeded !== undefined && this.#isUnneeded(unneeded)) {
      const gone: OriginNode = unneeded
      const parent = gone.parent
      if (this.#nodes.get(gone.object) === gone) this.#nodes.delete(gone.object)
      this.directories.drop(gone)
      if (gone.heldFd >= 0) {
        this.changes?.letGo(gone.heldFd)
        this.native.close(gone.heldFd)
      }
      gone.heldFd = -1
      const others = gone.otherPlaces ?? []
      gone.otherPlaces = undefined
      if (parent !== undefined) gone.removePlace(parent, gone.name)
      for (const place of others) {
        place.parent.references--
        if (place.parent !== parent) this.release(place.parent)
      }
      unneeded = parent
    }
  }

  /** The node for what `stat` was just filled with, found by its number; it has no place. */
  nodeByNumber(object: ObjectId): OriginNode {
    const node = this.#nodeFor(object, this.typeFromStat(), false)
    node.isByNumber = true
    return node
  }

  /** A node for a file that has no name (yet): it is held by a descriptor of its own, taken over here. */
  addHeld(fd: number): OriginNode {
    try {
      checked(this.native.statAt(fd, self, this.stat), 'stat')
      const node = this.#nodeFor(this.objectFromStat(), this.typeFromStat(), false)
      node.heldFd = fd
      this.changes?.held(node)
      return node
    } catch (error) {
      this.native.close(fd)
      throw error
    }
  }

  /** Every node there is. */
  nodes(): Iterable<OriginNode> {
    return this.#nodes.values()
  }

  /** The node of a session that a predecessor of this process served; its places are added by who calls. */
  restored(object: ObjectId, type: number, isForeign: boolean): OriginNode {
    return this.#nodeFor(object, type, isForeign)
  }

  close(): void {
    this.directories.close()
    for (const node of this.#nodes.values()) {
      if (node.heldFd >= 0) {
        this.changes?.letGo(node.heldFd)
        this.native.close(node.heldFd)
      }
      node.heldFd = -1
    }
    this.#nodes.clear()
    if (this.#readableRootFd >= 0) this.native.close(this.#readableRootFd)
    this.#readableRootFd = -1
  }

  /** Where no descriptor is left, the directories give theirs back. */
  #retrying(open: () => number): number {
    let result = open()
    while (isFullResult(result) && this.directories.closeOldest()) result = open()
    return result
  }

  #tryOpenNumber(object: ObjectId, flags: number): number {
    if (this.#readableRootFd < 0) {
      const opened = this.native.reopen(this.root.heldFd, O.RDONLY | O.DIRECTORY)
      if (opened < 0) return opened
      this.#readableRootFd = opened
    }
    const result = this.native.openByInode(this.#readableRootFd, object, flags)
    return result >= 0 || isFullResult(result) ? result : staleResult
  }

  #tryOpen(node: OriginNode, flags: number): number {
    if (node.heldFd >= 0) return this.native.reopen(node.heldFd, flags)
    if (node.parent === undefined && node.isByNumber) {
      return this.#tryOpenNumber(node.object, flags)
    }
    if (node.parent === undefined) throw new FsError('ESTALE', `object ${node.object} has no name`)
    const parentFd = this.directories.of(node.parent)
    return this.native.openAt(parentFd, node.name, flags | O.NOFOLLOW, 0)
  }

  #askGeneration(node: OriginNode): number {
    if (node.heldFd >= 0) return this.native.generationAt(node.heldFd, self)
    if (node.parent === undefined) {
      return this.withPath(node, (fd) => this.native.generationAt(fd, self))
    }
    return this.native.generationAt(this.directories.of(node.parent), node.name)
  }

  #isUnneeded(node: OriginNode): boolean {
    const isPermanent = node === this.root || node === this.retired
    return !isPermanent && node.lookups === 0 && node.references === 0
  }

  #nodeFor(object: ObjectId, type: number, isForeign: boolean): OriginNode {
    let node = this.#nodes.get(object)
    if (node?.type !== type) {
      // A known inode that changed its type was freed and used again behind our back. Whoever still
      // holds the old node finds out by ESTALE.
      node = new OriginNode(object, type, isForeign)
      this.#nodes.set(object, node)
    }
    return node
  }

  #heldDirectory(fd: number, what: string): OriginNode {
    checked(this.native.statAt(fd, self, this.stat), what)
    const node = new OriginNode(this.#field(StatField.ino) as ObjectId, FileType.directory, false)
    node.heldFd = fd
    return node
  }

  #isAt(node: OriginNode, parent: OriginNode, name: ByteString): boolean {
    return this.statName(parent, name) && this.objectFromStat() === node.object
  }

  #noteRetiredLink(node: OriginNode): void {
    const saved = this.stat.slice()
    if (this.hasRetired(node.object)) this.noteRetired(node)
    this.stat.set(saved)
  }

  #field(index: number): number {
    return this.stat[index] ?? 0
  }
}
