import { FsError } from '../base/errno.js'
import { OriginNode } from '../volume/origin-node.js'
import type { ViewNode } from './view-node.js'

/** The kernel's name for the root, known without a lookup. */
const rootId = 1

/** The nodes that the kernel knows, by id. An id is never used again. */
export class NodeTable {
  readonly #nodes = new Map<number, ViewNode>()
  #nextId = rootId + 1

  constructor(root: OriginNode) {
    root.id = rootId
    this.#nodes.set(rootId, root)
  }

  get size(): number {
    return this.#nodes.size
  }

  /** Counts a lookup, and gives the node an id if it has none. */
  remember(node: ViewNode): number {
    if (node.id === 0) {
      node.id = this.#nextId++
      this.#nodes.set(node.id, node)
    }
    node.lookups++
    return node.id
  }

  get(id: number): ViewNode {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new FsError('ESTALE', `node ${id} is not known`)
    return node
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
}
