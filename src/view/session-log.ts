import { fstatSync } from 'node:fs'
import type { ByteString } from '../base/bytes.js'
import type { ObjectId } from '../base/ids.js'
import type { KeptDescriptors } from '../base/kept-descriptors.js'
import type { Native } from '../base/native.js'
import { SharedLog } from '../base/shared-log.js'
import type { NodeChanges } from '../volume/node-changes.js'
import type { OriginNode } from '../volume/origin-node.js'
import type { Handle } from './handle-table.js'
import type { Intent } from './intent.js'
import { intentOps } from './intent.js'
import { SessionCompaction } from './session-compaction.js'
import { firstMark, Kind } from './session-records.js'
import type { Replayed } from './session-replay.js'
import { SessionWriter } from './session-writer.js'
import type { SessionState } from './session-writer.js'
import type { ViewNode } from './view-node.js'

const pageBytes = 4096
/** Words of the page. */
const logFdWord = 0
const noText = '' as ByteString
/** Of a name in an intent, with its directory and what it leads to. */
const nameBytesMax = 8 + 8 + 2 + 255

/** What garbage there may be beside what is alive, as a part. */
const garbagePart = 0.25

export interface SessionLogOptions {
  /** Called once, when a request was answered. */
  onServed: () => void
  /** Less garbage than this is let be, in bytes. */
  garbageMin?: number
  /** How many nodes and handles are copied between two requests, when the log is made smaller: 0.1 to 1 ms. */
  stepNodes?: number
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
  readonly #garbageMin: number
  readonly #stepNodes: number
  readonly #onServed: () => void
  #log: SharedLog
  #attached: { state: SessionState; writer: SessionWriter } | undefined
  #compaction: SessionCompaction | undefined
  /** What the request has changed; a node may come twice. */
  readonly #touched: ViewNode[] = []
  readonly #counted: ViewNode[] = []
  readonly #asked = new Set<ByteString>()
  #lostCapabilities: ObjectId | undefined
  #agreement = ''
  #requests = 0
  #high = 0
  #low = 0
  #isMarked = false
  #committed = 0
  /** Requests may come again whose records the log must keep. */
  isSettled = true

