import { fstatSync } from 'node:fs'
import type { ByteString } from '../base/bytes.js'
import type { ObjectId } from '../base/ids.js'
import type { KeptDescriptors } from '../base/kept-descriptors.js'
import type { Native } from '../base/native.js'
import { SharedLog } from '../base/shared-log.js'
import { OriginNode } from '../volume/origin-node.js'
import type { Place } from '../volume/places.js'
import type { NodeChanges } from '../volume/node-changes.js'
import { PastNode } from '../volume/past-node.js'
import type { Listing } from '../volume/listing.js'
import type { Handle } from './handle-table.js'
import type { Intent } from './intent.js'
import { intentOps } from './intent.js'
import { Kind, NodeFlag, RecordWriter } from './session-records.js'
import type { Replayed } from './session-replay.js'
import type { ViewNode } from './view-node.js'

const pageBytes = 4096
/** Words of the page. */
const logFdWord = 0
/** Any of its names leads to a file; when one of these is removed others take its place. */
const placesMax = 16
const noText = '' as ByteString
/** Of a name in an intent, with its directory and what it leads to. */
const nameBytesMax = 8 + 8 + 2 + 255

/** What garbage there may be beside what is alive: in bytes, and as a part. */
const garbageBytesMin = 1 << 20
const garbagePart = 0.25

/** What is written anew when the log is made smaller. */
export interface SessionState {
  readonly sessionGeneration: number
  readonly nextId: number
  readonly nextHandle: number
  nodes(): Iterable<ViewNode>
  handles(): Iterable<[number, Handle]>
  /** The root and the retired directory: every session has them. */
  readonly permanent: readonly OriginNode[]
  /** All that may be marked as logged. */
  originNodes(): Iterable<OriginNode>
  trees(): Iterable<{ key: string; label: number; number: number; nodes: Iterable<PastNode> }>
  treeOf(node: PastNode): { key: string; number: number; name: string }
}

/**
 * What the kernel knows of a mount, on record in memory that a successor of this process reads: nodes and how often
 * they were looked up, open files and directories, and the request that is being answered.
 *
 * All that a request changes is committed at once, before its answer goes out. So the log knows at least what the
 * kernel knows; that a request was not answered is told by its coming again.
 */
export class SessionLog implements NodeChanges {
  readonly kept: KeptDescriptors
  readonly #native: Native
  readonly #page: Int32Array
  #writer: RecordWriter
  #state: SessionState | undefined
  /** What the request has changed; a node may come twice. */
  readonly #touched: ViewNode[] = []
  readonly #counted: ViewNode[] = []
  #loggedTrees = new Set<number>()
  readonly #asked = new Set<ByteString>()
  #lostCapabilities: ObjectId | undefined
  #agreement = ''
  readonly #onServed: () => void
  #requests = 0
  #high = 0
  #low = 0
  #isMarked = false
  #committed = 0
  #aliveBytes = 0
  #garbageBytes = 0
  /** Requests may come again whose records the log must keep. */
  isSettled = true

