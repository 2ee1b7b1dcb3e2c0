import type { ByteString } from '../base/bytes.js'
import type { ObjectId } from '../base/ids.js'
import type { KeptDescriptors } from '../base/kept-descriptors.js'
import type { SharedLog } from '../base/shared-log.js'
import type { Listing } from '../volume/listing.js'
import { OriginNode } from '../volume/origin-node.js'
import { PastNode } from '../volume/past-node.js'
import type { Place } from '../volume/places.js'
import type { Handle } from './handle-table.js'
import { Kind, NodeFlag, RecordWriter } from './session-records.js'
import type { ViewNode } from './view-node.js'

/** Any of its names leads to a file; when one of these is removed others take its place. */
const placesMax = 16

/** What there is to be on record, whole. */
export interface SessionState {
  readonly sessionGeneration: number
  readonly nextId: number
  readonly nextHandle: number
  nodes(): Iterable<ViewNode>
  handles(): Iterable<[number, Handle]>
  /** The root and the retired directory: every session has them. */
  readonly permanent: readonly OriginNode[]
  trees(): Iterable<{ key: string; label: number; number: number; name: string }>
  treeOf(node: PastNode): { key: string; number: number; name: string } | undefined
}

/**
 * Writes nodes, handles and trees into one log; whatever another record needs to be understood goes before it. Which
 * nodes the log has is told by their marks: those from `threshold` on.
 */
export class SessionWriter {
  readonly records: RecordWriter
  threshold: number
  /** Nodes that are written get this mark at least. */
  target: number
  /** Estimates, in bytes. */
  alive = 0
  garbage = 0
  #trees = new Set<number>()
  readonly #kept: KeptDescriptors
  readonly #state: SessionState

  constructor(log: SharedLog, kept: KeptDescriptors, state: SessionState, mark: number) {
    this.records = new RecordWriter(log)
    this.#kept = kept
    this.#state = state
    this.threshold = mark
    this.target = mark
  }

  get bytes(): number {
    return this.records.log.end
  }

  has(node: OriginNode | PastNode): boolean {
    return node.logMark >= this.threshold
  }

  /** Of a log that was read. */
  adopt(trees: Iterable<number>): void {
    this.#trees = new Set(trees)
    this.alive = this.bytes
  }

  /** The log that another one has written is this one's now. */
  goOnIn(log: SharedLog, alive: number, mark: number): void {
    this.records.log = log
    this.alive = alive
    this.garbage = 0
    this.threshold = mark
    this.target = mark
  }

  constants(): void {
    const { sessionGeneration, nextId, nextHandle } = this.#state
    this.records.begin(Kind.constants, 0, 0, 0, 24)
    this.records.f64(sessionGeneration)
    this.records.f64(nextId)
    this.records.f64(nextHandle)
    this.records.end()
  }

  /** Whatever kind of node it is; nothing for one that nobody could ask for. */
  viewNode(node: ViewNode): void {
    if (node instanceof OriginNode) {
      if (node.id !== 0 || this.has(node)) this.node(node)
    } else if (node.id === 0) return
    else if (node instanceof PastNode) this.pastNode(node)
    else this.snapshotsNode(node.id, node.lookups)
  }

  isWorthWriting(node: ViewNode): boolean {
    return node.id !== 0 || (node instanceof OriginNode && this.has(node))
  }

  node(node: OriginNode): void {
    if (this.#state.permanent.includes(node)) return
    const missing: OriginNode[] = []
    let above = node.parent
    while (above !== undefined && !this.has(above)) {
      missing.push(above)
      above = above.parent
    }
    for (const each of missing.reverse()) this.#oneNode(each, [])
    const others = firstOf(node.otherPlaces)
    for (const { parent } of others) if (!this.has(parent)) this.node(parent)
    this.#oneNode(node, others)
  }

  #oneNode(node: OriginNode, others: readonly Place[]): void {
    const before = this.bytes
    const isNew = !this.has(node)
    const hasCountedId = node.id !== 0 && node.id !== node.object + 1
    let flags = 0
    if (node.isForeign) flags |= NodeFlag.isForeign
    if (node.isByNumber) flags |= NodeFlag.isByNumber
    if (node.hasRetiredLink) flags |= NodeFlag.hasRetiredLink
    if (node.heldFd >= 0) flags |= NodeFlag.isHeld
    if (node.id !== 0) flags |= NodeFlag.hasId
    if (hasCountedId) flags |= NodeFlag.hasCountedId
    if (node.generation >= 0) flags |= NodeFlag.hasGeneration
    const places = node.parent === undefined ? 0 : 1 + others.length
    const { records } = this
    records.begin(Kind.node, flags, node.type >>> 12, places, 40 + places * 270)
    records.f64(node.object)
    records.u32(node.lookups)
    records.u32(Math.max(node.generation, 0))
    if (node.heldFd >= 0) records.u32(node.heldFd)
    if (hasCountedId) records.f64(node.id)
    if (node.parent !== undefined) {
      records.f64(node.parent.object)
      records.string(node.name)
      for (const place of others) {
        records.f64(place.parent.object)
        records.string(place.name)
      }
    }
    records.end()
    if (isNew) this.alive += this.bytes - before
    else this.garbage += 48
    node.logMark = Math.max(node.logMark, this.target)
  }

