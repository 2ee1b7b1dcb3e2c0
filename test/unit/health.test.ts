import { expect, test } from 'vitest'
import { lineOf } from '../../src/cli/quick-check.js'
import type { VolumeStatus } from '../../src/daemon/control-protocol.js'
import { healthOf, unhealthy, worstOf } from '../../src/daemon/health.js'
import type { ScheduleReport } from '../../src/daemon/schedule-report.js'

const GiB = 1024 ** 3
const nowMs = Date.UTC(2026, 10, 21, 12)

function schedule(intervalSec: number | null, failures = 0): ScheduleReport {
  return {
    name: 'hourly',
    timing: { kind: 'interval', everySec: intervalSec ?? 1, offsetSec: 0 },
    tags: [],
    memo: '',
    ifChanged: false,
    intervalSec,
    next: null,
    lastGood: null,
    lastSnapshot: null,
    failures,
    lastFailure: failures > 0 ? { time: '', message: 'the pre hook failed' } : null,
  }
}

function status(given: Partial<VolumeStatus> = {}): VolumeStatus {
  const disk = { bytes: 100 * GiB, bytesFree: 50 * GiB, files: 0, filesFree: 0, lowWaterBytes: GiB }
  return {
    ...{ id: '', name: 'docs', origin: '/srv/docs', store: '', mountPoint: '', device: '' },
    ...{ snapshots: 3, newest: '@GMT-2026.11.21-11.00.00', state: 'mounted' },
    ...{ chunkBytes: 65536, storeBytes: 0, space: { store: disk, origin: disk }, warnings: [] },
    ...{ schedules: [], oldest: null, held: 0, isUnswept: false },
    ...given,
  }
}

const store = (bytesFree: number, filesFree = 5) => ({
  space: { store: { bytes: GiB, bytesFree, files: 9, filesFree, lowWaterBytes: 0 } },
})

test.each<[string, Partial<VolumeStatus>, string, RegExp]>([
  ['all well', {}, 'ok', /^3 snapshots, the newest 60 min old, 50 GiB free$/],
  ['no schedule and an old snapshot', { newest: '@GMT-1999.01.01-00.00.00' }, 'ok', /days old/],
  ['as late as one may be', { schedules: [schedule(2400), schedule(null)] }, 'ok', /60 min old/],
  [
    'later than that',
    { schedules: [schedule(86400), schedule(2399)] },
    'critical',
    /60 min old, and/,
  ],
  [
    'old, and found unchanged since',
    { schedules: [{ ...schedule(2399), lastGood: '2026-11-21T11:30:00.000Z' }] },
    'ok',
    /60 min old/,
  ],
  ['no snapshot yet', { newest: null, snapshots: 0, schedules: [schedule(60)] }, 'ok', /^0 snap/],
  [
    'named ahead',
    { newest: '@GMT-2026.11.21-12.00.09', schedules: [schedule(1)] },
    'ok',
    /0 s old/,
  ],
  ['a failed run', { schedules: [schedule(86400, 2)] }, 'warning', /hourly failed 2 x: the pre/],
  ['a warning', { warnings: ['nearly full'] }, 'warning', /^nearly full$/],
  ['a full disk', store(0), 'critical', /disk of its store is full/],
  ['no inode left', store(9, 0), 'critical', /disk of its store is full/],
  ['not mounted', { state: 'unmounted' }, 'ok', /not mounted/],
  ['idle', { state: 'unmounted', schedules: [schedule(86400)] }, 'warning', /do not run/],
])('%s', (_, given, level, words) => {
  const health = healthOf(status(given), nowMs)
  expect(health.level).toBe(level)
  expect(health.findings[0]?.text ?? health.summary).toMatch(words)
})

test('of several volumes those in trouble are named, the worst first', () => {
  const found = [
    healthOf(status(), nowMs),
    unhealthy('gone', 'unknown', 'no such thing'),
    healthOf(status({ name: 'mail', warnings: ['low', 'lower'] }), nowMs),
    unhealthy('dead', 'critical', 'its daemon is gone'),
  ]
  const level = worstOf(found.map((each) => each.level))
  expect(lineOf(level, found)).toBe(
    'CRITICAL - dead: its daemon is gone; mail: low, lower; gone: no such thing; 1 more OK',
  )
  expect(lineOf('ok', [])).toBe('OK - no volume is mounted')
  expect(worstOf([])).toBe('ok')
})
