import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { Scheduler, type ScheduledCut } from '../../src/daemon/scheduler.js'
import type { VolumeRecord } from '../../src/store/catalog-data.js'
import { Catalog } from '../../src/store/catalog.js'
import { slotAfter, newSchedule, type Schedule, type Timing } from '../../src/version/schedule.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { settled, SimClock } from '../support/sim-clock.js'

// Schedules under a clock of the test's own: years in seconds. A volume's "snapshots" are the times at which its
// schedules had one taken.

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const start = Date.UTC(2026, 0, 1)

/** A scheduler with a catalog in memory (the real one's is tested with the daemon), and volumes that do what they are told. */
class World {
  readonly clock = new SimClock(start)
  readonly taken: { ms: number; cuts: readonly ScheduledCut[] }[] = []
  readonly lines: string[] = []
  readonly mounted = new Set<string>()
  readonly unchanged = new Set<string>()
  readonly broken = new Set<string>()
  /** How long a snapshot takes. */
  tookMs = 0
  #schedules = new Map<string, readonly Schedule[]>()
  #scheduler = this.#newScheduler()

  add(id: string, name: string, timing: Timing, more: Partial<Schedule> = {}): void {
    const rule = { name, timing, tags: [], memo: '', isIfChanged: false }
    const schedule = { ...newSchedule(rule, this.clock.now()), ...more }
    this.#schedules.set(id, [...(this.#schedules.get(id) ?? []), schedule])
    this.mounted.add(id)
    this.#scheduler.wake()
  }

  stateOf(id: string): Schedule {
    const [first] = this.#schedules.get(id) ?? []
    if (first === undefined) throw new Error(`${id} has no schedule`)
    return first
  }

  /** The daemon is gone for that time. */
  async goneFor(ms: number): Promise<void> {
    this.#scheduler.stop()
    await this.clock.jumpTo(this.clock.now() + ms)
    this.#scheduler = this.#newScheduler()
    this.#scheduler.wake()
    await this.clock.runTo(this.clock.now())
  }

  times(id: string): number[] {
    return this.taken.filter(({ cuts }) => cuts.some((cut) => cut.id === id)).map(({ ms }) => ms)
  }

  #newScheduler(): Scheduler {
    return new Scheduler({
      catalog: {
        volumeById: (id) =>
          ({ schedules: this.#schedules.get(id) ?? [] }) as unknown as VolumeRecord,
        noteRuns: (id, names, change) => {
          this.#change(id, names, change)
        },
      },
      clock: this.clock,
      mounted: () => [...this.mounted],
      isChanged: (id) => Promise.resolve(!this.unchanged.has(id)),
      take: (cuts) => this.#take(cuts),
      log: (line) => this.lines.push(line),
    })
  }

  async #take(cuts: readonly ScheduledCut[]): Promise<void> {
    if (this.tookMs > 0) {
      await new Promise<void>((resolve) =>
        this.clock.alarm(this.clock.now() + this.tookMs, resolve),
      )
    }
    if (cuts.some(({ id }) => this.broken.has(id)))
      throw new Failure('failed', 'the disk is broken')
    const ms = this.clock.now()
    this.taken.push({ ms, cuts })
    for (const { id, run } of cuts) {
      const after = {
        doneMs: ms,
        goodMs: ms,
        failures: 0,
        lastSnapshot: '@GMT-2026.01.01-00.00.00',
      }
      this.#change(id, run.schedules, () => after)
    }
  }

  #change(id: string, names: readonly string[], change: (each: Schedule) => Partial<Schedule>) {
    const schedules = this.#schedules.get(id) ?? []
    this.#schedules.set(
      id,
      schedules.map((each) => (names.includes(each.name) ? { ...each, ...change(each) } : each)),
    )
  }
}

const cron = (line: string, zone = 'UTC'): Timing => ({ kind: 'cron', cron: line, zone })

