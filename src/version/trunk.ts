import type { Label } from '../base/ids.js'

/**
 * What a snapshot sees when there are no clones (`tree.survey.isTrunk`): the element with the lowest
 * label that is not below its own, for newer snapshots have higher labels and are the ancestors.
 * With the labels in order, as keys of the index, that is one seek whatever the number of snapshots.
 * Undefined: the origin's own value.
 */
export function trunkLabelSeen(
  labelsAscending: readonly Label[],
  snapshot: Label,
): Label | undefined {
  let low = 0
  let high = labelsAscending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((labelsAscending[middle] ?? snapshot) < snapshot) low = middle + 1
    else high = middle
  }
  return labelsAscending[low]
}
