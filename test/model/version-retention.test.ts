import { expect, test } from 'vitest'
import { emptyPolicy, type RetentionPolicy } from '../../src/version/retention-policy.js'
import { decideRetention, evictionOrder } from '../../src/version/retention.js'
import { Random, seedOfThisRun } from '../support/random.js'

// Each rule of a policy as a sentence about one snapshot, tried on every other one: slow, and plain to read.

interface Subject {
  timeSec: number
  tags: string[]
  isHeld: boolean
}

const daySec = 86400
const seed = seedOfThisRun()

const isProtected = ({ isHeld, tags }: Subject) =>
  isHeld || tags.some((tag) => tag.startsWith('manual:'))

/** In UTC. */
function periodOf(period: string, timeSec: number): string {
  const text = new Date(timeSec * 1000).toISOString()
  if (period !== 'weekly')
    return text.slice(0, { hourly: 13, daily: 10, monthly: 7, yearly: 4 }[period])
  const monday = new Date(timeSec * 1000)
  while (monday.getUTCDay() !== 1) monday.setUTCDate(monday.getUTCDate() - 1)
  return monday.toISOString().slice(0, 10)
}

/** Whether a `keep` count or a tag's rule wants it. */
function isWanted(one: Subject, all: readonly Subject[], policy: RetentionPolicy, nowSec: number) {
  const newer = all.filter(({ timeSec }) => timeSec > one.timeSec)
  const isLast = newer.length < policy.keep.last
  const ofPeriod = (['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const).some((period) => {
    const own = periodOf(period, one.timeSec)
    const others = new Set(newer.map(({ timeSec }) => periodOf(period, timeSec)))
    return !others.has(own) && others.size < policy.keep[period]
  })
  const byTag = policy.tags.some(({ tag, keep, intervalSec }) => {
    const isYoung = one.timeSec >= nowSec - keep * intervalSec
    const newerWithIt = newer.filter(({ tags }) => tags.includes(tag)).length
    return one.tags.includes(tag) && (newerWithIt < keep || isYoung)
  })
  return isLast || ofPeriod || byTag
}

function stays(one: Subject, all: readonly Subject[], policy: RetentionPolicy, nowSec: number) {
  const isDemanded = ({ tags }: Subject) =>
    Object.values(policy.keep).some((count) => count > 0) ||
    policy.tags.some(({ tag }) => tags.includes(tag))
  const survives = (each: Subject) => !isDemanded(each) || isWanted(each, all, policy, nowSec)
  if (isProtected(one)) return true
  if (!survives(one)) return false
  const newer = all.filter((each) => each.timeSec > one.timeSec && !isProtected(each))
  return newer.filter(survives).length < (policy.snapshotsMax ?? Infinity)
}

const policies: [string, Partial<RetentionPolicy>][] = [
  ['--max 5', { snapshotsMax: 5 }],
  ['--keep-last 7', { keep: { ...emptyPolicy.keep, last: 7 } }],
  ['--keep-hourly 5', { keep: { ...emptyPolicy.keep, hourly: 5 } }],
  ['--keep-daily 6', { keep: { ...emptyPolicy.keep, daily: 6 } }],
  ['--keep-weekly 5', { keep: { ...emptyPolicy.keep, weekly: 5 } }],
  ['--keep-monthly 4', { keep: { ...emptyPolicy.keep, monthly: 4 } }],
  ['--keep-yearly 3', { keep: { ...emptyPolicy.keep, yearly: 3 } }],
  ['all periods', { keep: { last: 2, hourly: 3, daily: 3, weekly: 3, monthly: 3, yearly: 2 } }],
  ['daily:1d:9', { tags: [{ tag: 'daily', intervalSec: daySec, keep: 9 }] }],
  [
    "Backy's schedule",
    {
      tags: [
        { tag: 'daily', intervalSec: daySec, keep: 9 },
        { tag: 'weekly', intervalSec: 7 * daySec, keep: 5 },
        { tag: 'monthly', intervalSec: 30 * daySec, keep: 4 },
      ],
    },
  ],
  [
    'everything',
    {
      snapshotsMax: 12,
      keep: { last: 2, hourly: 0, daily: 4, weekly: 2, monthly: 6, yearly: 5 },
      tags: [{ tag: 'weekly', intervalSec: 7 * daySec, keep: 3 }],
    },
  ],
]

