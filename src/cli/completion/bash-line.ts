import { isOpen } from './candidates.js'
import type { Candidate } from './candidates.js'

/** A command line of bash, up to the cursor. */
export interface BashLine {
  /** As the program would be given them; the last one is being typed, and may be empty. */
  words: string[]
  /** Of the last word. */
  state:
    | { kind: 'plain'; replacedFrom: number }
    | { kind: 'quoted'; mark: '"' | "'" }
    /** Quoted in parts: what bash would replace of it can't be told. */
    | { kind: 'mixed' }
}

/** Break characters that readline has replaced with what follows them. */
const specialPrefixes = '$@'

/** `breaks`: COMP_WORDBREAKS. What stands before one of them in an unquoted word bash leaves as it is. */
export function readBashLine(line: string, breaks: string): BashLine {
  const words: string[] = []
  let word: string | undefined
  let mark: '"' | "'" | undefined
  let hasQuotes = false
  let beganQuoted = false
  let replacedFrom = 0
  const end = () => {
    if (word !== undefined) words.push(word)
    word = undefined
    hasQuotes = false
    beganQuoted = false
    replacedFrom = 0
  }
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? ''
    if (mark === "'" && character !== "'") word = (word ?? '') + character
    else if (character === '\\') {
      const next = line[++at] ?? ''
      const isKept = mark === '"' && !'"\\$`'.includes(next)
      word = `${word ?? ''}${isKept ? '\\' : ''}${next}`
    } else if (mark !== undefined) {
      if (character === mark) mark = undefined
      else word = (word ?? '') + character
    } else if (character === '"' || character === "'") {
      beganQuoted = word === undefined
      hasQuotes = true
      mark = character
      word ??= ''
    } else if (/\s/.test(character)) end()
    else {
      word = (word ?? '') + character
      if (breaks.includes(character)) {
        replacedFrom = word.length - (specialPrefixes.includes(character) ? 1 : 0)
      }
    }
  }
  words.push(word ?? '')
  if (!hasQuotes) return { words, state: { kind: 'plain', replacedFrom } }
  if (mark !== undefined && beganQuoted) return { words, state: { kind: 'quoted', mark } }
  return { words, state: { kind: 'mixed' } }
}

/** What bash is to put in the place of what it replaces; undefined: it can't be written there. */
export function bashReply(candidate: Candidate, { state }: BashLine): string | undefined {
  const { value } = candidate
  switch (state.kind) {
    case 'mixed':
      return undefined
    case 'quoted':
      if (state.mark === '"') return value.replace(/["\\$`]/g, '\\$&')
      return value.includes("'") ? undefined : value
    case 'plain': {
      const rest = value.slice(state.replacedFrom).replace(/[^\w./@:=,+%~\u0080-\uffff-]/g, '\\$&')
      return isOpen(candidate) ? rest : `${rest} `
    }
  }
}
