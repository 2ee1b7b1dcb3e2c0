import type { ByteString } from '../base/bytes.js'
import type { GroupMember } from './group-members.js'

/**
 * A name below a group's mount, as the kernel knows it: a snapshot, a volume in it, or something in that. Nothing
 * below a volume in a snapshot ever changes, so that its path is what it is known by.
 */
export class GroupNode {
  id = 0
  lookups = 0
  /** Those that the kernel knows, or that lead to one it knows. */
  readonly children = new Map<ByteString, GroupNode>()

  /** Undefined: the root. */
  readonly parent: GroupNode | undefined
  readonly name: ByteString

  constructor(parent: GroupNode | undefined, name: ByteString) {
    this.parent = parent
    this.name = name
  }

  /** The names from the root down to this. */
  get path(): readonly ByteString[] {
    return this.parent === undefined ? [] : [...this.parent.path, this.name]
  }
}

/** What a path in the group's mount means. */
export type GroupPlace =
  | { kind: 'root' }
  | { kind: 'snapshot'; snapshot: ByteString }
  | { kind: 'inside'; snapshot: ByteString; member: GroupMember; path: readonly ByteString[] }
