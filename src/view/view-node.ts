import type { OriginNode } from '../volume/origin-node.js'
import type { PastNode } from '../volume/past-node.js'

/** The directory `.snapshots` of a mount: the snapshots under plain names and tags. */
export class SnapshotsNode {
  id = 0
  lookups = 0
}

/** Whatever a node id of a mount may stand for. */
export type ViewNode = OriginNode | PastNode | SnapshotsNode
