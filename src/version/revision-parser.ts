import { quoted, revisionError } from './revision-error.js'
import { isSingle } from './revision-expression.js'
import type { RevisionExpression, RevisionSingle } from './revision-expression.js'
import { TimeError } from './revision-time.js'
import { revisionTokens } from './revision-tokens.js'
import type { RevisionToken } from './revision-tokens.js'
import { functions, meaningOf, WordError } from './revision-word.js'

/*
 * The grammar, of which a user types a REV (README). It is Backy's, and knows names, tags and times besides.
 *
 *   expression   = intersection { "," intersection }
 *   intersection = range { "&" range }
 *   range        = term | [ single ] ".." [ single ]
 *   term         = word | "(" expression ")" | function "(" expression ")"
 */

const textMax = 16 * 1024
/** Of brackets in brackets: deeper ones would end the stack. */
const depthMax = 50

/** Throws a Failure of the kind usage that says where it is wrong. */
export function parseRevision(text: string): RevisionExpression {
  if (text.length > textMax) {
    throw revisionError(text, textMax, `a REV has at most ${textMax} characters`)
  }
  const parser = new Parser(text)
  const expression = parser.expression(0)
  parser.expectEnd()
  return expression
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly RevisionToken[]
  #next = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = revisionTokens(text)
  }

  expression(depth: number): RevisionExpression {
    return this.#list(',', 'union', () => this.#list('&', 'intersection', () => this.#range(depth)))
  }

  expectEnd(): void {
    if (this.#peek().kind === 'mark' && this.#isMark('end')) return
    throw this.#unexpected()
  }

  #list(
    mark: ',' | '&',
    kind: 'union' | 'intersection',
    item: () => RevisionExpression,
  ): RevisionExpression {
    const { at } = this.#peek()
    const first = item()
    const of = [first]
    while (this.#take(mark)) of.push(item())
    return of.length === 1 ? first : { kind, of, at }
  }

  #range(depth: number): RevisionExpression {
    const { at } = this.#peek()
    if (this.#take('..')) return { kind: 'range', ends: [undefined, this.#endOfRange(depth)], at }
    const term = this.#term(depth)
    if (!this.#take('..')) return term
    return { kind: 'range', ends: [this.#single(term), this.#endOfRange(depth)], at }
  }

  /** Undefined: the range is open there. */
  #endOfRange(depth: number): RevisionSingle | undefined {
    const token = this.#peek()
    const isTerm = token.kind === 'word' || token.mark === '('
    return isTerm ? this.#single(this.#term(depth)) : undefined
  }

  #single(term: RevisionExpression): RevisionSingle {
    if (isSingle(term)) return term
    throw this.#error(term.at, 'a range ends at one snapshot or time: use first(…) or last(…)')
  }

  #term(depth: number): RevisionExpression {
    const token = this.#peek()
    const { at } = token
    if (token.kind === 'mark') {
      if (token.mark !== '(') throw this.#unexpected()
      return this.#bracketed(depth)
    }
    this.#next++
    if (!this.#isMark('(')) return this.#meaning(token)
    const kind = functions.find((each) => each === token.text)
    if (kind === undefined || token.isQuoted) {
      throw this.#error(
        at,
        `${quoted(token.text)} can't stand before a bracket: use ${functions.join(', ')}`,
      )
    }
    return { kind, of: this.#bracketed(depth), at }
  }

  #bracketed(depth: number): RevisionExpression {
    const { at } = this.#peek()
    if (depth === depthMax) throw this.#error(at, `more than ${depthMax} brackets in each other`)
    this.#take('(')
    const inner = this.expression(depth + 1)
    if (!this.#take(')'))
      throw this.#isMark('end')
        ? this.#error(at, 'a bracket that is not closed')
        : this.#unexpected()
    return inner
  }

  #meaning(word: Extract<RevisionToken, { kind: 'word' }>): RevisionExpression {
    const { text, at, isQuoted } = word
    if (isQuoted) return { kind: 'name', name: text, at }
    if (text === 'not' || text === 'reverse') throw this.#error(at, `'${text}' needs a bracket`)
    try {
      return meaningOf(text, at)
    } catch (error) {
      if (!(error instanceof WordError || error instanceof TimeError)) throw error
      throw this.#error(at, error.message)
    }
  }

  #peek(): RevisionToken {
    // The last token is the mark 'end', which nobody takes.
    const token = this.#tokens[this.#next]
    if (token === undefined) throw new Error('the parser ran over the end')
    return token
  }

  #isMark(mark: string): boolean {
    const token = this.#peek()
    return token.kind === 'mark' && token.mark === mark
  }

  #take(mark: string): boolean {
    const isThere = this.#isMark(mark)
    if (isThere) this.#next++
    return isThere
  }

  #unexpected(): Error {
    const token = this.#peek()
    if (token.kind === 'word') return this.#error(token.at, `${quoted(token.text)} is out of place`)
    if (token.mark !== 'end') return this.#error(token.at, `'${token.mark}' is out of place`)
    return this.#error(token.at, 'a snapshot is missing')
  }

  #error(at: number, what: string): Error {
    return revisionError(this.#text, at, what)
  }
}
