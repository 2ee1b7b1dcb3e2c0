import { expect, test } from 'vitest'
import { InodeNumbers } from '../../src/fuse/inode-numbers.js'

test('a number that fits 31 bits is shown as it is', () => {
  const numbers = new InodeNumbers()
  expect([numbers.of(0, 1), numbers.of(0, 2 ** 31 - 1)]).toEqual([1, 2 ** 31 - 1])
})

test('larger numbers show as made up ones, each as its own and the same each time', () => {
  const numbers = new InodeNumbers()
  const large = [
    [0, 2 ** 31],
    [0, 2 ** 32 - 1],
    [1, 5],
    [2, 5],
    [0x8000_0000, 5],
  ] as const
  const shown = large.map(([high, low]) => numbers.of(high, low))
  expect(new Set(shown).size).toBe(large.length)
  expect(shown.every((number) => number >= 2 ** 31 && number < 2 ** 32)).toBe(true)
  expect(large.map(([high, low]) => numbers.of(high, low))).toEqual(shown)
})
