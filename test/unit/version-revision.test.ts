import { expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { findRevision, findRevisions } from '../../src/version/revision-resolver.js'
import type { Revision } from '../../src/version/revision.js'
import { revisionAt } from '../support/revisions.js'

/** Seconds since 1970 of a time of this process's zone. */
const local = (...fields: [number, number, number, number?, number?, number?]) => {
  const [year, month, ...rest] = fields
  return new Date(year, month - 1, ...rest).getTime() / 1000
}
const now = new Date(2015, 8, 1, 12)

/** That of Backy's own tests; its uuids are names here. */
const backy: Revision[] = [
  {
    ...revisionAt(local(2015, 8, 29), { trust: 'verified' }),
    name: 'r0',
    tags: ['daily', 'weekly', 'monthly'],
  },
  { ...revisionAt(local(2015, 8, 30)), name: 'r1', tags: ['daily', 'weekly'] },
  { ...revisionAt(local(2015, 8, 30, 2), { isClean: false }), name: 'r2', tags: ['daily'] },
]

const meant = (text: string, history: readonly Revision[] = backy) =>
  findRevisions(text, history, now).map(({ name }) => name)

test.each([
  ['2..1', 'r0 r1'],
  ['1, tag:weekly', 'r1 r0'],
  ['0,2..1', 'r2 r0 r1'],
  ['2,1, 2,0,1', 'r0 r1 r2'],
  ['last(tag:daily)..r1', 'r1 r2'],
  ['reverse(not(clean))', 'r2'],
  ['last(reverse(first(r1, r0)))', 'r1'],
  ['first(trust:verified)..last(reverse(2015-08-30..))', 'r0 r1'],
  ['tag:dail', ''],
  ['all', 'r0 r1 r2'],
  ['..', 'r0 r1 r2'],
  ['1..', 'r1 r2'],
  ['..1', 'r0 r1'],
  ['..2015-08-29', 'r0'],
  ['2015-08-29..2015-08-30', 'r0 r1'],
  ['clean', 'r0 r1'],
  ['tag:daily & clean', 'r0 r1'],
  ['reverse(all) & tag:weekly', 'r1 r0'],
  ['tag:monthly, tag:daily & not(clean), r1', 'r0 r2 r1'],
  ['(tag:monthly, tag:daily) & not(clean)', 'r2'],
  ['local', 'r0 r1 r2'],
  ['server:', 'r0 r1 r2'],
  ['remote', ''],
  ['server:backup2', ''],
  ['trust:trusted', 'r1 r2'],
  ['trust:distrusted', ''],
  ['held', ''],
  ['first', 'r0'],
  ['last', 'r2'],
  ['latest', 'r2'],
  ['@latest', 'r2'],
  ['weekly', 'r1'],
  [' ( ( r1 ) ) ', 'r1'],
])("of Backy's history, %s means %s", (text, names) => {
  expect(meant(text).join(' ')).toBe(names)
})

const day = [
  revisionAt(Date.UTC(2026, 10, 20, 8) / 1000, { tags: ['before upgrade', 'a, "b"'] }),
  revisionAt(Date.UTC(2026, 10, 20, 9) / 1000, { tags: ['manual:x', 'tag:y'], isHeld: true }),
  revisionAt(Date.UTC(2026, 10, 20, 9, 30) / 1000, { tags: ['nightly'] }),
]
const [eight, nine, halfPastNine] = day.map(({ name }) => name)

test.each([
  ['@GMT-2026.11.20-09.00.00', nine],
  ['2026-11-20_09.00.00', nine],
  ['@GMT-2026.11.20-09.00.00..2026-11-20_09.30.00', `${nine} ${halfPastNine}`],
  ['before upgrade', eight],
  ['tag:before upgrade', eight],
  [String.raw`"a, \"b\""`, eight],
  [String.raw`tag:"a, \"b\"" , last`, `${eight} ${halfPastNine}`],
  ['manual:x', nine],
  ['tag:manual:x', nine],
  ['"tag:y"', nine],
  ['tag:tag:y', nine],
  ['held', nine],
  ['2026-11-20T18:00+09:00', nine],
  ['2026-11-20 18:00 +09', nine],
  ['2026-11-20T17:59:59.999+09:00', eight],
  ['2026-11-20T04:29-0500', nine],
  ['2026-11-20T09:30Z..', halfPastNine],
  ['2026-11-20T09:00:00.5Z..2026-11-20T08:30Z', nine],
])('%s means %s', (text, names) => {
  expect(meant(text, day).join(' ')).toBe(names)
})

test.each([
  ['now', [2026, 11, 20, 18, 0, 0]],
  ['yesterday', [2026, 11, 19, 18, 0, 0]],
  ['90 seconds ago', [2026, 11, 20, 17, 58, 30]],
  ['2 hours ago', [2026, 11, 20, 16, 0, 0]],
  ['1h ago', [2026, 11, 20, 17, 0, 0]],
  ['30m ago', [2026, 11, 20, 17, 30, 0]],
  ['1 day ago', [2026, 11, 19, 18, 0, 0]],
  ['3 weeks ago', [2026, 10, 30, 18, 0, 0]],
  ['9 months ago', [2026, 2, 20, 18, 0, 0]],
  ['2 years ago', [2024, 11, 20, 18, 0, 0]],
  ['2026-11-20', [2026, 11, 20, 0, 0, 0]],
  ['2026-11-20T18:00', [2026, 11, 20, 18, 0, 0]],
] as [string, Parameters<typeof local>][])(
  '%s is the newest snapshot at or before that time, in the zone of whoever asks',
  (text, fields) => {
    const evening = new Date(2026, 10, 20, 18)
    const timeSec = local(...fields)
    const at = revisionAt(timeSec)
    const history = [revisionAt(timeSec - 1), at, revisionAt(timeSec + 1)]
    expect(findRevision(text, history, evening)).toBe(at)
    expect(findRevision(text, history.toSpliced(1, 1), evening)).toBe(history[0])
    expect(findRevisions(`${text}..`, history, evening)).toEqual(history.slice(1))
  },
)

test('a month before the 31st is the last day of a shorter month', () => {
  const leapDay = revisionAt(local(2028, 2, 29, 12))
  const history = [leapDay, revisionAt(local(2028, 3, 1))]
  expect(findRevision('1 month ago', history, new Date(2028, 2, 31, 12))).toBe(leapDay)
})

test('where one snapshot is meant, a tag that several have is the newest with it', () => {
  const tagged = [1, 2, 3].map((sec) => revisionAt(sec, { tags: sec < 3 ? ['daily'] : [] }))
  expect(findRevision('daily', tagged, now)).toBe(tagged[1])
})

test.each([
  ['', 1, 'a snapshot is missing'],
  ['1,', 3, 'a snapshot is missing'],
  ['1 & & 2', 5, "'&' is out of place"],
  ['last)..5', 5, "')' is out of place"],
  ['0..1..2', 5, "'..' is out of place"],
  ['(0, (1)', 1, 'not closed'],
  ['first(0, last(1)', 6, 'not closed'],
  ['(0) 1', 5, "'1' is out of place"],
  ['0, 1 2 (', 4, "'1 2' can't stand before a bracket"],
  ['not', 1, 'needs a bracket'],
  ['first()', 7, "')' is out of place"],
  ['-1', 1, 'begin with 0'],
  ['all..1', 1, 'ends at one snapshot'],
  ['1..(0,1)', 5, 'ends at one snapshot'],
  ['1..not(0)', 4, 'ends at one snapshot'],
  ['0, tag:', 4, 'a tag is missing'],
  ['trust:me', 1, 'trusted, distrusted, verified'],
  ['"abc', 1, 'does not end'],
  ['2026-02-30', 1, 'no such day'],
  ['2026-11-20T24:00', 1, 'no such day or hour'],
  ['2026-11-20T18:00+25:00', 1, 'no zone +25:00'],
  ['2026-11-20T18:00 Mars/Olympus', 1, 'write it as'],
  ['3 moons ago', 1, "'moons' is no unit of time"],
  ['99999999999 years ago', 1, 'too long ago'],
  ['x'.repeat(20_000), 16385, 'at most 16384 characters'],
  ['('.repeat(1000), 51, 'more than 50 brackets'],
])('%j is wrong at character %i: %s', (text, character, what) => {
  const failure = failureOf(() => findRevisions(text, backy, now))
  expect(failure.kind).toBe('usage')
  expect(failure.message).toContain(`, at character ${character}: `)
  expect(failure.message).toContain(what)
  expect(failure.message.length).toBeLessThan(200)
})

test.each([
  ['3', 'only 3 snapshots, the newest is 0'],
  ['aaaa..125', "no snapshot has the name or tag 'aaaa'"],
  ['clean-..,1', "no snapshot has the name or tag 'clean-'"],
  ['@GMT-2015.08.29-23.59.59', 'no snapshot has the name'],
  ['first(tag:none)', 'nothing is meant'],
  ['2015-08-28', 'no snapshot is that old, the oldest is r0'],
  ['10000 years ago', 'no snapshot is that old'],
])('%s is missing: %s', (text, what) => {
  expect(failureOf(() => findRevisions(text, backy, now))).toMatchObject({ kind: 'missing' })
  expect(() => findRevisions(text, backy, now)).toThrow(what)
})

test.each(['0', 'last', 'latest', 'first', 'x', 'yesterday', 'last(all)'])(
  'without snapshots there is no %s',
  (text) => {
    expect(() => findRevisions(text, [], now)).toThrow('there are no snapshots')
  },
)

test.each(['all', '..', 'tag:x', 'not(all)', 'yesterday..now'])(
  'without snapshots %s is an empty list',
  (text) => {
    expect(findRevisions(text, [], now)).toEqual([])
  },
)

test('where one snapshot is needed, none and several are told apart', () => {
  expect(failureOf(() => findRevision('tag:dail', backy, now)).kind).toBe('missing')
  const several = failureOf(() => findRevision('all', backy, now))
  expect(several.kind).toBe('usage')
  expect(several.message).toContain('3 snapshots are meant')
})

function failureOf(action: () => unknown): Failure {
  try {
    action()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('it did not fail')
}
