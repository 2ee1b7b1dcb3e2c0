import type { TimeWord } from './revision-time.js'
import type { Trust } from './revision.js'

/** What a revision expression says, part by part. `at` is where its word begins in the text. */
export type RevisionExpression = RevisionSingle | RevisionSet

/** Stands for exactly one snapshot, or is wrong. */
export type RevisionSingle =
  /** 0 is the newest. */
  | { kind: 'number'; fromNewest: number; at: number }
  /** A name, a plain name, or the newest with that tag. */
  | { kind: 'name'; name: string; at: number }
  /** The newest at or before it. */
  | { kind: 'time'; time: TimeWord; at: number }
  /** Of a list, in its order; without one, of all there are. */
  | { kind: 'first' | 'last'; of?: RevisionExpression; at: number }

/** Stands for any number of them, none too. */
export type RevisionSet =
  | { kind: 'all'; isClean?: boolean; at: number }
  | { kind: 'held'; at: number }
  | { kind: 'tag'; tag: string; at: number }
  | { kind: 'trust'; trust: Trust; at: number }
  /** '' is here; undefined anywhere else. */
  | { kind: 'server'; server: string | undefined; at: number }
  | { kind: 'not' | 'reverse'; of: RevisionExpression; at: number }
  /** Both ends included, in either order. */
  | { kind: 'range'; ends: (RevisionSingle | undefined)[]; at: number }
  | { kind: 'union' | 'intersection'; of: RevisionExpression[]; at: number }

const singleKinds: readonly RevisionExpression['kind'][] = [
  'number',
  'name',
  'time',
  'first',
  'last',
]

export function isSingle(expression: RevisionExpression): expression is RevisionSingle {
  return singleKinds.includes(expression.kind)
}
