import { randomInt } from 'node:crypto'
import { FsError } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import { OriginNode } from '../volume/origin-node.js'
import type { SessionLog } from './session-log.js'
import type { ViewNode } from './view-node.js'

/** The kernel's name for the root, known without a lookup. */
const rootId = 1
/** From here on ids are counted. Below, they are made of inode numbers of the origin. */
const countedBase = 2 ** 51

/**
 * The nodes that the kernel knows, by id.
 *
 * The id of a live file is made of its inode number, so that it can be found by that when the kernel has forgotten
 * it, in a later session too; its generation tells it from other files that have the number at other times. All
 * else has an id that is used once in a session, with the session's generation.
 */
export class NodeTable {
  /** Of the ids that are counted: chosen at random, so that an id of an earlier session is not taken for one of ours. */
  sessionGeneration = randomInt(2 ** 32)
  readonly #nodes = new Map<number, ViewNode>()
  readonly #log: SessionLog | undefined
  /** The id that will be counted next. */
  #nextId = countedBase

  constructor(root: OriginNode, log: SessionLog | undefined) {
    this.#log = log
    root.id = rootId
    this.#nodes.set(rootId, root)
  }

  get size(): number {
    return this.#nodes.size
  }

  /** The id that will be counted next. */
  get nextId(): number {
    return this.#nextId
  }

  /** Ids below this were given out by a predecessor. */
  resumeIds(nextId: number): void {
    this.#nextId = Math.max(this.#nextId, nextId)
  }

  /** A node of a predecessor's session; id 0: the kernel does not know it. */
  restore(node: ViewNode, id: number, lookups: number): void {
    if (node.id !== 0 && this.#nodes.get(node.id) === node) this.#nodes.delete(node.id)
    node.id = id
    node.lookups = lookups
    if (id !== 0) this.#nodes.set(id, node)
    this.resumeIds(id + 1)
  }

  all(): Iterable<ViewNode> {
    return this.#nodes.values()
  }

  /** Counts a lookup, and gives the node an id if it has none. */
  remember(node: ViewNode): number {
    if (node.id === 0) {
      node.id = this.#idFor(node)
      this.#nodes.set(node.id, node)
      this.#log?.touch(node)
    } else if (node.id !== rootId) this.#log?.counted(node)
    node.lookups++
    return node.id
  }

  get(id: number): ViewNode {
    const node = this.find(id)
    if (node === undefined) throw new FsError('ESTALE', `node ${id} is not known`)
    return node
  }

  find(id: number): ViewNode | undefined {
    return this.#nodes.get(id)
  }

  /** The object that such an id stands for, whether it is known or not. ESTALE for an id that was counted. */
  objectOf(id: number): ObjectId {
    if (id > rootId && id < countedBase) return (id - 1) as ObjectId
    throw new FsError('ESTALE', `node ${id} is of another session, or forgotten`)
  }

  /** The node, for a call that changes it: only the live tree can be changed. */
  live(id: number): OriginNode {
    const node = this.get(id)
    if (node instanceof OriginNode) return node
    throw new FsError('EROFS', 'snapshots are read-only')
  }

  /** Takes lookups back; returns the node if none is left, to be released by whom it belongs to. */
  forget(id: number, lookups: number): ViewNode | undefined {
    const node = this.#nodes.get(id)
    if (node === undefined || id === rootId) return undefined
    this.#log?.forgot(id, Math.max(node.lookups - lookups, 0))
    return this.#lessen(node, id, lookups)
  }

  /** The same for lookups that the kernel has never learned of. */
  takeBack(node: ViewNode, lookups: number): ViewNode | undefined {
    const { id } = node
    if (id === 0 || id === rootId) return undefined
    this.#log?.tookBack(id, Math.max(node.lookups - lookups, 0))
    return this.#lessen(node, id, lookups)
  }

  #lessen(node: ViewNode, id: number, lookups: number): ViewNode | undefined {
    node.lookups -= lookups
    if (node.lookups > 0) return undefined
    node.lookups = 0
    node.id = 0
    this.#nodes.delete(id)
    return node
  }

  clear(): void {
    this.#nodes.clear()
  }

  #idFor(node: ViewNode): number {
    const id = node instanceof OriginNode ? node.object + 1 : countedBase
    // Taken: the inode became a file of another type behind the mount, and the kernel still knows the old one.
    if (id > rootId && id < countedBase && !this.#nodes.has(id)) return id
    return this.#nextId++
  }
}
