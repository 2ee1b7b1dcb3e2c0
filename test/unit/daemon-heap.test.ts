import { expect, test } from 'vitest'
import { HeapCare } from '../../src/daemon/heap-care.js'

test('garbage is collected when nodes have become many more or many fewer, not while they stay', () => {
  let collections = 0
  const care = new HeapCare(() => collections++)
  const collectedAt = (nodes: number): boolean => {
    const before = collections
    care.look(nodes)
    return collections > before
  }
  expect([1, 1000, 50_000, 60_000].map(collectedAt)).toEqual([false, false, false, false])
  expect([70_000, 80_000, 90_000].map(collectedAt)).toEqual([true, false, true])
  expect([1_000_000, 1_000_000, 900_000].map(collectedAt)).toEqual([true, false, false])
  expect([1, 1, 0, 49_999].map(collectedAt)).toEqual([true, false, false, false])
})