  /** `onServed` is called once, when a request was answered. */
  constructor(native: Native, pageFd: number, kept: KeptDescriptors, onServed: () => void) {
    this.#native = native
    this.#onServed = onServed
    this.kept = kept
    const memory = native.mapShared(pageFd, pageBytes)
    if (typeof memory === 'number') throw new Error(`can't map the session's page: ${memory}`)
    this.#page = new Int32Array(memory)
    const fd = Atomics.load(this.#page, logFdWord)
    const log = fd > 0 ? SharedLog.open(native, fd, fstatSync(fd).size) : SharedLog.create(native)
    this.#writer = new RecordWriter(log)
    this.#committed = log.end
    if (fd > 0) return
    kept.keep(log.fd)
    Atomics.store(this.#page, logFdWord, log.fd)
  }

  /** A predecessor's, to be replayed. Before anything is written. */
  get log(): SharedLog {
    return this.#writer.log
  }

  get bytes(): number {
    return this.#writer.log.end
  }

  attach(state: SessionState): void {
    this.#state = state
    for (const node of state.permanent) node.isLogged = true
  }

  /** The constants, once, in a log that has none. */
  start(): void {
    this.#writeConstants()
    this.#commit()
  }

  /** What a replay has found in it: goes on from there. */
  adopt(replayed: Replayed, handles: Iterable<[number, Handle]>): void {
    this.#agreement = replayed.agreement
    this.#lostCapabilities = replayed.lostCapabilities
    for (const tag of replayed.asked) this.#asked.add(tag)
    this.#loggedTrees = new Set(replayed.trees)
    this.#aliveBytes = this.bytes
    this.isSettled = false
    // Until a request begins, what is written belongs to those that may come again.
    this.#isMarked = true
    for (const [number, handle] of handles) this.#awaitListing(number, handle)
  }

  /** A request begins; the one before is answered, if it is not a forget. `isSilent`: it gets no answer. */
  begins(high: number, low: number, isSilent: boolean): void {
    this.#high = high
    this.#low = low
    this.#isMarked = isSilent
    if (!isSilent && ++this.#requests === 2) this.#onServed()
    const isLarge = this.#garbageBytes > garbageBytesMin + garbagePart * this.#aliveBytes
    if (isLarge && this.isSettled && !isSilent) this.#compact()
  }

  /** Before the answer is sent. */
  ends(): void {
    if (this.#touched.length > 0) {
      for (const node of this.#touched) this.#writeTouched(node)
      this.#touched.length = 0
    }
    if (this.#counted.length > 0) {
      for (const { id, lookups } of this.#counted) {
        // Else it was forgotten again.
        if (id === 0) continue
        this.#mark()
        this.#writeCount(id, lookups, 0)
      }
      this.#counted.length = 0
    }
    if (this.#writer.log.end !== this.#committed) this.#commit()
  }

  readonly touch = (node: ViewNode): void => {
    this.#touched.push(node)
  }

  /** Of a node that has its id on record already: its lookups are others now. */
  counted(node: ViewNode): void {
    this.#counted.push(node)
  }

  /** At once: the node is about to lose its last name. */
  held(node: OriginNode): void {
    this.kept.keep(node.heldFd)
    if (!node.isLogged && node.id === 0) return
    this.#mark()
    this.#writeNode(node)
    this.#commit()
  }

  readonly letGo = (fd: number): void => {
    this.kept.drop(fd)
  }

  forgot(id: number, lookups: number): void {
    this.#writeCount(id, lookups, 1)
  }

  /** Lookups that the kernel never learned of. */
  tookBack(id: number, lookups: number): void {
    this.#mark()
    this.#writeCount(id, lookups, 0)
  }

  opened(number: number, handle: Handle): void {
    this.#mark()
    this.#writeHandle(number, handle)
    this.#awaitListing(number, handle)
  }

  closed(number: number): void {
    this.#mark()
    this.#writer.begin(Kind.closed, 0, 0, 0, 8)
    this.#writer.f64(number)
    this.#writer.end()
    this.#garbageBytes += 80
  }

  /** On record when it returns. */
  intends({ op, names, object, flags, text }: Intent): void {
    this.#beginIntent(op, names.length, object, flags, text)
    for (const { directory, name, before } of names) this.#addName(directory, name, before)
    this.#endIntent()
  }

  removes(node: OriginNode, parent: OriginNode, name: ByteString): void {
    this.#beginIntent('remove', 1, 0, 0, noText)
    this.#addName(parent.object, name, node.object)
    this.#endIntent()
  }

  /** Nothing has the name: else the kernel would not have asked for a link. */
  links(node: OriginNode, parent: OriginNode, name: ByteString): void {
    this.#beginIntent('link', 1, node.object, 0, noText)
    this.#addName(parent.object, name, 0)
    this.#endIntent()
  }

  moves(
    node: OriginNode,
    parent: OriginNode,
    name: ByteString,
    target: OriginNode | undefined,
    newParent: OriginNode,
    newName: ByteString,
    flags: number,
  ): void {
    this.#beginIntent('rename', 2, 0, flags, noText)
    this.#addName(parent.object, name, node.object)
    this.#addName(newParent.object, newName, target?.object ?? 0)
    this.#endIntent()
  }

  asked(tag: ByteString): void {
    this.#asked.add(tag)
    this.#writeTag(Kind.asked, tag)
  }

  answered(tag: ByteString): void {
    if (this.#asked.delete(tag)) this.#writeTag(Kind.answered, tag)
  }

  lostCapabilities(object: ObjectId | undefined): void {
    this.#lostCapabilities = object
    this.#mark()
    this.#writeLostCapabilities()
  }

  agreed(agreement: string): void {
    this.#agreement = agreement
    this.#mark()
    this.#writeAgreement()
  }

  #awaitListing(number: number, handle: Handle): void {
    if (handle.kind !== 'directory') return
    handle.stream.onListed = (listing) => {
      this.#mark()
      this.#writeListing(number, listing)
    }
  }

  #commit(): void {
    this.#writer.log.commit()
    this.#committed = this.#writer.log.end
  }

  #mark(): void {
    if (this.#isMarked) return
    this.#isMarked = true
    this.#writer.begin(Kind.request, 0, 0, 0, 16)
    this.#writer.f64(this.#low)
    this.#writer.f64(this.#high)
    this.#writer.end()
    this.#garbageBytes += 24
  }

  #writeTouched(node: ViewNode): void {
    if (node instanceof OriginNode) {
      if (node.id === 0 && !node.isLogged) return
      this.#mark()
      this.#writeNode(node)
    } else if (node.id !== 0) {
      this.#mark()
      if (node instanceof PastNode) this.#writePastNode(node)
      else this.#writeSnapshotsNode(node.id, node.lookups)
    }
  }

  #writeNode(node: OriginNode): void {
    if (this.#isPermanent(node)) return
    const missing: OriginNode[] = []
    let above = node.parent
    while (above !== undefined && !above.isLogged) {
      missing.push(above)
      above = above.parent
    }
    for (const each of missing.reverse()) this.#writeOneNode(each, [])
    const others = firstOf(node.otherPlaces)
    for (const { parent } of others) if (!parent.isLogged) this.#writeNode(parent)
    this.#writeOneNode(node, others)
  }

  #writeOneNode(node: OriginNode, others: readonly Place[]): void {
    const before = this.bytes
    if (node.isLogged) this.#garbageBytes += 48
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
    const writer = this.#writer
    writer.begin(Kind.node, flags, node.type >>> 12, places, 40 + places * 270)
    writer.f64(node.object)
    writer.u32(node.lookups)
    writer.u32(Math.max(node.generation, 0))
    if (node.heldFd >= 0) writer.u32(node.heldFd)
    if (hasCountedId) writer.f64(node.id)
    if (node.parent !== undefined) {
      writer.f64(node.parent.object)
      writer.string(node.name)
      for (const place of others) {
        writer.f64(place.parent.object)
        writer.string(place.name)
      }
    }
    writer.end()
    if (!node.isLogged) this.#aliveBytes += this.bytes - before
    node.isLogged = true
  }

  #writeCount(id: number, lookups: number, isForget: number): void {
    this.#writer.begin(Kind.count, isForget, 0, 0, 12)
    this.#writer.f64(id)
    this.#writer.u32(lookups)
    this.#writer.end()
    this.#garbageBytes += lookups === 0 ? 72 : 24
  }

  #writePastNode(node: PastNode): void {
    const missing: PastNode[] = [node]
    let above = node.parent
    while (above !== undefined && !above.isLogged) {
      missing.push(above)
      above = above.parent
    }
    const tree = this.#stateOrFail().treeOf(node)
    if (!this.#loggedTrees.has(tree.number)) {
      this.#writeTree(tree.number, node.tree.label, tree.key, tree.name)
    }
    for (const each of missing.reverse()) this.#writeOnePastNode(each, tree.number)
  }