  count(id: number, lookups: number, isForget: number): void {
    this.records.begin(Kind.count, isForget, 0, 0, 12)
    this.records.f64(id)
    this.records.u32(lookups)
    this.records.end()
    this.garbage += lookups === 0 ? 72 : 24
  }

  pastNode(node: PastNode): void {
    const missing: PastNode[] = [node]
    let above = node.parent
    while (above !== undefined && !this.has(above)) {
      missing.push(above)
      above = above.parent
    }
    const tree = this.#state.treeOf(node)
    if (tree === undefined) throw new Error('a node of a tree that has no way in')
    const { number, key, name } = tree
    this.tree(number, node.tree.label, key, name)
    for (const each of missing.reverse()) this.#onePastNode(each, number)
  }

  tree(number: number, label: number, key: string, name: string): void {
    if (this.#trees.has(number)) return
    this.#trees.add(number)
    this.records.begin(Kind.pastTree, 0, 0, 0, 12 + key.length + name.length)
    this.records.u32(number)
    this.records.u32(label)
    this.records.string(key as ByteString)
    this.records.string(name as ByteString)
    this.records.end()
  }

  #onePastNode(node: PastNode, tree: number): void {
    const before = this.bytes
    const isNew = !this.has(node)
    const { records } = this
    const { id, object, parent, name, type, lookups } = node
    records.begin(Kind.pastNode, node.isForeign ? 1 : 0, type >>> 12, 0, 40 + name.length)
    records.f64(id)
    records.f64(object)
    records.f64(parent?.object ?? -1)
    records.u32(tree)
    records.u32(lookups)
    records.string(name)
    records.end()
    if (isNew) this.alive += this.bytes - before
    else this.garbage += 64
    node.logMark = Math.max(node.logMark, this.target)
  }

  snapshotsNode(id: number, lookups: number): void {
    this.records.begin(Kind.snapshotsNode, 0, 0, 0, 12)
    this.records.f64(id)
    this.records.u32(lookups)
    this.records.end()
    this.garbage += 24
  }

  handle(number: number, handle: Handle): void {
    const { records } = this
    const of = handle.kind === 'past' ? handle.file.node : handle.node
    const tree = of instanceof PastNode ? this.#state.treeOf(of) : undefined
    // The kernel has forgotten the node: it is about to close the handle, and asks it for nothing.
    if (of instanceof PastNode && tree === undefined) return
    if (handle.kind === 'live') {
      if (!this.has(handle.node)) this.node(handle.node)
      const flags =
        (handle.isSynchronous ? 1 : 0) | (handle.isWriting ? 2 : 0) | (handle.isAppending ? 4 : 0)
      records.begin(Kind.liveHandle, flags, 0, 0, 28)
      records.f64(number)
      records.f64(handle.node.object)
      records.u32(handle.fd)
      records.u32(handle.opener.uid)
      records.u32(handle.opener.gid)
      this.#kept.keep(handle.fd)
    } else if (handle.kind === 'past') {
      const { node } = handle.file
      if (!this.has(node)) this.pastNode(node)
      records.begin(Kind.pastHandle, 0, 0, 0, 32)
      records.f64(number)
      records.u32(tree?.number ?? 0)
      records.f64(node.object)
      records.u32(handle.file.fd)
      records.f64(handle.file.sizeBytes)
      this.#kept.keep(handle.file.fd)
    } else {
      const { node } = handle
      if (node instanceof OriginNode && !this.has(node)) this.node(node)
      if (node instanceof PastNode && !this.has(node)) this.pastNode(node)
      const kind = node instanceof OriginNode ? 0 : node instanceof PastNode ? 1 : 2
      records.begin(Kind.directoryHandle, 0, kind, 0, 28)
      records.f64(number)
      records.f64(kind === 2 ? 0 : (node as OriginNode | PastNode).object)
      records.u32(tree?.number ?? 0)
      records.u32(handle.fd >>> 0)
      this.#kept.keep(handle.fd)
    }
    records.end()
    this.alive += 40
  }

  listing(number: number, listing: Listing): void {
    const { bytes, isWhole } = listing
    this.records.begin(Kind.listing, isWhole ? 1 : 0, 0, 0, 16 + bytes.length)
    this.records.f64(number)
    this.records.bytes(bytes)
    this.records.end()
    // It is garbage soon.
    this.garbage += bytes.length
  }

  closed(number: number): void {
    this.records.begin(Kind.closed, 0, 0, 0, 8)
    this.records.f64(number)
    this.records.end()
    this.garbage += 80
  }

  tag(kind: number, tag: ByteString): void {
    this.records.begin(kind, 0, 0, 0, 2 + tag.length)
    this.records.string(tag)
    this.records.end()
  }

  agreement(agreement: string): void {
    const bytes = Buffer.from(agreement)
    this.records.begin(Kind.agreement, 0, 0, 0, 4 + bytes.length)
    this.records.bytes(bytes)
    this.records.end()
  }

  lostCapabilities(object: ObjectId | undefined): void {
    this.records.begin(Kind.lostCapabilities, 0, 0, 0, 8)
    this.records.f64(object ?? 0)
    this.records.end()
  }

  /** Where records of another log follow, which rely on what that one had and this one may not have. */
  tail(kind: number): void {
    this.records.begin(kind, 0, 0, 0, 0)
    this.records.end()
  }
}

function firstOf(places: Iterable<Place> | undefined): Place[] {
  const first: Place[] = []
  for (const place of places ?? []) {
    if (first.length === placesMax) break
    first.push(place)
  }
  return first
}
