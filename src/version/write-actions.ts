import type { Label } from '../base/ids.js'
import { hasHeir, heirs, labelSeen, type ElementLabels } from './element-list.js'
import type { VersionTree } from './version-tree.js'
import { originLabel, type Tag } from './version.js'

// What a write must do to the elements of one address, as data: the store does it. A decision holds
// until the address or the tree changes; nothing here changes either.

/** Copy the origin's value to a new place and add it as the element of `label`. */
export interface Preserve {
  readonly kind: 'preserve'
  readonly label: Label
}

export type SnapshotWrite =
  /** Call `tree.relocate(tag)`, store the tree, ask again. */
  | { readonly kind: 'relocate'; readonly tag: Tag }
  /** Nobody else sees the element of `label`: change its value where it is. */
  | { readonly kind: 'overwrite'; readonly label: Label }
  /** Give the element of `from`, which nobody else sees any more, the label `to`; then as above. */
  | { readonly kind: 'relabel'; readonly from: Label; readonly to: Label }
  /**
   * Add an element `label` with a new place. Of the old value, what is not overwritten comes from
   * the element `inherited` (undefined: from the origin).
   */
  | { readonly kind: 'allocate'; readonly label: Label; readonly inherited: Label | undefined }

export type RollbackStep =
  | Preserve
  /** Copy the value of the element `label` over the origin's. */
  | { readonly kind: 'restore'; readonly label: Label }
  /** Remove the element and give back its place: all who see it find the same in the origin. */
  | { readonly kind: 'free'; readonly label: Label }

/** Before the origin changes. Undefined: nobody would miss the old value. */
export function originWriteAction(
  tree: VersionTree,
  elements: ElementLabels,
): Preserve | undefined {
  if (!hasHeir(tree, elements, originLabel)) return undefined
  // The root, from which all inherit; but one that is leaving may take no new elements.
  const [root] = tree.version(originLabel).children
  const label = root && tree.survey.survivor(root.label)
  return label === undefined ? undefined : { kind: 'preserve', label }
}

/**
 * Before a visible version other than the origin is written. What counts as a reader of the element
 * is an heir, not a child: a child whose every descendant has an element of its own, or is deleted,
 * sees nothing through this version, and needs no implicit version to protect it.
 */
export function snapshotWriteAction(
  tree: VersionTree,
  elements: ElementLabels,
  tag: Tag,
): SnapshotWrite {
  const label = tree.labelOf(tag)
  if (hasHeir(tree, elements, label)) return { kind: 'relocate', tag }
  if (elements.has(label)) return { kind: 'overwrite', label }
  const inherited = labelSeen(tree, elements, label)
  if (inherited !== undefined && isOrphanWithout(label, tree, elements, inherited)) {
    return { kind: 'relabel', from: inherited, to: label }
  }
  return { kind: 'allocate', label, inherited }
}

/** A ghost whose element only `heir` sees: an orphan as soon as that has an element of its own. */
function isOrphanWithout(
  heir: Label,
  tree: VersionTree,
  elements: ElementLabels,
  label: Label,
): boolean {
  if (tree.version(label).tag !== undefined) return false
  const [first, another] = heirs(tree, elements, label)
  return first === heir && another === undefined
}

/**
 * For the origin to become what the version sees here; every snapshot stays as it is. The steps are
 * in order; after a crash between two of them, or within one, ask again and go on with the answer.
 */
export function rollbackSteps(
  tree: VersionTree,
  elements: ElementLabels,
  tag: Tag,
): readonly RollbackStep[] {
  const label = labelSeen(tree, elements, tree.labelOf(tag))
  if (label === undefined) return []
  const preserve = originWriteAction(tree, elements)
  if (preserve !== undefined) return [preserve, { kind: 'restore', label }]
  const parent = tree.version(label).parent
  const isTopmost = parent === undefined || labelSeen(tree, elements, parent.label) === undefined
  if (!isTopmost) return [{ kind: 'restore', label }]
  return [
    { kind: 'restore', label },
    { kind: 'free', label },
  ]
}
