import type { Label } from '../base/ids.js'

/**
 * The lasting identity of a visible version. Its label changes when a write relocates it (only a
 * version that is written can be relocated: a read-only snapshot keeps its label, equal to its
 * tag, for life). These are not the words that people tag snapshots with: those are the catalog's.
 */
export type Tag = number & { readonly __brand: 'Tag' }

export const originLabel = 0 as Label
export const originTag = 0 as Tag

/** A node of the version tree, as everybody but the tree sees it. */
export interface Version {
  readonly label: Label
  /** What it inherits from, one step nearer to the origin. Only the origin has none. */
  readonly parent: Version | undefined
  readonly children: ReadonlySet<Version>
  /** Undefined: a ghost, which nobody can read, kept for what its descendants inherit through it. */
  readonly tag: Tag | undefined
}
