import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import type { SharedLog } from '../base/shared-log.js'
import { Listing } from '../volume/listing.js'
import type { OriginNode } from '../volume/origin-node.js'
import type { PastTree } from '../volume/past-tree.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import { DirectoryStream } from './directory-stream.js'
import type { DirectorySource } from './directory-stream.js'
import type { Handle, HandleTable } from './handle-table.js'
import type { Intent } from './intent.js'
import { intentOps } from './intent.js'
import type { LiveView } from './live-view.js'
import type { NodeTable } from './node-table.js'
import type { PastView } from './past-view.js'
import { firstMark, Kind, NodeFlag, RecordReader } from './session-records.js'
import type { SnapshotsView } from './snapshots-view.js'
import type { ViewNode } from './view-node.js'

/** What a request has changed of which it is not known whether it was answered. */
export interface OpenRequest {
  /** How many lookups of these nodes it has counted. */
  readonly lookups: Map<ViewNode, number>
  /** Opened by it. */
  readonly handles: Set<number>
  intent: Intent | undefined
}

export interface Replayed {
  /** By requestKey. */
  readonly open: Map<string, OpenRequest>
  /** Descriptors that belong to a handle or a node. */
  readonly descriptors: Set<number>
  readonly agreement: string
  readonly asked: Set<ByteString>
  readonly trees: Set<number>
  /** Snapshots that the kernel may know, and that are no more. */
  readonly gone: Set<ByteString>
  readonly lostCapabilities: ObjectId | undefined
}

export interface ReplayParts {
  readonly volume: TreeVolume
  readonly nodes: NodeTable
  readonly handles: HandleTable
  readonly live: LiveView
  readonly past: PastView
  readonly snapshots: SnapshotsView
  readonly sourceOfLive: (node: OriginNode) => DirectorySource
  /** Whether the predecessor has left that descriptor, see KeptDescriptors. */
  readonly isKept: (fd: number) => boolean
}

const resentBit = 0x80000000

/** One name for a request, whether it comes for the first time or again. */
export function requestKey(high: number, low: number): string {
  return `${high & ~resentBit}:${low}`
}

export function isResent(high: number): boolean {
  return (high & resentBit) !== 0
}

/** An open file or directory on record; made only when all is read, since most are closed by then. */
type HandleRecord =
  | { kind: 'live'; object: number; fd: number; flags: number; uid: number; gid: number }
  | { kind: 'past'; tree: number; object: number; fd: number; sizeBytes: number }
  | { kind: 'directory'; of: number; tree: number; object: number; fd: number; listing?: Listing }

/** Brings the tables of a view to where a predecessor's log says that its were. */
export class SessionReplay {
  readonly #parts: ReplayParts
  readonly #reader: RecordReader
  readonly #open = new Map<string, OpenRequest>()
  readonly #handles = new Map<number, HandleRecord>()
  readonly #trees = new Map<number, PastTree>()
  readonly #loggedTrees = new Set<number>()
  readonly #asked = new Set<ByteString>()
  readonly #descriptors = new Set<number>()
  readonly #gone = new Set<ByteString>()
  #lostCapabilities: ObjectId | undefined
  #current: OpenRequest | undefined
  #agreement = ''
  /** What is read was written for another log, see SessionCompaction. */
  #isTail = false

  constructor(log: SharedLog, parts: ReplayParts) {
    this.#parts = parts
    this.#reader = new RecordReader(log)
  }

