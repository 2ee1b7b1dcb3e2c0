import { expect, test } from 'vitest'
import {
  backoffMs,
  dueMs,
  newSchedule,
  longestIntervalSec,
  slotAfter,
  type Timing,
} from '../../src/version/schedule.js'

const cron = (line: string, zone = 'UTC'): Timing => ({ kind: 'cron', cron: line, zone })
const at = (text: string) => Date.parse(text)

/** The slots of a stretch of time. */
function slots(timing: Timing, from: string, to: string): string[] {
  const found: string[] = []
  let ms = slotAfter(timing, at(from))
  while (ms !== undefined && ms <= at(to)) {
    found.push(new Date(ms).toISOString().slice(0, 16))
    ms = slotAfter(timing, ms)
  }
  return found
}

test('cron lines are of the zone that they name, once a day also when the clocks are set', () => {
  const nightly = cron('30 2 * * *', 'Europe/Berlin')
  // In spring there is no 02:30, in autumn there are two.
  expect(slots(nightly, '2026-03-27T12:00Z', '2026-03-30T12:00Z')).toEqual([
    '2026-03-28T01:30',
    '2026-03-29T01:00',
    '2026-03-30T00:30',
  ])
  expect(slots(nightly, '2026-10-23T12:00Z', '2026-10-26T12:00Z')).toEqual([
    '2026-10-24T00:30',
    '2026-10-25T00:30',
    '2026-10-26T01:30',
  ])
})

test('an interval has its slots at multiples since a Monday, shifted', () => {
  const weekly: Timing = { kind: 'interval', everySec: 7 * 86400, offsetSec: 3600 }
  expect(slots(weekly, '2026-11-20T00:00Z', '2026-12-01T00:00Z')).toEqual([
    '2026-11-23T01:00',
    '2026-11-30T01:00',
  ])
  expect(
    slots({ ...weekly, everySec: 900, offsetSec: 0 }, '2026-11-20T00:00Z', '2026-11-20T00:30Z'),
  ).toEqual(['2026-11-20T00:15', '2026-11-20T00:30'])
  // The slot itself is over at its time.
  expect(slotAfter(weekly, at('2026-11-23T01:00Z'))).toBe(at('2026-11-30T01:00Z'))
})

test('what never comes has no slot, and the longest interval is known, over night and weekend', () => {
  expect(slotAfter(cron('0 0 31 2 *'), 0)).toBeUndefined()
  expect(slotAfter(cron('0 0 0 1 1 * 2020'), at('2026-01-01'))).toBeUndefined()
  const huge: Timing = { kind: 'interval', everySec: 1e12, offsetSec: 0 }
  expect(slotAfter(huge, at('2026-01-01'))).toBeUndefined()
  const longest = (line: string) => longestIntervalSec(cron(line), at('2026-01-01')) ?? 0
  expect(longest('0 3,5 * * *') / 3600).toBe(22)
  expect(longest('*/20 9-16 * * 1-5') / 3600).toBeCloseTo(3 * 24 - 7 - 2 / 3)
  expect(longest('* * * * * *')).toBe(1)
  expect(longest('0 0 0 1 1 * 2027')).toBe(0)
})

test('after failures it waits longer each time, but never runs before its slot', () => {
  expect([1, 2, 3, 8, 9, 500].map((count) => backoffMs(count) / 60_000)).toEqual([
    2, 4, 8, 256, 360, 360,
  ])
  const rule = { name: 'x', timing: cron('0 3 * * *'), tags: [], memo: '', isIfChanged: false }
  const schedule = newSchedule(rule, at('2026-01-01T02:00Z'))
  expect(dueMs(schedule)).toBe(at('2026-01-01T03:00Z'))
  const failed = (time: string) =>
    dueMs({ ...schedule, failures: 1, lastFailure: { atMs: at(time), message: '' } })
  expect(failed('2026-01-01T03:00Z')).toBe(at('2026-01-01T03:02Z'))
  expect(failed('2025-12-31T03:00Z')).toBe(at('2026-01-01T03:00Z'))
})
