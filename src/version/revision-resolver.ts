import { quoted, revisionError } from './revision-error.js'
import { isSingle } from './revision-expression.js'
import type { RevisionExpression, RevisionSingle } from './revision-expression.js'
import { parseRevision } from './revision-parser.js'
import { timeOf } from './revision-time.js'
import type { Revision } from './revision.js'

/**
 * The snapshots that a REV stands for, each once, in the order in which it names them; sets and ranges
 * are oldest first. `history` is oldest first. Throws a Failure: usage for what is wrong in any history,
 * missing for a single snapshot that is not in this one.
 */
export function findRevisions<R extends Revision>(
  text: string,
  history: readonly R[],
  now: Date,
): R[] {
  return new Resolver(text, history, now).list(parseRevision(text))
}

/** The one snapshot that a REV stands for; usage if it stands for several, missing if for none. */
export function findRevision<R extends Revision>(
  text: string,
  history: readonly R[],
  now: Date,
): R {
  const [first, ...others] = findRevisions(text, history, now)
  if (first === undefined) throw revisionError(text, 0, 'no snapshot is meant by it', 'missing')
  if (others.length === 0) return first
  const advice = `it must be one: choose by first(…) or last(…)`
  throw revisionError(text, 0, `${others.length + 1} snapshots are meant by it, and ${advice}`)
}

class Resolver<R extends Revision> {
  readonly #text: string
  readonly #history: readonly R[]
  readonly #now: Date

  constructor(text: string, history: readonly R[], now: Date) {
    this.#text = text
    this.#history = history
    this.#now = now
  }

  list(expression: RevisionExpression): R[] {
    if (isSingle(expression)) return [this.#single(expression)]
    switch (expression.kind) {
      case 'all':
        return this.#where((each) => expression.isClean !== true || (each.isClean ?? true))
      case 'held':
        return this.#where((each) => each.isHeld === true)
      case 'tag':
        return this.#where((each) => each.tags.includes(expression.tag))
      case 'trust':
        return this.#where((each) => (each.trust ?? 'trusted') === expression.trust)
      case 'server': {
        const { server } = expression
        if (server === undefined) return this.#where((each) => (each.server ?? '') !== '')
        return this.#where((each) => (each.server ?? '') === server)
      }
      case 'not': {
        const left = new Set(this.list(expression.of))
        return this.#where((each) => !left.has(each))
      }
      case 'reverse':
        return this.list(expression.of).reverse()
      case 'union':
        return [...new Set(expression.of.flatMap((each) => this.list(each)))]
      case 'intersection':
        return this.#intersection(expression.of)
      case 'range':
        return this.#range(expression.ends)
    }
  }

  #where(isMeant: (each: R) => boolean): R[] {
    return this.#history.filter(isMeant)
  }

  #intersection(operands: readonly RevisionExpression[]): R[] {
    const [first = [], ...others] = operands.map((each) => this.list(each))
    return others.reduce((left, right) => {
      const both = new Set(right)
      return left.filter((each) => both.has(each))
    }, first)
  }

  #range([from, to]: readonly (RevisionSingle | undefined)[]): R[] {
    const a = from === undefined ? -Infinity : this.#timeMs(from)
    const b = to === undefined ? Infinity : this.#timeMs(to)
    const [min, max] = [Math.min(a, b), Math.max(a, b)]
    return this.#where(({ timeSec }) => timeSec * 1000 >= min && timeSec * 1000 <= max)
  }

  #timeMs(end: RevisionSingle): number {
    return end.kind === 'time' ? timeOf(end.time, this.#now) : this.#single(end).timeSec * 1000
  }

  #single(expression: RevisionSingle): R {
    const found = this.#find(expression)
    if (found !== undefined) return found
    throw revisionError(this.#text, expression.at, this.#whyMissing(expression), 'missing')
  }

  #find(expression: RevisionSingle): R | undefined {
    switch (expression.kind) {
      case 'number':
        return this.#history.at(-1 - expression.fromNewest)
      case 'name': {
        const { name } = expression
        const named = this.#history.find((each) => each.name === name || each.plainName === name)
        return named ?? this.#history.findLast(({ tags }) => tags.includes(name))
      }
      case 'time': {
        const ms = timeOf(expression.time, this.#now)
        return this.#history.findLast(({ timeSec }) => timeSec * 1000 <= ms)
      }
      case 'first':
        return this.#listOf(expression)[0]
      case 'last':
        return this.#listOf(expression).at(-1)
    }
  }

  #listOf({ of }: { of?: RevisionExpression }): readonly R[] {
    return of === undefined ? this.#history : this.list(of)
  }

  #whyMissing(expression: RevisionSingle): string {
    const [oldest] = this.#history
    if (oldest === undefined) return 'there are no snapshots'
    switch (expression.kind) {
      case 'number':
        return `there are only ${this.#history.length} snapshots, the newest is 0`
      case 'name':
        return `no snapshot has the name or tag ${quoted(expression.name)}`
      case 'time':
        return `no snapshot is that old, the oldest is ${oldest.name}`
      case 'first':
      case 'last':
        return `nothing is meant by what is in the brackets`
    }
  }
}
