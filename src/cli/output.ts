/** Data for whoever called: on stdout, and nothing else is. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, undefined, 2))
}

/** What a person should know: one line on stderr. */
export function printNote(message: string): void {
  process.stderr.write(`bygone: ${inOneLine(message)}\n`)
}

/** Names may hold any character: what would move the cursor or break the line is shown as an escape. */
export function inOneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** How wide lines may be: a program gets them whole. */
export function outputWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : Infinity
}

const styles = { bold: '1', yellow: '33', dim: '2' }
export type Style = keyof typeof styles

/** Coloured on a terminal, unless NO_COLOR is set (to anything but nothing) or the terminal can't. */
export function styled(text: string, style: Style): string {
  const { NO_COLOR, TERM } = process.env
  const isPlain = !process.stdout.isTTY || (NO_COLOR ?? '') !== '' || TERM === 'dumb'
  return isPlain ? text : `\u001b[${styles[style]}m${text}\u001b[0m`
}

/** For people: at most one digit behind the point. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** One line on a terminal's stderr that each call writes anew, and undefined clears; nowhere else. */
export function showProgress(): (line: string | undefined) => void {
  if (!process.stderr.isTTY) return () => undefined
  return (line) => {
    process.stderr.write(`\r\u001b[K${line ?? ''}`)
  }
}
