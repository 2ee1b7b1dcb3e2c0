import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { findRevisions } from '../../src/version/revision-resolver.js'
import type { Revision } from '../../src/version/revision.js'
import { seedOfThisRun } from '../support/random.js'
import { revisionsTagged } from '../support/revisions.js'

// fast-check prints how a failure came about; BYGONE_SEED=<seed> replays it.
const seed = seedOfThisRun()
const now = new Date(60_000)
const resolve = (text: string, history: readonly Revision[]) => findRevisions(text, history, now)

const tags = ['a', 'b', 'release 1.2']
const histories = fc
  .array(fc.subarray(tags), { maxLength: 8 })
  .map((each) => revisionsTagged(...each))

/** Sets, written in the grammar: no single snapshot in them can be missing. */
const { set } = fc.letrec<{ set: string }>((tie) => ({
  set: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      'all',
      'clean',
      'held',
      'remote',
      '..',
      'tag:a',
      'tag:b',
      'tag:release 1.2',
      '1970-01-01T00:00:02Z..',
      '50 seconds ago..1970-01-01T00:00:05Z',
      'tag:none',
    ),
    tie('set').map((inner) => `not(${inner})`),
    tie('set').map((inner) => `reverse( ${inner} )`),
    fc.tuple(tie('set'), tie('set')).map(([a, b]) => `(${a}, ${b})`),
    fc.tuple(tie('set'), tie('set')).map(([a, b]) => `(${a})&(${b})`),
  ),
}))

const law = (check: (history: Revision[], a: string, b: string) => void) => {
  fc.assert(fc.property(histories, set, set, check), { seed, numRuns: 300 })
}

const unique = (list: readonly Revision[]) => [...new Set(list)]
const inOrder = (history: readonly Revision[], list: readonly Revision[]) =>
  history.filter((each) => list.includes(each))

test('each snapshot is named once, and is one of the history', () => {
  law((history, a) => {
    const list = resolve(a, history)
    expect(list).toEqual(unique(list))
    expect(history).toEqual(expect.arrayContaining(list))
  })
})

test('not(not(x)) is x, oldest first; x and not(x) are all, and have nothing in common', () => {
  law((history, a) => {
    expect(resolve(`not(not(${a}))`, history)).toEqual(inOrder(history, resolve(a, history)))
    expect(resolve(`(${a})&not(${a})`, history)).toEqual([])
    expect(inOrder(history, resolve(`${a},not(${a})`, history))).toEqual(history)
  })
})

test('a union is its operands one after the other, each snapshot where it comes first', () => {
  law((history, a, b) => {
    const both = [...resolve(a, history), ...resolve(b, history)]
    expect(resolve(`${a}, ${b}`, history)).toEqual(unique(both))
    expect(resolve(`${a}, ${a}`, history)).toEqual(resolve(a, history))
  })
})

test('an intersection is what of the left is in the right, in the order of the left', () => {
  law((history, a, b) => {
    const right = resolve(b, history)
    const both = resolve(a, history).filter((each) => right.includes(each))
    expect(resolve(`(${a}) & (${b})`, history)).toEqual(both)
  })
})

test('not(a, b) is not(a) & not(b)', () => {
  law((history, a, b) => {
    const apart = resolve(`not(${a}) & not(${b})`, history)
    expect(resolve(`not(${a}, ${b})`, history)).toEqual(apart)
  })
})

test('reversed twice it is itself; the first of a list is the last of its reverse', () => {
  law((history, a) => {
    const list = resolve(a, history)
    expect(resolve(`reverse(reverse(${a}))`, history)).toEqual(list)
    if (list.length === 0) return
    expect(resolve(`first(${a})`, history)).toEqual([list[0]])
    expect(resolve(`last(reverse(${a}))`, history)).toEqual([list[0]])
  })
})

test('a range of two snapshots is the same in either direction, and holds both and all between', () => {
  const places = fc.tuple(fc.nat(7), fc.nat(7))
  fc.assert(
    fc.property(places, ([a, b]) => {
      const history = revisionsTagged(...Array.from({ length: 8 }, () => []))
      const [low, high] = [Math.min(a, b), Math.max(a, b)]
      const expected = history.slice(7 - high, 8 - low)
      expect(resolve(`${a}..${b}`, history)).toEqual(expected)
      expect(resolve(`${b}..${a}`, history)).toEqual(expected)
    }),
  )
})

test('any text whatever is resolved or refused in words, soon', () => {
  const history = revisionsTagged(['a'], ['b'], [])
  const pieces = fc.constantFrom(
    ...['(', ')', ',', '&', '..', '.', '"', '\\', ' ', 'not(', 'first(', 'last', 'reverse(', '0'],
    ...[
      'a',
      'tag:',
      'tag:a',
      'server:',
      'trust:',
      '1970-01-01',
      '2026-13-01T99',
      '+09:00',
      '-',
      '@',
    ],
    ...[
      '2 hours ago',
      '999999999999999999999 ago',
      'yesterday',
      '@GMT-',
      '\0',
      '\n',
      '\ud800',
      'ä',
    ],
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(pieces, { maxLength: 40 }).map((each) => each.join('')),
    fc.tuple(pieces, fc.integer({ min: 1, max: 20_000 })).map(([each, n]) => each.repeat(n)),
  )
  let longestMs = 0
  fc.assert(
    fc.property(texts, (text) => {
      const begin = performance.now()
      try {
        expect(history).toEqual(expect.arrayContaining(resolve(text, history)))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        expect(['usage', 'missing']).toContain(error.kind)
        expect(error.message.length).toBeLessThan(300)
      }
      longestMs = Math.max(longestMs, performance.now() - begin)
    }),
    { seed, numRuns: 2000 },
  )
  // It takes a few; a second is for a machine that does other things.
  expect(longestMs).toBeLessThan(1000)
})