test.each(policies)(
  `ten years of %s delete what its rules say (BYGONE_SEED=${seed})`,
  (_, given) => {
    const policy = { ...emptyPolicy, ...given }
    const random = new Random(seed)
    const start = Date.UTC(2026, 0, 1) / 1000
    const end = Date.UTC(2036, 0, 1) / 1000
    let kept: Subject[] = []
    let taken = 0
    for (let now = start; now < end;) {
      kept.push({ timeSec: now, tags: tagsAt(random, policy), isHeld: random.isLikely(0.002) })
      taken++
      const decisions = decideRetention(kept, policy, now)
      expect(decisions.map(({ snapshot }) => snapshot)).toEqual(kept)
      // All of them at times; else one that is picked: this takes the square of how many there are.
      const looked = taken % 100 === 0 ? decisions : [random.pick(decisions)]
      const wrong = looked.filter(
        ({ snapshot, isKept }) => isKept !== stays(snapshot, kept, policy, now),
      )
      expect(wrong).toEqual([])
      for (const { reasons } of decisions) expect(reasons.length).toBeGreaterThan(0)
      kept = decisions.filter(({ isKept }) => isKept).map(({ snapshot }) => snapshot)
      // Mostly once a day, at times several an hour, and weeks without any.
      now += random.weighted([
        [random.between(1, 3600), 20],
        [random.between(3600, 2 * daySec), 75],
        [random.between(3 * daySec, 30 * daySec), 5],
      ])
    }
    expect(taken).toBeGreaterThan(1000)
    expect(kept.length).toBeLessThan(taken / 2)
    expect(kept.length).toBeGreaterThan(0)
  },
)

test('what has gone is never missed later: daily deleting leaves what one look at all would', () => {
  const policy = {
    ...emptyPolicy,
    keep: { last: 3, hourly: 0, daily: 7, weekly: 5, monthly: 12, yearly: 10 },
  }
  const all: Subject[] = []
  let kept: Subject[] = []
  for (let now = Date.UTC(2026, 0, 1, 3) / 1000; all.length < 3650; now += daySec) {
    const snapshot = { timeSec: now, tags: [], isHeld: false }
    all.push(snapshot)
    const decisions = decideRetention([...kept, snapshot], policy, now)
    kept = decisions.filter(({ isKept }) => isKept).map((each) => each.snapshot)
    if (all.length % 365 !== 0) continue
    const atOnce = decideRetention(all, policy, now).filter(({ isKept }) => isKept)
    expect(kept).toEqual(atOnce.map((each) => each.snapshot))
  }
})

test('days begin where the zone says, with summer time', () => {
  const at = (text: string) => ({ timeSec: Date.parse(text) / 1000, tags: [], isHeld: false })
  const snapshots = [
    at('2026-03-28T22:30Z'),
    at('2026-03-28T23:30Z'),
    at('2026-03-29T21:30Z'),
    at('2026-03-29T22:30Z'),
  ]
  const keptIn = (zone: string) =>
    decideRetention(
      snapshots,
      { ...emptyPolicy, zone, keep: { ...emptyPolicy.keep, daily: 9 } },
      snapshots[3]?.timeSec ?? 0,
    ).map(({ isKept }) => isKept)
  expect(keptIn('UTC')).toEqual([false, true, false, true])
  // One hour ahead on the 28th, two from the 29th on.
  expect(keptIn('Europe/Berlin')).toEqual([true, false, true, true])
})

