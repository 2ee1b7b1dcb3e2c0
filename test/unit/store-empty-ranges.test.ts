import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EmptyRanges } from '../../src/store/empty-ranges.js'

const objectMax = 24
const step = fc.oneof(
  fc.record({
    do: fc.constant('add' as const),
    low: fc.integer({ min: 0, max: objectMax }),
    length: fc.integer({ min: 0, max: objectMax }),
  }),
  fc.record({ do: fc.constant('remove' as const), object: fc.integer({ min: 0, max: objectMax }) }),
)

describe('ranges of objects without an entry', () => {
  test('cover what was added and not removed since, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ranges = new EmptyRanges()
        const naive = new Set<number>()
        for (const each of steps) {
          if (each.do === 'remove') {
            ranges.remove(each.object)
            naive.delete(each.object)
          } else {
            ranges.add(each.low, each.low + each.length)
            for (let at = 0; at < each.length; at++) naive.add(each.low + at)
          }
          for (let object = 0; object <= 2 * objectMax; object++) {
            expect(ranges.covers(object)).toBe(naive.has(object))
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('reach to infinity where nothing follows', () => {
    const ranges = new EmptyRanges()
    ranges.add(1000, Infinity)
    ranges.remove(5000)
    expect([999, 1000, 4999, 5000, 5001, 2 ** 53].map((object) => ranges.covers(object))).toEqual([
      false,
      true,
      true,
      false,
      true,
      true,
    ])
  })

  test('stay few', () => {
    const ranges = new EmptyRanges()
    for (let at = 0; at < 10_000; at += 2) {
      ranges.add(at, at + 1)
      expect(ranges.count).toBeLessThanOrEqual(512)
    }
    expect(ranges.covers(9998)).toBe(true)
  })
})
