import { Attributes, FileType, isRegular } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError, isErrno } from '../base/errno.js'
import type { Label, ObjectId } from '../base/ids.js'
import { O } from '../base/open-flags.js'
import type { AttributesReply, Caller, Entry, OpenReply } from '../fuse/file-system.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import { pastInodeNumber } from '../volume/past-node.js'
import type { InodeNumber, PastNode } from '../volume/past-node.js'
import type { PastTree } from '../volume/past-tree.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import { DirectoryStream } from './directory-stream.js'
import type { DirectorySource } from './directory-stream.js'
import type { HandleTable } from './handle-table.js'
import type { NodeTable } from './node-table.js'
import { ttlForeverMs } from './options.js'
import { maySearch } from './search-permission.js'

/**
 * The snapshots of a mount. All of it may be remembered for ever.
 *
 * A directory can stand under one name only in the kernel; so each way in (`@GMT-…`, `@latest`, `.snapshots/…`,
 * `sub/@GMT-…`) has a tree of nodes of its own, kept while the kernel knows any of them.
 */
export class PastView {
  readonly #volume: TreeVolume
  readonly #nodes: NodeTable
  readonly #handles: HandleTable
  readonly #trees = new Map<string, PastTree>()
  readonly #keys = new Map<PastTree, { key: string; number: number; name: string }>()
  #nextTree = 1
  readonly #attributes = new Attributes()

  constructor(volume: TreeVolume, nodes: NodeTable, handles: HandleTable) {
    this.#volume = volume
    this.#nodes = nodes
    this.#handles = handles
  }

  get treeCount(): number {
    return this.#trees.size
  }

  /** Tells a tree from every other of the session; undefined: the kernel knows none of its nodes any more. */
  treeOf(tree: PastTree): { key: string; number: number; name: string } | undefined {
    return this.#keys.get(tree)
  }

  *trees(): Iterable<{ key: string; label: number; number: number; name: string }> {
    for (const [tree, { key, number, name }] of this.#keys) {
      yield { key, number, name, label: tree.label }
    }
  }

  /** The tree of a predecessor's session; undefined if there is no such snapshot any more. */
  restoreTree(key: string, label: number, number: number): PastTree | undefined {
    this.#nextTree = Math.max(this.#nextTree, number + 1)
    const known = this.#trees.get(key)
    if (known !== undefined) {
      this.#keys.set(known, { key, number, name: this.treeOf(known)?.name ?? '' })
      return known
    }
    const record = this.#volume.snapshots.find((each) => each.label === label)
    return record && this.#add(key, record, number)
  }