  constructor(native: Native, pageFd: number, kept: KeptDescriptors, options: SessionLogOptions) {
    this.#native = native
    this.#onServed = options.onServed
    this.#garbageMin = options.garbageMin ?? 1 << 20
    this.#stepNodes = options.stepNodes ?? 500
    this.kept = kept
    const memory = native.mapShared(pageFd, pageBytes)
    if (typeof memory === 'number') throw new Error(`can't map the session's page: ${memory}`)
    this.#page = new Int32Array(memory)
    const fd = Atomics.load(this.#page, logFdWord)
    this.#log = fd > 0 ? SharedLog.open(native, fd, fstatSync(fd).size) : SharedLog.create(native)
    this.#committed = this.#log.end
    if (fd > 0) return
    kept.keep(this.#log.fd)
    Atomics.store(this.#page, logFdWord, this.#log.fd)
  }

  /** A predecessor's, to be replayed. Before anything is written. */
  get log(): SharedLog {
    return this.#log
  }

  get bytes(): number {
    return this.#log.end
  }

  get isCompacting(): boolean {
    return this.#compaction !== undefined
  }

  attach(state: SessionState): void {
    this.#attached = { state, writer: new SessionWriter(this.#log, this.kept, state, firstMark) }
    for (const node of state.permanent) node.logMark = Infinity
  }

  /** The constants, once, in a log that has none. */
  start(): void {
    this.#writer.constants()
    this.#commit()
  }

  /** What a replay has found in it: goes on from there. */
  adopt(replayed: Replayed, handles: Iterable<[number, Handle]>): void {
    this.#agreement = replayed.agreement
    this.#lostCapabilities = replayed.lostCapabilities
    for (const tag of replayed.asked) this.#asked.add(tag)
    this.#writer.adopt(replayed.trees)
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
    if (isSilent) return
    if (++this.#requests === 2) this.#onServed()
    if (this.#compaction !== undefined) this.#goOnCompacting(this.#compaction)
    else if (this.#isLarge && this.isSettled) this.#beginCompacting()
  }

  /** Before the answer is sent. */
  ends(): void {
    if (this.#touched.length > 0) {
      for (const node of this.#touched) {
        if (!this.#writer.isWorthWriting(node)) continue
        this.#mark()
        this.#writer.viewNode(node)
      }
      this.#touched.length = 0
    }
    if (this.#counted.length > 0) {
      for (const { id, lookups } of this.#counted) {
        // Else it was forgotten again.
        if (id === 0) continue
        this.#mark()
        this.#writer.count(id, lookups, 0)
      }
      this.#counted.length = 0
    }
    if (this.#log.end !== this.#committed) this.#commit()
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
    if (!this.#writer.isWorthWriting(node)) return
    this.#mark()
    this.#writer.node(node)
    this.#commit()
  }

  readonly letGo = (fd: number): void => {
    this.kept.drop(fd)
  }

  forgot(id: number, lookups: number): void {
    this.#writer.count(id, lookups, 1)
  }

  /** Lookups that the kernel never learned of. */
  tookBack(id: number, lookups: number): void {
    this.#mark()
    this.#writer.count(id, lookups, 0)
  }

  opened(number: number, handle: Handle): void {
    this.#mark()
    this.#writer.handle(number, handle)
    this.#awaitListing(number, handle)
  }

  closed(number: number): void {
    this.#mark()
    this.#writer.closed(number)
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
    this.#mark()
    this.#writer.tag(Kind.asked, tag)
  }

  answered(tag: ByteString): void {
    if (!this.#asked.delete(tag)) return
    this.#mark()
    this.#writer.tag(Kind.answered, tag)
  }

  lostCapabilities(object: ObjectId | undefined): void {
    this.#lostCapabilities = object
    this.#mark()
    this.#writer.lostCapabilities(object)
  }

  agreed(agreement: string): void {
    this.#agreement = agreement
    this.#mark()
    this.#writer.agreement(agreement)
  }

  #awaitListing(number: number, handle: Handle): void {
    if (handle.kind !== 'directory') return
    handle.stream.onListed = (listing) => {
      this.#mark()
      this.#writer.listing(number, listing)
    }
  }

  #commit(): void {
    this.#log.commit()
    this.#committed = this.#log.end
  }

  #mark(): void {
    if (this.#isMarked) return
    this.#isMarked = true
    const { records } = this.#writer
    records.begin(Kind.request, 0, 0, 0, 16)
    records.f64(this.#low)
    records.f64(this.#high)
    records.end()
    this.#writer.garbage += 24
  }

  #beginIntent(
    op: Intent['op'],
    names: number,
    object: number,
    flags: number,
    text: ByteString,
  ): void {
    this.#mark()
    const { records } = this.#writer
    const bytesMax = 16 + text.length + names * nameBytesMax
    records.begin(Kind.intent, intentOps.indexOf(op), names, 0, bytesMax)
    records.f64(object)
    records.u32(flags)
    records.string(text)
  }

  #addName(directory: number, name: ByteString, before: number): void {
    const { records } = this.#writer
    records.f64(directory)
    records.f64(before)
    records.string(name)
  }

  #endIntent(): void {
    const before = this.bytes
    this.#writer.records.end()
    this.#writer.garbage += this.bytes - before
    this.#commit()
  }

  get #isLarge(): boolean {
    const { garbage, alive } = this.#writer
    return garbage > this.#garbageMin + garbagePart * alive
  }

  /** Put off if there is no room for another log. */
  #beginCompacting(): void {
    const log = SharedLog.createBeside(this.#native)
    const writer = this.#writer
    if (log === undefined) {
      writer.garbage = 0
      return
    }
    if (this.#log.end !== this.#committed) this.#commit()
    // Even marks are of nodes that the log has, or the next one will have from this one; odd ones of nodes that were copied.
    const next = writer.threshold + 2
    writer.target = next
    const facts = {
      agreement: this.#agreement,
      asked: this.#asked,
      lostCapabilities: this.#lostCapabilities,
    }
    this.#compaction = new SessionCompaction(
      log,
      this.#log,
      this.kept,
      this.#state,
      facts,
      next + 1,
    )
  }

  #goOnCompacting(compaction: SessionCompaction): void {
    if (!compaction.step(this.#stepNodes)) return
    const alive = compaction.finish()
    this.#compaction = undefined
    this.#log = compaction.log
    this.#committed = this.#log.end
    this.#writer.goOnIn(this.#log, alive, this.#writer.target)
  }

  get #writer(): SessionWriter {
    if (this.#attached === undefined) throw new Error('the session has no state yet')
    return this.#attached.writer
  }

  get #state(): SessionState {
    if (this.#attached === undefined) throw new Error('the session has no state yet')
    return this.#attached.state
  }
}
