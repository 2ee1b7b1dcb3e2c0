import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { labelSeen } from '../../src/version/element-list.js'
import { trunkLabelSeen } from '../../src/version/trunk.js'
import { VersionTree } from '../../src/version/version-tree.js'
import { seedOfThisRun } from '../support/random.js'

const seed = seedOfThisRun()

/** For each snapshot, oldest first: is it deleted, and is there an element with its label? */
const snapshots = fc.array(fc.record({ isDeleted: fc.boolean(), hasElement: fc.boolean() }), {
  maxLength: 60,
  size: 'max',
})

test('on a trunk, with deletes not swept yet, one seek finds what the general read finds', () => {
  console.log(`trunk: BYGONE_SEED=${seed}`)
  const property = fc.property(snapshots, (each) => {
    const tree = new VersionTree()
    const tags = each.map(() => tree.snapshotOrigin())
    const labels = tags.map((tag) => tree.labelOf(tag))
    const ascending = labels.filter((_, index) => each[index]?.hasElement)
    const deleted = tags.filter((_, index) => each[index]?.isDeleted)
    for (const tag of deleted) tree.beginDelete(tag)
    const seenGenerally = labels.map((label) => labelSeen(tree, new Set(ascending), label))
    expect(tree.survey.isTrunk).toBe(true)
    expect(labels.map((label) => trunkLabelSeen(ascending, label))).toEqual(seenGenerally)
  })
  fc.assert(property, { seed, numRuns: 1000 })
})

test('the lowest label that is not below the snapshot is seen', () => {
  const labels = [2, 5, 9] as Label[]
  const seen = [1, 2, 3, 5, 6, 9, 10].map((label) => trunkLabelSeen(labels, label as Label))
  expect(seen).toEqual([2, 2, 5, 5, 9, 9, undefined])
})
