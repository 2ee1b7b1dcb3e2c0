import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { sharesOf } from '../../src/daemon/snapshot-shares.js'
import { SpaceUse, type SpaceEntry } from '../../src/store/space-use.js'

const count = 6
const indices = Array.from({ length: count }, (_, index) => index)

const entries = fc.array(
  fc
    .tuple(fc.nat(count - 1), fc.nat(count - 1), fc.integer({ min: 1, max: 100 }))
    .map(([a, b, bytes]): SpaceEntry => [Math.min(a, b), Math.max(a, b) + 1, bytes, 1]),
  { maxLength: 20 },
)

test('the share of a snapshot is what deleting it frees, and what the one before it sees and it does not', () => {
  fc.assert(
    fc.property(entries, fc.subarray(indices), (all, there) => {
      const use = SpaceUse.of(all)
      const isGone = (index: number) => !there.includes(index)
      const shares = use.shares((index) => there.includes(index), count)
      const freed = (also: number) =>
        use.freedBy((index) => isGone(index) || index === also, count) - use.freedBy(isGone, count)
      there.forEach((index, at) => {
        expect(shares[index]?.uniqueBytes).toBe(freed(index))
        const before = there[at - 1]
        if (before === undefined) return
        const sees = (entry: SpaceEntry, who: number) => entry[0] <= who && who < entry[1]
        const changed = all.filter((entry) => sees(entry, before) && !sees(entry, index))
        expect(shares[index]).toMatchObject({
          changedBytes: changed.reduce((sum, [, , bytes]) => sum + bytes, 0),
          changedElements: changed.length,
        })
      })
    }),
  )
})

const labels = (...numbers: number[]) => numbers as Label[]
const survey = (countAtStart: number) => ({
  labels: labels(2, 4, 6, 8),
  countAtStart,
  bytes: SpaceUse.of([
    [0, 1, 1, 1],
    [1, 3, 10, 1],
    [2, 4, 100, 1],
    [3, 4, 1000, 1],
  ]),
})

test('a survey that nothing has changed since tells of all, also of snapshots that were cut after it', () => {
  expect(sharesOf(labels(2, 4, 6, 8, 9, 10), survey(4), true)).toEqual([
    { uniqueBytes: 1, changedBytes: null, changedElements: null },
    { uniqueBytes: 0, changedBytes: 1, changedElements: 1 },
    { uniqueBytes: 0, changedBytes: 0, changedElements: 0 },
    { uniqueBytes: 1000, changedBytes: 10, changedElements: 1 },
    { uniqueBytes: 0, changedBytes: 1100, changedElements: 2 },
    { uniqueBytes: 0, changedBytes: 0, changedElements: 0 },
  ])
})

test('an older one tells of those that changes since then can not have to do with', () => {
  const found = sharesOf(labels(2, 4, 6, 8, 9), survey(3), false)
  expect(found.map(({ uniqueBytes }) => uniqueBytes)).toEqual([1, 0, null, null, null])
  expect(found.map(({ changedBytes }) => changedBytes)).toEqual([null, 1, 0, null, null])
  // While 6 was the newest there was, changes were kept for 4.
  expect(sharesOf(labels(2, 4, 9), survey(3), false).map(({ uniqueBytes }) => uniqueBytes)).toEqual(
    [1, null, null],
  )
  expect(sharesOf(labels(2), undefined, false)).toEqual([
    { uniqueBytes: null, changedBytes: null, changedElements: null },
  ])
})
