import { inOneLine } from './output.js'

const gap = 2

/** So much of a column is worth reading. */
const widthWorth = 10

/**
 * Rows as aligned columns, at most `widthMax` wide. Where that is too little, columns without a single value go; then the
 * last column gives way, then the one before it, both to what is still worth reading, then to the width of their
 * headings; but never the first `rigid` ones. What was cut ends with an ellipsis; --json shows all of it.
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  widthMax: number,
  rigid = 0,
): string[] {
  const all = [headings, ...rows].map((row) => row.map(inOneLine))
  const widthsOf = (cells: readonly string[][]) =>
    (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => lengthOf(row[at] ?? ''))))
  const isFull = excessOf(widthsOf(all), widthMax) > 0
  const isShown = headings.map((_, at) => !isFull || all.slice(1).some((row) => row[at] !== ''))
  const cells = all.map((row) => row.filter((_, at) => isShown[at]))
  const rigidShown = isShown.slice(0, rigid).filter(Boolean).length
  const widths = widthsOf(cells)
  for (const least of [widthWorth, 0]) {
    for (let at = widths.length - 1; at >= rigidShown; at--) {
      const width = widths[at] ?? 0
      const excess = excessOf(widths, widthMax)
      if (excess <= 0) break
      const narrowest = Math.max(lengthOf(cells[0]?.[at] ?? ''), least)
      widths[at] = Math.min(width, Math.max(narrowest, width - excess))
    }
  }
  return cells.map((row) =>
    row
      .map((cell, at) => fitted(cell, widths[at] ?? 0))
      .join(' '.repeat(gap))
      .trimEnd(),
  )
}

function excessOf(widths: readonly number[], widthMax: number): number {
  return widths.reduce((sum, width) => sum + width + gap, -gap) - widthMax
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
