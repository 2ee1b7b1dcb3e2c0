export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Three digits, whatever the size. */
export function short(number) {
  if (number >= 100) return number.toFixed(0)
  if (number >= 10) return number.toFixed(1)
  return number.toFixed(number < 0.1 ? 3 : 2)
}

const LABEL_WIDTH = 26
const CELL_WIDTH = 9

/** Lines of at most 80 columns: a label and up to six cells. */
export function table(header, rows) {
  const line = ([label, ...cells]) =>
    label.padEnd(LABEL_WIDTH) + cells.map((cell) => cell.padStart(CELL_WIDTH)).join('')
  const width = LABEL_WIDTH + CELL_WIDTH * Math.max(...header.map((cells) => cells.length - 1))
  return [...header.map(line), '-'.repeat(width), ...rows.map(line)].map((text) => text.trimEnd())
}

/**
 * A row of cells: plain in figures, the others as multiples of plain. A value is the list of its
 * runs, or { failed } with the reason.
 */
export function cells(row, places) {
  const plain = row.values.plain
  return [
    `${row.label}`,
    ...places.map((place) => {
      const value = row.values[place]
      if (value === undefined) return '-'
      if (!Array.isArray(value)) return 'failed'
      if (place === 'plain') return `${short(median(value))} ${row.unit}`
      return Array.isArray(plain) ? `${short(median(value) / median(plain))}x` : '?'
    }),
  ]
}