  restoreDirectory(node: PastNode): DirectoryStream {
    return new DirectoryStream(this.#source(node))
  }

  /**
   * Fills entry for the directory that a path leads to in a snapshot, and counts a lookup. `wayIn` tells
   * the ways apart by which the kernel comes there. EACCES where the caller could not have come by that path then.
   */
  enterSnapshot(
    record: SnapshotRecord,
    wayIn: string,
    path: readonly ByteString[],
    caller: Caller,
    entry: Entry,
  ): void {
    const tree = this.#tree(record, wayIn)
    let node = tree.root
    try {
      for (const step of path) {
        this.#assertSearchable(node, caller)
        const next = tree.lookup(node, step)
        if (next === undefined) throw new FsError('ENOENT', 'the snapshot has no such directory')
        node = next
      }
      this.enter(node, entry)
    } catch (error) {
      this.release(node)
      throw error
    }
  }

  /** Fills entry and counts a lookup. */
  enter(node: PastNode, entry: Entry): void {
    this.attributes(node, entry)
    entry.node = this.#nodes.remember(node)
    entry.generation = this.#nodes.sessionGeneration
    entry.entryTtlMs = ttlForeverMs
  }

  lookup(parent: PastNode, name: ByteString, entry: Entry): void {
    const node = parent.tree.lookup(parent, name)
    if (node === undefined) {
      entry.node = 0
      entry.entryTtlMs = ttlForeverMs
      return
    }
    this.#enterOrRelease(node, entry)
  }

  attributes(node: PastNode, reply: AttributesReply): void {
    node.tree.attributes(node, reply.attributes)
    reply.attributesTtlMs = ttlForeverMs
  }

  open(node: PastNode, flags: number, reply: OpenReply): void {
    if ((flags & O.ACCMODE) !== O.RDONLY || (flags & O.TRUNC) !== 0) {
      throw new FsError('EROFS', 'snapshots are read-only')
    }
    node.tree.attributes(node, this.#attributes)
    if (!isRegular(this.#attributes.mode)) throw new FsError('ENXIO', 'not a regular file')
    this.#volume.assertRoomToOpen()
    const file = this.#volume.openPast(node, this.#attributes.sizeBytes)
    reply.handle = this.#handles.add({ kind: 'past', file })
    reply.keepCache = true
  }

  openDirectory(node: PastNode, reply: OpenReply): void {
    if (node.type !== FileType.directory) throw new FsError('ENOTDIR', 'not a directory')
    const stream = new DirectoryStream(this.#source(node))
    reply.handle = this.#handles.add({ kind: 'directory', node, stream, fd: -1 })
    reply.cacheDirectory = true
    reply.keepCache = true
  }

  /** The kernel has forgotten the node. */
  release(node: PastNode): void {
    const { tree } = node
    tree.release(node)
    if (tree.nodeCount > 1 || tree.root.lookups > 0) return
    tree.release(tree.root)
    this.#trees.delete(this.#keys.get(tree)?.key ?? '')
    this.#keys.delete(tree)
  }

  /** These snapshots are no more. Who is still in one of them is told so (ESTALE) from now on. */
  remove(labels: ReadonlySet<Label>): void {
    for (const tree of this.#trees.values()) if (labels.has(tree.label)) tree.isDeleted = true
    for (const handle of this.#handles.all()) {
      if (handle.kind === 'past' && handle.file.tree.isDeleted) handle.file.dropPlans()
    }
  }

  #assertSearchable(directory: PastNode, caller: Caller): void {
    const { tree } = directory
    tree.attributes(directory, this.#attributes)
    if (!maySearch(this.#attributes, aclOf(directory), caller)) {
      throw new FsError('EACCES', 'the caller may not search a directory above it')
    }
  }

  /** The tree of a snapshot under one way in. */
  #tree(record: SnapshotRecord, wayIn: string): PastTree {
    const key = `${wayIn}:${record.label}`
    return this.#trees.get(key) ?? this.#add(key, record, this.#nextTree)
  }

  #add(key: string, record: SnapshotRecord, number: number): PastTree {
    const tree = this.#volume.past(record)
    this.#trees.set(key, tree)
    this.#keys.set(tree, { key, number, name: record.name })
    this.#nextTree = Math.max(this.#nextTree, number + 1)
    return tree
  }

  /** Fills entry and counts a lookup. */
  #enterOrRelease(node: PastNode, entry: Entry): void {
    try {
      this.enter(node, entry)
    } catch (error) {
      node.tree.release(node)
      throw error
    }
  }

  #source(directory: PastNode): DirectorySource {
    const { tree } = directory
    return {
      list: () => tree.list(directory),
      inodeNumber: (ino, to) => {
        pastInodeNumber(tree.label, ino, to)
      },
      self: numberOf(tree.label, directory),
      above: numberOf(tree.label, directory.parent ?? directory),
      enter: (name, ino, type, entry) => {
        if (type === 0) {
          this.lookup(directory, name, entry)
          return
        }
        const node = tree.child(directory, name, ino as ObjectId, type << 12)
        try {
          this.#enterOrRelease(node, entry)
        } catch (error) {
          // A mount point (its number is another), or damage: the kernel asks for it by name and is told.
          if (!isErrno(error, 'EIO')) throw error
          entry.node = 0
        }
      },
    }
  }
}

function numberOf(label: Label, node: PastNode): InodeNumber {
  const number = { high: 0, low: 0 }
  pastInodeNumber(label, node.object, number)
  return number
}

function aclOf(directory: PastNode): Uint8Array | undefined {
  try {
    return directory.tree.getXattr(directory, 'system.posix_acl_access' as ByteString)
  } catch (error) {
    if (isErrno(error, 'ENODATA', 'EOPNOTSUPP')) return undefined
    throw error
  }
}