  #writeTree(number: number, label: number, key: string, name: string): void {
    this.#loggedTrees.add(number)
    this.#writer.begin(Kind.pastTree, 0, 0, 0, 12 + key.length + name.length)
    this.#writer.u32(number)
    this.#writer.u32(label)
    this.#writer.string(key as ByteString)
    this.#writer.string(name as ByteString)
    this.#writer.end()
  }

  #writeOnePastNode(node: PastNode, tree: number): void {
    const before = this.bytes
    if (node.isLogged) this.#garbageBytes += 64
    const writer = this.#writer
    const { id, object, parent, name, type, lookups } = node
    writer.begin(Kind.pastNode, node.isForeign ? 1 : 0, type >>> 12, 0, 40 + name.length)
    writer.f64(id)
    writer.f64(object)
    writer.f64(parent?.object ?? -1)
    writer.u32(tree)
    writer.u32(lookups)
    writer.string(name)
    writer.end()
    if (!node.isLogged) this.#aliveBytes += this.bytes - before
    node.isLogged = true
  }

  #writeSnapshotsNode(id: number, lookups: number): void {
    this.#writer.begin(Kind.snapshotsNode, 0, 0, 0, 12)
    this.#writer.f64(id)
    this.#writer.u32(lookups)
    this.#writer.end()
    this.#garbageBytes += 24
  }

  #writeHandle(number: number, handle: Handle): void {
    const writer = this.#writer
    if (handle.kind === 'live') {
      if (!handle.node.isLogged) this.#writeNode(handle.node)
      const flags =
        (handle.isSynchronous ? 1 : 0) | (handle.isWriting ? 2 : 0) | (handle.isAppending ? 4 : 0)
      writer.begin(Kind.liveHandle, flags, 0, 0, 28)
      writer.f64(number)
      writer.f64(handle.node.object)
      writer.u32(handle.fd)
      writer.u32(handle.opener.uid)
      writer.u32(handle.opener.gid)
      this.kept.keep(handle.fd)
    } else if (handle.kind === 'past') {
      const { node } = handle.file
      if (!node.isLogged) this.#writePastNode(node)
      writer.begin(Kind.pastHandle, 0, 0, 0, 32)
      writer.f64(number)
      writer.u32(this.#stateOrFail().treeOf(node).number)
      writer.f64(node.object)
      writer.u32(handle.file.fd)
      writer.f64(handle.file.sizeBytes)
      this.kept.keep(handle.file.fd)
    } else {
      const { node } = handle
      if (node instanceof OriginNode && !node.isLogged) this.#writeNode(node)
      if (node instanceof PastNode && !node.isLogged) this.#writePastNode(node)
      const kind = node instanceof OriginNode ? 0 : node instanceof PastNode ? 1 : 2
      writer.begin(Kind.directoryHandle, 0, kind, 0, 28)
      writer.f64(number)
      writer.f64(kind === 2 ? 0 : (node as OriginNode | PastNode).object)
      writer.u32(node instanceof PastNode ? this.#stateOrFail().treeOf(node).number : 0)
      writer.u32(handle.fd >>> 0)
      this.kept.keep(handle.fd)
    }
    writer.end()
    this.#aliveBytes += 40
  }

  #writeListing(number: number, listing: Listing): void {
    const { bytes, isWhole } = listing
    this.#writer.begin(Kind.listing, isWhole ? 1 : 0, 0, 0, 16 + bytes.length)
    this.#writer.f64(number)
    this.#writer.bytes(bytes)
    this.#writer.end()
    // It is garbage soon.
    this.#garbageBytes += bytes.length
  }

  #beginIntent(
    op: Intent['op'],
    names: number,
    object: number,
    flags: number,
    text: ByteString,
  ): void {
    this.#mark()
    const writer = this.#writer
    writer.begin(
      Kind.intent,
      intentOps.indexOf(op),
      names,
      0,
      16 + text.length + names * nameBytesMax,
    )
    writer.f64(object)
    writer.u32(flags)
    writer.string(text)
  }

  #addName(directory: number, name: ByteString, before: number): void {
    this.#writer.f64(directory)
    this.#writer.f64(before)
    this.#writer.string(name)
  }

  #endIntent(): void {
    const before = this.bytes
    this.#writer.end()
    this.#garbageBytes += this.bytes - before
    this.#commit()
  }

  #writeTag(kind: number, tag: ByteString): void {
    this.#mark()
    this.#writer.begin(kind, 0, 0, 0, 2 + tag.length)
    this.#writer.string(tag)
    this.#writer.end()
  }

  #writeAgreement(): void {
    const bytes = Buffer.from(this.#agreement)
    this.#writer.begin(Kind.agreement, 0, 0, 0, 4 + bytes.length)
    this.#writer.bytes(bytes)
    this.#writer.end()
  }

  #writeLostCapabilities(): void {
    this.#writer.begin(Kind.lostCapabilities, 0, 0, 0, 8)
    this.#writer.f64(this.#lostCapabilities ?? 0)
    this.#writer.end()
  }

  #writeConstants(): void {
    const { sessionGeneration, nextId, nextHandle } = this.#stateOrFail()
    this.#writer.begin(Kind.constants, 0, 0, 0, 24)
    this.#writer.f64(sessionGeneration)
    this.#writer.f64(nextId)
    this.#writer.f64(nextHandle)
    this.#writer.end()
  }

  /** Writes what is alive into a new log, and puts that in the place of this one. Put off if there is no room for it. */
  #compact(): void {
    const former = this.#writer.log
    const log = SharedLog.createBeside(this.#native)
    if (log === undefined) {
      this.#garbageBytes = 0
      return
    }
    const state = this.#stateOrFail()
    for (const node of state.originNodes()) node.isLogged = false
    this.#loggedTrees.clear()
    for (const node of state.permanent) node.isLogged = true
    for (const { nodes } of state.trees()) for (const node of nodes) node.isLogged = false
    this.#writer = new RecordWriter(log)
    this.#aliveBytes = 0
    this.#writeConstants()
    this.#writeAgreement()
    const isMarked = this.#isMarked
    this.#isMarked = true
    for (const node of state.nodes()) this.#writeTouched(node)
    for (const [number, handle] of state.handles()) {
      this.#writeHandle(number, handle)
      if (handle.kind === 'directory' && handle.stream.listing !== undefined) {
        this.#writeListing(number, handle.stream.listing)
      }
    }
    for (const tag of this.#asked) this.#writeTag(Kind.asked, tag)
    if (this.#lostCapabilities !== undefined) this.#writeLostCapabilities()
    this.#isMarked = isMarked
    this.#commit()
    log.replace(former)
    this.#aliveBytes = this.bytes
    this.#garbageBytes = 0
  }

  #isPermanent(node: OriginNode): boolean {
    return this.#stateOrFail().permanent.includes(node)
  }

  #stateOrFail(): SessionState {
    if (this.#state === undefined) throw new Error('the session has no state yet')
    return this.#state
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
