import type { ByteString } from '../base/bytes.js'
import type { ObjectId } from '../base/ids.js'
import type { KeptDescriptors } from '../base/kept-descriptors.js'
import type { SharedLog } from '../base/shared-log.js'
import type { Handle } from './handle-table.js'
import { Kind } from './session-records.js'
import { SessionWriter } from './session-writer.js'
import type { SessionState } from './session-writer.js'
import type { ViewNode } from './view-node.js'

/** What is known beside the state. */
export interface SessionFacts {
  readonly agreement: string
  readonly asked: Iterable<ByteString>
  readonly lostCapabilities: ObjectId | undefined
}

/**
 * Writes what is alive into a new log, some of it between any two requests, while the log that counts goes on; what
 * that has got meanwhile is copied behind it. Each record says how something is, not how it changed: so the last one
 * counts, whatever the state was when the node was copied.
 */
export class SessionCompaction {
  readonly log: SharedLog
  readonly #writer: SessionWriter
  readonly #former: SharedLog
  readonly #tailStart: number
  readonly #nodes: Iterator<ViewNode>
  readonly #handles: Iterator<[number, Handle]>
  #areNodesDone = false

  /** `mark`: of the nodes that are copied. Nothing of `former` may be uncommitted. */
  constructor(
    log: SharedLog,
    former: SharedLog,
    kept: KeptDescriptors,
    state: SessionState,
    facts: SessionFacts,
    mark: number,
  ) {
    this.log = log
    this.#former = former
    this.#tailStart = former.end
    this.#writer = new SessionWriter(log, kept, state, mark)
    const writer = this.#writer
    writer.constants()
    writer.agreement(facts.agreement)
    for (const tag of facts.asked) writer.tag(Kind.asked, tag)
    if (facts.lostCapabilities !== undefined) writer.lostCapabilities(facts.lostCapabilities)
    for (const { number, label, key, name } of state.trees()) writer.tree(number, label, key, name)
    this.#nodes = state.nodes()[Symbol.iterator]()
    this.#handles = state.handles()[Symbol.iterator]()
  }

  /** Copies so many nodes and handles at most; whether that was the last of them. */
  step(count: number): boolean {
    for (let left = count; left > 0; left--) if (!this.#copyOne()) return true
    return false
  }

  /** Between two requests: the new log has all, and takes the place of the one before. Returns the bytes that are alive. */
  finish(): number {
    const { log } = this
    const alive = log.end
    this.#writer.tail(Kind.tailBegins)
    const tail = this.#former.bytes.subarray(this.#tailStart, this.#former.end)
    log.reserve(tail.length)
    log.bytes.set(tail, log.end)
    log.end += tail.length
    this.#writer.tail(Kind.tailEnds)
    log.commit()
    log.replace(this.#former)
    return alive
  }

  #copyOne(): boolean {
    if (!this.#areNodesDone) {
      const { value, done } = this.#nodes.next() as IteratorResult<ViewNode, undefined>
      if (done !== true) {
        this.#writer.viewNode(value)
        return true
      }
      this.#areNodesDone = true
    }
    const { value, done } = this.#handles.next() as IteratorResult<[number, Handle], undefined>
    if (done === true) return false
    const [number, handle] = value
    this.#writer.handle(number, handle)
    if (handle.kind === 'directory' && handle.stream.listing !== undefined) {
      this.#writer.listing(number, handle.stream.listing)
    }
    return true
  }
}