  run(): Replayed {
    while (this.#reader.next()) this.#apply()
    const { origin } = this.#parts.volume
    for (const node of origin.nodes()) origin.recheckRetired(node)
    this.#restoreHandles()
    this.#dropUnneeded()
    for (const node of origin.nodes()) {
      if (node.heldFd >= 0) this.#descriptors.add(node.heldFd)
    }
    return {
      open: this.#open,
      descriptors: this.#descriptors,
      agreement: this.#agreement,
      asked: this.#asked,
      trees: this.#loggedTrees,
      gone: this.#gone,
      lostCapabilities: this.#lostCapabilities,
    }
  }

  #apply(): void {
    const reader = this.#reader
    switch (reader.kind) {
      case Kind.request:
        this.#request()
        break
      case Kind.node:
        this.#node()
        break
      case Kind.count:
        this.#count()
        break
      case Kind.pastTree:
        this.#tree()
        break
      case Kind.pastNode:
        this.#pastNode()
        break
      case Kind.snapshotsNode:
        this.#set(this.#parts.snapshots.directory, reader.f64(), reader.u32())
        break
      case Kind.liveHandle:
      case Kind.pastHandle:
      case Kind.directoryHandle:
        this.#handle()
        break
      case Kind.listing: {
        const handle = this.#handles.get(reader.f64())
        const listing = new Listing(reader.bytes(), reader.flags === 1)
        if (handle?.kind === 'directory') handle.listing = listing
        break
      }
      case Kind.closed: {
        const number = reader.f64()
        this.#handles.delete(number)
        this.#parts.handles.resume(number + 1)
        for (const { handles } of this.#open.values()) handles.delete(number)
        break
      }
      case Kind.intent:
        this.#intent()
        break
      case Kind.constants:
        this.#parts.nodes.sessionGeneration = reader.f64()
        this.#parts.nodes.resumeIds(reader.f64())
        this.#parts.handles.resume(reader.f64())
        break
      case Kind.agreement:
        this.#agreement = reader.bytes().toString()
        break
      case Kind.asked:
        this.#asked.add(reader.string())
        break
      case Kind.answered:
        this.#asked.delete(reader.string())
        break
      case Kind.lostCapabilities: {
        const object = reader.f64() as ObjectId
        this.#lostCapabilities = object === 0 ? undefined : object
        break
      }
      case Kind.tailBegins:
        this.#isTail = true
        break
      case Kind.tailEnds:
        this.#isTail = false
        break
      default:
        throw new Error(`a session record of kind ${reader.kind}`)
    }
  }

  #request(): void {
    const low = this.#reader.f64()
    const high = this.#reader.f64()
    // A new one is received only when all before it are answered, but for those that came again.
    if (!isResent(high)) this.#open.clear()
    const key = requestKey(high, low)
    this.#current = this.#open.get(key)
    if (this.#current !== undefined) return
    this.#current = { lookups: new Map(), handles: new Set(), intent: undefined }
    this.#open.set(key, this.#current)
  }

  #node(): void {
    const reader = this.#reader
    const { flags, first: type, second: places } = reader
    const { origin } = this.#parts.volume
    const object = reader.f64() as ObjectId
    const lookups = reader.u32()
    const generation = reader.u32()
    const node = origin.restored(object, type << 12, (flags & NodeFlag.isForeign) !== 0)
    node.generation = (flags & NodeFlag.hasGeneration) !== 0 ? generation : -1
    node.isByNumber = (flags & NodeFlag.isByNumber) !== 0
    node.hasRetiredLink = (flags & NodeFlag.hasRetiredLink) !== 0
    node.heldFd = (flags & NodeFlag.isHeld) !== 0 ? reader.u32() : -1
    const hasId = (flags & NodeFlag.hasId) !== 0
    const hasCountedId = (flags & NodeFlag.hasCountedId) !== 0
    const id = hasCountedId ? reader.f64() : hasId ? object + 1 : 0
    while (node.parent !== undefined) node.removePlace(node.parent, node.name)
    for (let i = 0; i < places; i++) {
      const parent = origin.known(reader.f64() as ObjectId)
      const name = reader.string()
      if (parent !== undefined) node.addPlace(parent, name)
      else if (!this.#isTail) throw new Error(`object ${object} is in an unknown directory`)
    }
    node.logMark = firstMark
    this.#set(node, id, lookups)
  }

  #count(): void {
    const reader = this.#reader
    const id = reader.f64()
    const lookups = reader.u32()
    const node = this.#parts.nodes.find(id)
    if (node === undefined) return
    if (reader.flags === 0) {
      this.#set(node, lookups === 0 ? 0 : id, lookups)
      return
    }
    this.#parts.nodes.restore(node, lookups === 0 ? 0 : id, lookups)
  }

