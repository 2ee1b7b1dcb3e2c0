import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatSnapshotName,
  nextSnapshotTime,
  parseSnapshotName,
  snapshotTimeMaxSec,
} from '../../src/store/snapshot-name.js'

describe('names of snapshots', () => {
  test('a name is UTC, to the second', () => {
    expect(formatSnapshotName(Date.UTC(2026, 10, 20, 18, 0, 5) / 1000)).toBe(
      '@GMT-2026.11.20-18.00.05',
    )
  })

  test('every time from 1970 to 9999 comes back from its name', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: snapshotTimeMaxSec }), (timeSec) => {
        expect(parseSnapshotName(formatSnapshotName(timeSec))).toBe(timeSec)
      }),
    )
  })

  test('names sort as their times do', () => {
    const time = fc.integer({ min: 0, max: snapshotTimeMaxSec })
    fc.assert(
      fc.property(time, time, (a, b) => {
        expect(formatSnapshotName(a) < formatSnapshotName(b)).toBe(a < b)
      }),
    )
  })

  test.each([
    '@GMT-2024.02.31-00.00.00',
    '@GMT-2023.02.29-00.00.00',
    '@GMT-2024.13.01-00.00.00',
    '@GMT-2024.00.01-00.00.00',
    '@GMT-2024.01.01-24.00.00',
    '@GMT-2024.01.01-23.60.00',
    '@GMT-2024.01.01-23.59.60',
    '@GMT-2024.1.1-0.0.0',
    '@GMT-1969.12.31-23.59.59',
    '@GMT-0050.01.01-00.00.00',
    '@GMT-2024.01.01-00.00.00 ',
    '@GMT-2024.01.01-00.00.00\n',
    '@GMT-2024.01.01-00.00.00.bak',
    ' @GMT-2024.01.01-00.00.00',
    '@gmt-2024.01.01-00.00.00',
    '@GMT-2024-01-01-00.00.00',
    '@GMT-٢٠٢٤.01.01-00.00.00',
    '',
  ])('%j is no name', (text) => {
    expect(parseSnapshotName(text)).toBeUndefined()
  })

  test('29 February of a leap year is a name', () => {
    expect(parseSnapshotName('@GMT-2024.02.29-00.00.00')).toBe(Date.UTC(2024, 1, 29) / 1000)
  })

  test('two snapshots in one second are a second apart', () => {
    expect(nextSnapshotTime(100_900, 0)).toBe(100)
    expect(nextSnapshotTime(100_900, 100)).toBe(101)
  })

  test('after a clock was set back the names still grow', () => {
    expect(nextSnapshotTime(50_000, 100)).toBe(101)
    expect(nextSnapshotTime(500_000, 100)).toBe(500)
  })
})
