import { FileType } from '../base/attributes.js'
import type { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError, fsErrorOf } from '../base/errno.js'
import type { Label, ObjectId } from '../base/ids.js'
import type { PreservedAttributes } from '../store/elements.js'
import type { VolumeStore } from '../store/volume-store.js'
import { lost } from './drift.js'
import type { Drift } from './drift.js'
import { ListingBuilder, type Listing } from './listing.js'
import type { Locator } from './locator.js'
import { isForeignObject } from './origin.js'
import type { Origin } from './origin.js'
import { listOrigin } from './origin-listing.js'
import type { OriginNode } from './origin-node.js'
import { pastInodeNumber, PastNode } from './past-node.js'
import type { HiddenNames } from './hidden-names.js'

/**
 * One snapshot as a tree: the origin's names, attributes and links, with the elements applied that the
 * snapshot sees. A directory without elements is listed at the origin's speed.
 *
 * Several trees may show one snapshot under several names (`@GMT-…`, `@latest`, …), each with nodes of its own, since
 * the kernel allows a directory one name only.
 */
export class PastTree {
  readonly label: Label
  readonly root: PastNode
  /** The snapshot is no more: what it needed may be gone, and nothing is answered. */
  isDeleted = false
  readonly #origin: Origin
  readonly #store: VolumeStore
  readonly #locator: Locator
  readonly #hidden: HiddenNames
  readonly #drift: Drift
  readonly #nodes = new Map<ObjectId, PastNode>()
  readonly #inode = { high: 0, low: 0 }

  constructor(
    label: Label,
    origin: Origin,
    store: VolumeStore,
    locator: Locator,
    hidden: HiddenNames,
    drift: Drift,
  ) {
    this.label = label
    this.#origin = origin
    this.#store = store
    this.#locator = locator
    this.#hidden = hidden
    this.#drift = drift
    const { object } = origin.root
    this.root = new PastNode(this, object, undefined, '' as ByteString, FileType.directory, false)
    this.#nodes.set(object, this.root)
  }

  get nodeCount(): number {
    return this.#nodes.size
  }

  nodes(): Iterable<PastNode> {
    return this.#nodes.values()
  }

  known(object: ObjectId): PastNode | undefined {
    return this.#nodes.get(object)
  }

  lookup(directory: PastNode, name: ByteString): PastNode | undefined {
    this.assertThere()
    if (directory.isForeign) return undefined
    if (directory === this.root && this.#hidden.has(name)) return undefined
    const element = this.#store.findName(directory.object, name, this.label)
    if (element?.object === 0) {
      // It may be absent only since the directory was changed unseen.
      if (this.#store.drift(directory.object) >= this.label) throw lost(directory.object)
      return undefined
    }
    if (element !== undefined) {
      return this.child(directory, name, element.object, element.type << 12)
    }
    const inOrigin = this.#originOf(directory)
    const isFound = this.#origin.statName(inOrigin, name)
    if (directory.hasDrifted && (!isFound || this.#drift.isBornUnseen(this.label))) {
      throw lost(directory.object)
    }
    if (!isFound) return undefined
    return this.child(directory, name, this.#origin.objectFromStat(), this.#origin.typeFromStat())
  }

  /** The node of a name that is known to lead to `object`. */
  child(
    parent: PastNode,
    name: ByteString,
    object: ObjectId,
    type: number,
    isForeign = isForeignObject(object),
  ): PastNode {
    let node = this.#nodes.get(object)
    if (node === undefined) {
      node = new PastNode(this, object, parent, name, type, isForeign)
      this.#nodes.set(object, node)
      parent.references++
    }
    return node
  }

  attributes(node: PastNode, to: Attributes): void {
    this.assertThere()
    const preserved = this.#store.findAttributes(node.object, this.label)
    if (preserved !== undefined) Object.assign(to, preserved.attributes)
    else {
      this.#withOrigin(node, (inOrigin) => {
        this.#origin.attributesFromStat(inOrigin, to)
      })
    }
    pastInodeNumber(this.label, node.object, this.#inode)
    to.inoHigh = this.#inode.high
    to.inoLow = this.#inode.low
  }

  list(directory: PastNode): Listing {
    this.assertThere()
    if (directory.isForeign) return new ListingBuilder().build()
    const elements = this.#store.listNames(directory.object, this.label)
    const inOrigin = this.#originOf(directory)
    const current = listOrigin(this.#origin, inOrigin)
    const isPlain = elements.size === 0 && directory !== this.root && !directory.hasDrifted
    if (isPlain) return current
    const builder = new ListingBuilder()
    for (let position = 0; position < current.end;) {
      position = current.read(position)
      const isHidden = directory === this.root && this.#hidden.has(current.name)
      if (isHidden || elements.has(current.name)) continue
      if (directory.hasDrifted && !this.#isOld(inOrigin, current.name)) continue
      builder.add(current.ino, current.type, current.name)
    }
    for (const [name, element] of elements) {
      const isHidden = directory === this.root && this.#hidden.has(name)
      if (element.object !== 0 && !isHidden) builder.add(element.object, element.type, name)
    }
    return builder.build(!directory.hasDrifted)
  }

  readlink(node: PastNode): ByteString {
    this.assertThere()
    return this.#withOrigin(node, (inOrigin) => {
      if (inOrigin.parent === undefined) throw new FsError('EINVAL', 'not a symlink')
      const parentFd = this.#origin.directories.of(inOrigin.parent)
      const target = this.#origin.native.readlinkAt(parentFd, inOrigin.name)
      if (typeof target === 'number') throw fsErrorOf(target, 'readlink')
      return target
    })
  }

  getXattr(node: PastNode, name: ByteString): Uint8Array {
    this.assertThere()
    if (node.isForeign) throw new FsError('ENODATA', 'nothing of another file system is shown')
    const preserved = this.#preservedXattrs(node)
    if (preserved !== undefined) {
      const found = preserved.find(([each]) => each === name)
      if (found === undefined) throw new FsError('ENODATA', 'no such xattr')
      return found[1]
    }
    return this.#withOrigin(node, (inOrigin) =>
      this.#origin.withPath(inOrigin, (fd) => {
        const value = this.#origin.native.getXattrPath(fd, name)
        if (typeof value === 'number') throw fsErrorOf(value, 'getxattr')
        return value
      }),
    )
  }

