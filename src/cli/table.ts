import { inOneLine } from './output.js'

const gap = 2

/**
 * Rows as aligned columns, at most `widthMax` wide: the last column gives way first, then the one before it,
 * down to the width of its heading. What was cut ends with an ellipsis; --json shows all of it.
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  widthMax: number,
): string[] {
  const cells = [headings, ...rows].map((row) => row.map(inOneLine))
  const widths = headings.map((_, at) => Math.max(...cells.map((row) => lengthOf(row[at] ?? ''))))
  for (let at = widths.length - 1; at >= 0; at--) {
    const excess = widths.reduce((sum, width) => sum + width + gap, -gap) - widthMax
    if (excess <= 0) break
    widths[at] = Math.max(lengthOf(headings[at] ?? ''), (widths[at] ?? 0) - excess)
  }
  return cells.map((row) =>
    row
      .map((cell, at) => fitted(cell, widths[at] ?? 0))
      .join(' '.repeat(gap))
      .trimEnd(),
  )
}

/** At most so wide: what was cut ends with an ellipsis. */
export function shortened(text: string, widthMax: number): string {
  return lengthOf(text) <= widthMax ? text : fitted(text, widthMax)
}

function fitted(cell: string, width: number): string {
  if (isPlain(cell) && cell.length <= width) return cell.padEnd(width)
  const characters = charactersOf(cell)
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`
  return cell + ' '.repeat(width - characters.length)
}

function lengthOf(cell: string): number {
  if (isPlain(cell)) return cell.length
  return charactersOf(cell).length
}

/** Most cells are, and a thousand rows of segments take a second. */
function isPlain(cell: string): boolean {
  return /^[ -~]*$/.test(cell)
}

const segmenter = new Intl.Segmenter()

/** As a reader counts them: a letter with its accents is one. */
function charactersOf(cell: string): string[] {
  return Array.from(segmenter.segment(cell), ({ segment }) => segment)
}
