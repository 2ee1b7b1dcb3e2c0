import type { ByteString } from '../base/bytes.js'
import type { ObjectId } from '../base/ids.js'
import type { OriginNode } from './origin-node.js'

/** Learns what becomes of the origin's nodes, for who keeps a record of them. */
export interface NodeChanges {
  /** Its names, or what else tells where it is, have changed. */
  touch(node: OriginNode): void
  /** It holds a descriptor from now on, and is about to lose its last name. */
  held(node: OriginNode): void
  /** The name leads to the node, and is about to be taken away. On record when it returns, as with the two that follow. */
  removes(node: OriginNode, parent: OriginNode, name: ByteString): void
  links(node: OriginNode, parent: OriginNode, name: ByteString): void
  /** `target`: what the new name leads to; `flags`: as of renameat2(2). */
  moves(
    node: OriginNode,
    parent: OriginNode,
    name: ByteString,
    target: OriginNode | undefined,
    newParent: OriginNode,
    newName: ByteString,
    flags: number,
  ): void
  /** Its file capabilities are removed by a call of their own, as the kernel does before a write; undefined: of none any more. */
  lostCapabilities(object: ObjectId | undefined): void
  /** The descriptor of a node or an open file is about to be closed. */
  letGo(fd: number): void
}