  #set(node: ViewNode, id: number, lookups: number): void {
    const counted = this.#current?.lookups
    counted?.set(node, (counted.get(node) ?? 0) + lookups - node.lookups)
    this.#parts.nodes.restore(node, id, lookups)
  }

  #tree(): void {
    const number = this.#reader.u32()
    const label = this.#reader.u32()
    const tree = this.#parts.past.restoreTree(this.#reader.string(), label, number)
    const name = this.#reader.string()
    this.#loggedTrees.add(number)
    if (tree !== undefined) this.#trees.set(number, tree)
    else this.#gone.add(name)
  }

  #pastNode(): void {
    const reader = this.#reader
    const id = reader.f64()
    const object = reader.f64() as ObjectId
    const above = reader.f64()
    const tree = this.#trees.get(reader.u32())
    const lookups = reader.u32()
    const name = reader.string()
    // Also one of a snapshot that is gone: the kernel may know it still.
    this.#parts.nodes.resumeIds(id + 1)
    if (tree === undefined) return
    let node = tree.root
    if (above >= 0) {
      const parent = tree.known(above as ObjectId)
      if (parent === undefined && this.#isTail) return
      if (parent === undefined) throw new Error(`object ${object} of a snapshot has no parent`)
      node = tree.child(parent, name, object, reader.first << 12, reader.flags === 1)
    }
    node.logMark = firstMark
    this.#set(node, id, lookups)
  }

  #handle(): void {
    const reader = this.#reader
    const number = reader.f64()
    this.#current?.handles.add(number)
    this.#parts.handles.resume(number + 1)
    if (reader.kind === Kind.liveHandle) {
      const object = reader.f64()
      const [fd, uid, gid] = [reader.u32(), reader.u32(), reader.u32()]
      this.#handles.set(number, { kind: 'live', object, fd, flags: reader.flags, uid, gid })
    } else if (reader.kind === Kind.pastHandle) {
      const tree = reader.u32()
      const object = reader.f64()
      const fd = reader.u32()
      this.#handles.set(number, { kind: 'past', tree, object, fd, sizeBytes: reader.f64() })
    } else {
      const object = reader.f64()
      const tree = reader.u32()
      const fd = reader.u32() | 0
      this.#handles.set(number, { kind: 'directory', of: reader.first, tree, object, fd })
    }
  }

  #intent(): void {
    const reader = this.#reader
    const op = intentOps[reader.flags]
    if (op === undefined || this.#current === undefined) throw new Error('an unknown intent')
    const object = reader.f64()
    const flags = reader.u32()
    const text = reader.string()
    const names: Intent['names'][number][] = []
    for (let i = 0; i < reader.first; i++) {
      const directory = reader.f64() as ObjectId
      const before = reader.f64()
      names.push({ directory, before, name: reader.string() })
    }
    this.#current.intent = { op, names, object, flags, text }
  }

  #restoreHandles(): void {
    for (const [number, record] of this.#handles) {
      try {
        this.#parts.handles.restore(number, this.#handleOf(record))
        if (record.fd >= 0) this.#descriptors.add(record.fd)
      } catch (error) {
        // A file of a snapshot that is deleted, or can't be found just now, or was about to be closed: never other bytes.
        if (!(error instanceof FsError)) throw error
        this.#parts.handles.lose(number)
      }
    }
  }

  #handleOf(record: HandleRecord): Handle {
    const { volume, live, past, snapshots, sourceOfLive } = this.#parts
    if (record.kind === 'live') {
      const { fd, flags, uid, gid } = record
      const node = this.#liveNode(record.object)
      this.#assertLeadsTo(fd, node.object)
      const [isSynchronous, isWriting, isAppending] = [1, 2, 4].map((bit) => (flags & bit) !== 0)
      const opener = { uid, gid }
      return live.handleOf({
        node,
        fd,
        isSynchronous: isSynchronous === true,
        isWriting: isWriting === true,
        isAppending: isAppending === true,
        opener,
      })
    }
    if (record.kind === 'past') {
      const node = this.#trees.get(record.tree)?.known(record.object as ObjectId)
      if (node === undefined) throw new FsError('ESTALE', 'the snapshot is gone')
      this.#assertLeadsTo(record.fd, node.object)
      return { kind: 'past', file: volume.openPast(node, record.sizeBytes, record.fd) }
    }
    const { fd, listing } = record
    let node: ViewNode = snapshots.directory
    let stream: DirectoryStream
    if (record.of === 0) {
      const found = this.#liveNode(record.object)
      node = found
      if (fd >= 0) this.#assertLeadsTo(fd, found.object)
      stream = new DirectoryStream(sourceOfLive(found))
    } else if (record.of === 1) {
      const found = this.#trees.get(record.tree)?.known(record.object as ObjectId)
      if (found === undefined) throw new FsError('ESTALE', 'the snapshot is gone')
      node = found
      stream = past.restoreDirectory(found)
    } else stream = snapshots.newStream()
    if (listing !== undefined) stream.restore(listing)
    return { kind: 'directory', node, stream, fd }
  }

  /**
   * The predecessor may have died when a descriptor was closed and that not yet on record; then another thread of it, or
   * this process, may have been given the number.
   */
  #leadsTo(fd: number, object: ObjectId): boolean {
    return this.#parts.isKept(fd) && this.#parts.volume.origin.isOpenAs(object, fd)
  }

  #assertLeadsTo(fd: number, object: ObjectId): void {
    if (!this.#leadsTo(fd, object)) throw new FsError('ESTALE', `object ${object} was just closed`)
  }

  #liveNode(object: number): OriginNode {
    const node = this.#parts.volume.origin.known(object as ObjectId)
    if (node === undefined) throw new Error(`object ${object} is open, but not known`)
    return node
  }

  /** Forgets what was on record for others' sake alone, whom nobody needs any more. */
  #dropUnneeded(): void {
    const { volume, handles, past } = this.#parts
    const { origin } = volume
    const inUse = new Set<ViewNode>()
    for (const handle of handles.all()) {
      inUse.add(handle.kind === 'past' ? handle.file.node : handle.node)
    }
    for (const node of origin.nodes()) {
      if (node === origin.root || node === origin.retired || node.heldFd < 0) continue
      // What it held may be closed long since, and the number another's.
      const isUnneeded = node.lookups === 0 && !inUse.has(node)
      if (isUnneeded || !this.#leadsTo(node.heldFd, node.object)) node.heldFd = -1
    }
    for (const node of [...origin.nodes()]) origin.release(node)
    for (const tree of this.#trees.values()) {
      for (const node of [...tree.nodes()].reverse()) {
        const isUnneeded = node.lookups === 0 && node.references === 0 && !inUse.has(node)
        if (isUnneeded && tree.known(node.object) === node) past.release(node)
      }
    }
  }
}
