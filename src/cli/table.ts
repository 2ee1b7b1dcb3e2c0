import { inOneLine } from './output.js'

const widthMax = 80
const gap = 2

/**
 * Rows as aligned columns, at most 80 wide: the last column gives way first, then the one before it, down to
 * the width of its heading. What was cut ends with an ellipsis; --json shows all of it.
 */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
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

function fitted(cell: string, width: number): string {
  const characters = charactersOf(cell)
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`
  return cell + ' '.repeat(width - characters.length)
}

function lengthOf(cell: string): number {
  return charactersOf(cell).length
}

const segmenter = new Intl.Segmenter()

/** As a reader counts them: a letter with its accents is one. */
function charactersOf(cell: string): string[] {
  return Array.from(segmenter.segment(cell), ({ segment }) => segment)
}