test('in ten years every slot of a schedule gets its snapshot, at its time, and nothing else does', async () => {
  const world = new World()
  const timings: Record<string, Timing> = {
    nightly: cron('0 3 * * *', 'Europe/Berlin'),
    weekly: cron('0 4 * * 0'),
    yearly: cron('0 0 29 2 *'),
    spread: { kind: 'interval', everySec: 43_200, offsetSec: 777 },
  }
  for (const [id, timing] of Object.entries(timings)) world.add(id, id, timing)
  const end = Date.UTC(2036, 0, 1)
  await world.clock.runTo(end)
  for (const [id, timing] of Object.entries(timings)) {
    const slots: number[] = []
    for (let ms = slotAfter(timing, start); ms !== undefined && ms <= end;) {
      slots.push(ms)
      ms = slotAfter(timing, ms)
    }
    expect(world.times(id), id).toEqual(slots)
  }
  // Once a day by the calendar of Berlin, whatever the clocks there do.
  const days = world
    .times('nightly')
    .map((ms) => new Intl.DateTimeFormat('sv', { timeZone: 'Europe/Berlin' }).format(ms))
  expect(new Set(days).size).toBe(days.length)
  expect(days).toHaveLength(3652)
  expect(world.times('yearly')).toEqual([2028, 2032].map((year) => Date.UTC(year, 1, 29)))
})

test('through years of sleep, stops and a clock that is set, what was missed is caught up once', async () => {
  const seed = seedOfThisRun()
  console.log(`BYGONE_SEED=${seed}`)
  const random = new Random(seed)
  const world = new World()
  const timing = cron('0 */6 * * *')
  world.add('v', 'six', timing)
  const end = Date.UTC(2030, 0, 1)
  while (world.clock.now() < end) {
    const before = world.times('v').length
    const fromMs = world.clock.now()
    const forMs = random.between(1, 40) * hourMs
    const kind = random.pick(['run', 'sleep', 'gone'] as const)
    if (kind === 'run') await world.clock.runTo(fromMs + forMs)
    else if (kind === 'sleep') await world.clock.jumpTo(fromMs + forMs)
    else await world.goneFor(forMs)
    await settled()
    let slots = 0
    let lastMs = fromMs
    for (let ms = slotAfter(timing, fromMs); ms !== undefined && ms <= fromMs + forMs; slots++) {
      lastMs = ms
      ms = slotAfter(timing, ms)
    }
    const ran = world.times('v').slice(before)
    if (kind === 'run') expect(ran.at(-1) ?? fromMs).toBe(slots > 0 ? lastMs : fromMs)
    expect(ran).toHaveLength(kind === 'run' ? slots : Math.min(slots, 1))
  }
})

test('a clock that was far ahead and is set right does not stop the schedule, and no small step repeats a run', async () => {
  const world = new World()
  world.add('v', 'hourly', cron('0 * * * *'))
  await world.clock.jumpTo(start + 20 * 365 * dayMs)
  expect(world.times('v')).toHaveLength(1)
  await world.clock.jumpTo(start + hourMs / 2)
  await world.goneFor(0)
  await world.clock.runTo(start + 2 * hourMs)
  expect(world.times('v').slice(1)).toEqual([start + hourMs, start + 2 * hourMs])
  // NTP takes back five seconds.
  await world.clock.jumpTo(start + 2 * hourMs - 5000)
  await world.goneFor(0)
  await world.clock.runTo(start + 3 * hourMs)
  expect(world.times('v').slice(3)).toEqual([start + 3 * hourMs])
})

test('what is due at one time is one snapshot with all tags, and volumes are cut at one instant', async () => {
  const world = new World()
  world.add('a', 'daily', cron('0 3 * * *'), { tags: ['daily'], memo: 'of the day' })
  world.add('a', 'weekly', cron('0 3 * * 1'), { tags: ['weekly', 'daily'], memo: 'of the week' })
  world.add('b', 'nightly', cron('0 3 * * *'))
  // The fifth is a Monday.
  await world.clock.runTo(Date.UTC(2026, 0, 5, 12))
  expect(world.taken).toHaveLength(5)
  expect(world.taken.map(({ cuts }) => cuts.length)).toEqual([2, 2, 2, 2, 2])
  expect(world.taken[4]?.cuts).toEqual([
    {
      id: 'a',
      run: {
        memo: 'of the day; of the week',
        tags: ['daily', 'weekly'],
        schedules: ['daily', 'weekly'],
      },
    },
    { id: 'b', run: { memo: '', tags: [], schedules: ['nightly'] } },
  ])
})