  listXattr(node: PastNode): Uint8Array {
    this.assertThere()
    if (node.isForeign) return new Uint8Array(0)
    const preserved = this.#preservedXattrs(node)
    if (preserved !== undefined) {
      return Buffer.from(preserved.map(([name]) => `${name}\0`).join(''), 'latin1')
    }
    return this.#withOrigin(node, (inOrigin) =>
      this.#origin.withPath(inOrigin, (fd) => {
        const list = this.#origin.native.listXattrPath(fd)
        if (typeof list === 'number') throw fsErrorOf(list, 'listxattr')
        return list
      }),
    )
  }

  /** The origin's node that a file of the snapshot still reads from. The caller takes a reference or releases it. */
  locate(node: PastNode): OriginNode {
    return this.#locator.find(node)
  }

  assertThere(): void {
    if (this.isDeleted) throw new FsError('ESTALE', 'the snapshot was deleted')
  }

  /** Nobody needs the node any more: forgets it, and those above that were kept only for it. */
  release(node: PastNode): void {
    let unneeded = node
    while (unneeded.lookups === 0 && unneeded.references === 0) {
      const { origin, parent } = unneeded
      unneeded.origin = undefined
      if (origin !== undefined) {
        origin.references--
        this.#origin.release(origin)
      }
      if (parent === undefined) return
      this.#nodes.delete(unneeded.object)
      parent.references--
      unneeded = parent
    }
  }

  #preservedXattrs(node: PastNode): PreservedAttributes['xattrs'] | undefined {
    return this.#store.findAttributes(node.object, this.label)?.xattrs
  }

  #withOrigin<T>(node: PastNode, use: (inOrigin: OriginNode) => T): T {
    const inOrigin = node.origin ?? this.#locator.find(node)
    try {
      if (node.origin !== undefined) this.#origin.statNode(inOrigin)
      // A directory that has drifted shows what it is today, so that what is below it can be reached.
      if (!node.isDirectory) this.#drift.assertSame(node.object, this.label)
      return use(inOrigin)
    } finally {
      this.#origin.release(inOrigin)
    }
  }

  #originOf(directory: PastNode): OriginNode {
    if (directory.origin === undefined) {
      const found = this.#locator.find(directory)
      directory.hasDrifted = this.#drift.hasDrifted(directory.object, this.label)
      found.references++
      directory.origin = found
    }
    return directory.origin
  }

  /** Whether the name may have been there at the snapshot. `stat` is not kept. */
  #isOld(directory: OriginNode, name: ByteString): boolean {
    return this.#origin.statName(directory, name) && !this.#drift.isBornUnseen(this.label)
  }
}
