import { crc32cOf } from './checksum.js'

/*
 * A JSON object as a text that a flipped bit can't turn into another: its first line has the CRC-32C of all the others.
 * Blanks behind it mean nothing. Drawn in FORMAT.md.
 */

const opening = '{\n'
const sealPattern = /^\{\n {2}"crc32c": "([0-9a-f]{8})",\n/

/** `text`: a JSON object that begins on a line of its own and is not empty. */
export function sealed(text: string): string {
  if (!text.startsWith(opening)) throw new Error('no object that begins a line')
  return `${opening}  "crc32c": "${checksumOf(text)}",\n${text.slice(opening.length)}\n`
}

/** The object, without its seal. Throws SyntaxError for what is not whole. */
export function unsealed(text: string): unknown {
  const [line, stated] = sealPattern.exec(text) ?? []
  if (line === undefined) throw new SyntaxError('no checksum in its first line')
  const rest = opening + text.slice(line.length).trimEnd()
  if (checksumOf(rest) !== stated) throw new SyntaxError('a wrong checksum')
  return JSON.parse(rest)
}

function checksumOf(text: string): string {
  const bytes = Buffer.from(text)
  return crc32cOf(bytes, 0, bytes.length, 0).toString(16).padStart(8, '0')
}
