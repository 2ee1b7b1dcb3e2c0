import { Failure } from '../base/failure.js'
import { inOneLine } from './output.js'

const escapes: Record<string, string> = { t: '\t', n: '\n', '\\': '\\', '{': '{' }

/**
 * A line of `--format`: `{field}` is replaced, `\t`, `\n`, `\\` and `\{` are what they are elsewhere. Values
 * are shown in one line, so that a line stays one.
 */
export function lineTemplate(
  template: string,
  fields: readonly string[],
): (values: Readonly<Record<string, string>>) => string {
  const parts = [...template.matchAll(/\\(.)|\{([^}]*)\}|([^\\{]+)|(.)/gs)].map((match) => {
    const [, escape, field, text, stray] = match
    if (text !== undefined) return () => text
    if (escape !== undefined) {
      const literal = escapes[escape]
      if (literal === undefined) throw wrong(`\\${escape} stands for nothing`)
      return () => literal
    }
    if (field === undefined) throw wrong(`a single ${stray ?? ''} at character ${match.index + 1}`)
    if (!fields.includes(field)) {
      const known = fields.map((each) => `{${each}}`).join(', ')
      throw wrong(`there is no {${field}}: use ${known}`)
    }
    return (values: Readonly<Record<string, string>>) => inOneLine(values[field] ?? '')
  })
  return (values) => parts.map((part) => part(values)).join('')
}

function wrong(what: string): Failure {
  return new Failure('usage', `--format: ${what}`)
}
