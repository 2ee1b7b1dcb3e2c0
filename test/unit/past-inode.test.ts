import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Label } from '../../src/base/ids.js'
import { pastInodeNumber } from '../../src/volume/past-node.js'

function numberOf(label: number, object: number): bigint {
  const number = { high: 0, low: 0 }
  pastInodeNumber(label as Label, object, number)
  return (BigInt(number.high) << 32n) | BigInt(number.low)
}

const labels = fc.integer({ min: 1, max: 2 ** 22 - 1 })
const objects = fc.integer({ min: 1, max: 2 ** 40 - 1 })
const anyObject = fc.integer({ min: 1, max: 2 ** 53 - 1 })

test('a snapshot’s inode number is never that of a live file', () => {
  fc.assert(
    fc.property(labels, anyObject, (label, object) => {
      expect(numberOf(label, object)).toBeGreaterThanOrEqual(2n ** 63n)
    }),
  )
})

test('label and object can be read back from the inode number, so no two are equal', () => {
  fc.assert(
    fc.property(labels, objects, (label, object) => {
      const number = numberOf(label, object)
      expect(Number(number & (2n ** 40n - 1n))).toBe(object)
      expect(Number((number >> 40n) & (2n ** 22n - 1n))).toBe(label)
    }),
  )
})

test('a number too large to stand in it as it is never looks like one that does', () => {
  const large = fc.integer({ min: 2 ** 40, max: 2 ** 53 - 1 })
  fc.assert(
    fc.property(labels, large, (label, object) => {
      expect((numberOf(label, object) >> 62n) & 3n).toBe(3n)
    }),
  )
  fc.assert(
    fc.property(labels, objects, (label, object) => {
      expect((numberOf(label, object) >> 62n) & 3n).toBe(2n)
    }),
  )
})

test('a hundred thousand large objects in ten snapshots get different inode numbers', () => {
  const seen = new Set<bigint>()
  for (let label = 1; label <= 10; label++) {
    for (let index = 0; index < 10_000; index++) seen.add(numberOf(label, 2 ** 40 + index * 128))
  }
  expect(seen.size).toBe(100_000)
})
