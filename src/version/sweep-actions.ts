import type { Label } from '../base/ids.js'
import { hasHeir, type ElementLabels } from './element-list.js'
import type { VersionTree } from './version-tree.js'

export type SweepAction =
  /** Remove the element and give back its place. */
  | { readonly kind: 'free'; readonly label: Label }
  /** The same value at the same place is now the element of `to`, which has none. */
  | { readonly kind: 'relabel'; readonly from: Label; readonly to: Label }

/**
 * What deletes have left to do at one address; all of it at once, in any order. The rules of INTEROP
 * section 4.3 for the deleted version, its ghost parent and the orphan above are one rule when put
 * for each ghost: without an heir its element is free; with heirs it is kept, or, if the ghost is
 * leaving the tree, relabelled to the one child that survives it. May be asked at any time, of a
 * swept address again too (no actions then), whatever was written or snapshotted in between.
 */
export function sweepActions(tree: VersionTree, elements: ElementLabels): SweepAction[] {
  const actions: SweepAction[] = []
  for (const label of elements.keys()) {
    if (tree.version(label).tag !== undefined) continue
    if (!hasHeir(tree, elements, label)) {
      actions.push({ kind: 'free', label })
      continue
    }
    const survivor = tree.survey.survivor(label)
    if (survivor !== undefined && survivor !== label) {
      actions.push({ kind: 'relabel', from: label, to: survivor })
    }
  }
  return actions
}
