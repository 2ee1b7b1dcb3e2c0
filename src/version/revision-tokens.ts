import { revisionError } from './revision-error.js'

export type RevisionToken =
  | { kind: 'mark'; mark: Mark; at: number }
  /** `isQuoted`: it began with a quotation mark, so that it is a name and nothing else. */
  | { kind: 'word'; text: string; isQuoted: boolean; at: number }

type Mark = ',' | '&' | '(' | ')' | '..' | 'end'

const marks = ['..', ',', '&', '(', ')'] as const

/** Ends with the mark 'end'. What lies between marks is one word, with the blanks in it (`2 hours ago`). */
export function revisionTokens(text: string): RevisionToken[] {
  const tokens: RevisionToken[] = []
  for (let at = 0; at < text.length;) {
    const mark = marks.find((each) => text.startsWith(each, at))
    if (mark !== undefined) {
      tokens.push({ kind: 'mark', mark, at })
      at += mark.length
    } else if (/\s/.test(text[at] ?? '')) at++
    else {
      const word = readWord(text, at)
      tokens.push(word.token)
      at = word.end
    }
  }
  return [...tokens, { kind: 'mark', mark: 'end', at: text.length }]
}

function readWord(text: string, start: number): { token: RevisionToken; end: number } {
  let word = ''
  /** Blanks at the end belong to the word only if they are quoted. */
  let lengthMin = 0
  let at = start
  for (; at < text.length && !marks.some((mark) => text.startsWith(mark, at)); at++) {
    if (text[at] !== '"') {
      word += text[at] ?? ''
      continue
    }
    const quotation = /^"((?:[^"\\]|\\.)*)"/s.exec(text.slice(at))
    if (quotation === null) throw revisionError(text, at, 'a quotation that does not end')
    word += (quotation[1] ?? '').replace(/\\(.)/gs, '$1')
    lengthMin = word.length
    at += quotation[0].length - 1
  }
  const trimmed = word.slice(0, lengthMin) + word.slice(lengthMin).trimEnd()
  return {
    token: { kind: 'word', text: trimmed, isQuoted: text[start] === '"', at: start },
    end: at,
  }
}
