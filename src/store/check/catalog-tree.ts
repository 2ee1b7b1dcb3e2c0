import type { Label } from '../../base/ids.js'
import { Failure } from '../../base/failure.js'
import { originLabel, type Tag } from '../../version/version.js'
import { restoreVersionTree } from '../../version/version-tree-record.js'

/** What is wrong with the tree that a catalog's snapshots make, oldest first; undefined: nothing. */
export function treeProblem(
  snapshots: readonly { readonly label: Label }[],
  labelLast: Label | 0,
): string | undefined {
  const newestFirst = snapshots.map(({ label }) => label).reverse()
  try {
    restoreVersionTree({
      labelNext: labelLast + 1,
      versions: newestFirst.map((label, at) => ({
        label,
        parent: newestFirst[at - 1] ?? originLabel,
        tag: label as number as Tag,
      })),
      unswept: [],
    })
    return undefined
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return error.message
  }
}