test('nothing is taken of what has not changed, unless another schedule asks for it', async () => {
  const world = new World()
  world.add('v', 'often', { kind: 'interval', everySec: 3600, offsetSec: 0 }, { isIfChanged: true })
  world.unchanged.add('v')
  await world.clock.runTo(start + 10 * hourMs)
  expect(world.times('v')).toEqual([])
  expect(world.stateOf('v')).toMatchObject({ goodMs: start + 10 * hourMs, lastSnapshot: null })
  world.unchanged.clear()
  await world.clock.runTo(start + 11 * hourMs)
  world.unchanged.add('v')
  world.add('v', 'daily', cron('0 0 * * *'), { tags: ['daily'] })
  await world.clock.runTo(start + 30 * hourMs)
  expect(world.times('v')).toEqual([start + 11 * hourMs, start + 24 * hourMs])
  expect(world.taken.at(-1)?.cuts[0]?.run.schedules).toEqual(['often', 'daily'])
})

test('one volume that fails keeps no other from its snapshot, and is tried again with patience', async () => {
  const world = new World()
  world.add('a', 'x', cron('0 * * * *'))
  world.add('b', 'x', cron('0 * * * *'))
  world.broken.add('a')
  await world.clock.runTo(start + hourMs)
  expect(world.times('b')).toEqual([start + hourMs])
  expect(world.stateOf('a')).toMatchObject({
    failures: 1,
    lastFailure: { atMs: start + hourMs, message: 'the disk is broken' },
  })
  await world.clock.runTo(start + 2 * hourMs)
  const failed = world.lines.filter((line) => line.includes('of a failed')).length
  // At 0, 2, 6, 14, 30 minutes; the next would be at 62.
  expect(failed).toBe(5)
  world.broken.clear()
  await world.clock.runTo(start + 3 * hourMs)
  expect(world.times('a')).toEqual([start + hourMs + 62 * 60_000, start + 3 * hourMs])
  expect(world.times('b')).toEqual([1, 2, 3].map((hour) => start + hour * hourMs))
  expect(world.stateOf('a').failures).toBe(0)
})

test('a run that takes longer than its interval is not run over by the next', async () => {
  const world = new World()
  world.tookMs = 150_000
  world.add('v', 'minutely', cron('* * * * *'))
  await world.clock.runTo(start + 20 * 60_000)
  // Begun at 1:00, done at 3:30, when the slots up to 3:00 are done with it.
  expect(world.times('v').map((ms) => (ms - start) / 1000)).toEqual([210, 390, 570, 750, 930, 1110])
})

test('runs are in the catalog with their snapshot, or with why there is none, also for the next daemon', () => {
  const directory = mkdtempSync(join(tmpdir(), 'schedules-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true })
  })
  const catalog = Catalog.open(directory, { create: true })
  const volume = {
    name: 'v',
    origin: '/v',
    kind: 'tree',
    chunkBytes: 65536,
    createdAtMs: 0,
  } as const
  const { id } = catalog.addVolume(volume)
  const rule = { name: 'x', timing: cron('0 * * * *'), tags: ['t'], memo: 'm', isIfChanged: true }
  catalog.addSchedule(id, newSchedule(rule, 5000), false)
  expect(() => {
    catalog.addSchedule(id, newSchedule(rule, 6000), false)
  }).toThrow('has a schedule x already')
  const again = () => Catalog.open(directory, { create: false }).volumeById(id)?.schedules[0]
  expect(again()).toEqual(newSchedule(rule, 5000))
  const failure = { failures: 1, lastFailure: { atMs: 7000, message: 'why' } }
  catalog.noteRuns(id, ['x'], () => failure, { durable: true })
  expect(again()).toMatchObject(failure)
  const record = {
    ...{ name: '@GMT-1970.01.01-00.00.09', label: catalog.nextLabel(id), timeSec: 9 },
    ...{ cutAtMs: 9123, memo: 'm', tags: ['t'], isHeld: false },
  }
  catalog.addSnapshots([{ volumeId: id, record, schedules: ['x'] }])
  const good = { doneMs: 9123, goodMs: 9123, lastSnapshot: record.name, failures: 0 }
  expect(again()).toMatchObject({ ...good, lastFailure: failure.lastFailure })
  // Not worth a write of its own; it comes with the next, or when the volume is unmounted.
  catalog.noteRuns(id, ['x'], () => ({ doneMs: 10_000, goodMs: 10_000 }), { durable: false })
  expect(again()).toMatchObject(good)
  catalog.noteSwept(id)
  catalog.writeNotes()
  expect(again()).toMatchObject({ doneMs: 10_000, goodMs: 10_000 })
  catalog.removeSchedules(id, ['x'])
  expect(again()).toBeUndefined()
})
