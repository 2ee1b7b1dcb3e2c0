import { Failure } from '../base/failure.js'
import type { FailureKind } from '../base/failure.js'

const shownMax = 60

/** Says what is wrong with an expression, and where. */
export function revisionError(
  text: string,
  at: number,
  what: string,
  kind: FailureKind = 'usage',
): Failure {
  const where = at === 0 && kind === 'missing' ? '' : `, at character ${at + 1}`
  return new Failure(kind, `${quoted(text)}${where}: ${what}`)
}

/** A piece of an expression in a message: the beginning, if it is long. */
export function quoted(text: string): string {
  return `'${text.length > shownMax ? `${text.slice(0, shownMax)}…` : text}'`
}
