import type { RevisionExpression, RevisionSet, RevisionSingle } from './revision-expression.js'
import { parseTimeWord } from './revision-time.js'
import { trusts } from './revision.js'

/** A word that could stand for something, but is not written as it must be. */
export class WordError extends Error {}

/** Words that stand before `(`. */
export const functions = ['first', 'last', 'not', 'reverse'] as const

/**
 * What a word that was not quoted stands for by itself. Throws WordError and TimeError.
 *
 * `local`, `remote` and `server:` ask where a snapshot is: all of a store's are here. `clean` asks whether
 * it was finished: one that was not is in no catalog. Backy's expressions so keep their meaning.
 */
export function meaningOf(word: string, at: number): RevisionExpression {
  return setOf(word, at) ?? singleOf(word, at)
}

function setOf(word: string, at: number): RevisionSet | undefined {
  switch (word) {
    case 'all':
      return { kind: 'all', at }
    case 'clean':
      return { kind: 'all', isClean: true, at }
    case 'held':
      return { kind: 'held', at }
    case 'local':
      return { kind: 'server', server: '', at }
    case 'remote':
      return { kind: 'server', server: undefined, at }
  }
  const [, key, value = ''] = /^(tag|trust|server):(.*)$/s.exec(word) ?? []
  if (key === 'tag') {
    if (value === '') throw new WordError('a tag is missing after tag:')
    return { kind: 'tag', tag: value, at }
  }
  if (key === 'trust') {
    const trust = trusts.find((each) => each === value)
    if (trust === undefined) throw new WordError(`trust: is one of ${trusts.join(', ')}`)
    return { kind: 'trust', trust, at }
  }
  return key === 'server' ? { kind: 'server', server: value, at } : undefined
}

function singleOf(word: string, at: number): RevisionSingle {
  if (word === 'first') return { kind: 'first', at }
  if (word === 'last' || word === 'latest' || word === '@latest') return { kind: 'last', at }
  if (/^\d+$/.test(word)) return { kind: 'number', fromNewest: Number(word), at }
  if (/^-\d+$/.test(word)) throw new WordError('numbers begin with 0, the newest snapshot')
  const time = parseTimeWord(word)
  return time === undefined ? { kind: 'name', name: word, at } : { kind: 'time', time, at }
}

/** Whether an expression of this word alone is a name, so that a tag can be told from what else there is. */
export function isPlainWord(word: string): boolean {
  if ((functions as readonly string[]).includes(word) || word !== word.trim()) return false
  try {
    return meaningOf(word, 0).kind === 'name'
  } catch {
    return false
  }
}