test('who goes when space is short: the lowest priority first, then the oldest; never the newest', () => {
  const snapshots = [
    { timeSec: 1, tags: ['weekly'], isHeld: false },
    { timeSec: 2, tags: [], isHeld: true },
    { timeSec: 3, tags: ['scratch', 'weekly'], isHeld: false },
    { timeSec: 4, tags: ['scratch'], isHeld: false },
    { timeSec: 5, tags: [], isHeld: false },
    { timeSec: 6, tags: ['manual:x'], isHeld: false },
    { timeSec: 7, tags: [], isHeld: false },
    { timeSec: 8, tags: ['scratch'], isHeld: false },
  ]
  const priorities = [
    { tag: 'weekly', priority: 5 },
    { tag: 'scratch', priority: -1 },
  ]
  const order = evictionOrder(snapshots, { ...emptyPolicy, priorities })
  expect(order.map(({ timeSec }) => timeSec)).toEqual([4, 5, 7, 1, 3])
  expect(evictionOrder([], emptyPolicy)).toEqual([])
})

test('who goes first is what the rule says of each two of them', () => {
  const random = new Random(seed)
  for (let round = 0; round < 300; round++) {
    const tags = ['a', 'b', 'c', 'manual:m']
    const priorities = tags
      .filter(() => random.isLikely(0.6))
      .map((tag) => ({ tag, priority: random.between(-2, 2) }))
    const all: Subject[] = Array.from({ length: random.below(12) }, (_, at) => ({
      timeSec: at * 10,
      tags: tags.filter((tag) => random.isLikely(tag.startsWith('manual') ? 0.1 : 0.4)),
      isHeld: random.isLikely(0.1),
    }))
    const priorityOf = (one: Subject) => {
      const own = priorities.filter(({ tag }) => one.tags.includes(tag))
      return own.length === 0 ? 0 : Math.max(...own.map(({ priority }) => priority))
    }
    const order = evictionOrder(all, { ...emptyPolicy, priorities })
    for (const one of all) {
      const isNewest = all.every(({ timeSec }) => timeSec <= one.timeSec)
      expect(order.includes(one)).toBe(!isProtected(one) && !isNewest)
    }
    for (const [at, one] of order.entries()) {
      for (const later of order.slice(at + 1)) {
        const difference = priorityOf(one) - priorityOf(later)
        expect(difference < 0 || (difference === 0 && one.timeSec < later.timeSec)).toBe(true)
      }
    }
  }
})

test('each decision names the rules that keep a snapshot, or why it goes', () => {
  const hour = 3600
  const snapshots = [
    { timeSec: 0, tags: ['daily'], isHeld: false },
    { timeSec: 1 * hour, tags: [], isHeld: true },
    { timeSec: 2 * hour, tags: ['manual:x'], isHeld: false },
    { timeSec: 25 * hour, tags: [], isHeld: false },
    { timeSec: 49 * hour, tags: ['daily'], isHeld: false },
  ]
  const policy: RetentionPolicy = {
    ...emptyPolicy,
    keep: { ...emptyPolicy.keep, last: 1, daily: 2 },
    tags: [{ tag: 'daily', intervalSec: daySec, keep: 1 }],
    snapshotsMax: 1,
  }
  const decisions = decideRetention(snapshots, policy, 49 * hour)
  expect(decisions.map(({ isKept, reasons }) => [isKept, reasons.join(' + ')])).toEqual([
    [false, '1 newer ones have daily, and it is old; no keep rule needs it'],
    [true, 'held'],
    [true, 'manual:x never expires'],
    [false, '1 newer ones are kept, and no more may be'],
    [true, 'last 1 + daily 1970-01-03 + daily 1 of 1 + one of the newest 1'],
  ])
  expect(decideRetention(snapshots, emptyPolicy, 0).every(({ isKept }) => isKept)).toBe(true)
})

/** With rules for tags alone, all have one: the others would stay for good. */
function tagsAt(random: Random, { tags, keep, snapshotsMax }: RetentionPolicy): string[] {
  const isByTagAlone = tags.length > 0 && keep.last === 0 && snapshotsMax === null
  const chances = [
    ['daily', isByTagAlone ? 1 : 0.7],
    ['weekly', 0.2],
    ['monthly', 0.05],
    ['manual:keep', 0.003],
  ] as const
  return chances.filter(([, chance]) => random.isLikely(chance)).map(([tag]) => tag)
}
