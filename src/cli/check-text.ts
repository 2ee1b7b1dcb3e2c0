import { textOf } from '../base/bytes.js'
import type {
  ByteRange,
  CheckCounts,
  CheckHead,
  FileProblem,
  StoreFinding,
} from '../daemon/check-report.js'
import { inOneLine } from './output.js'

/*
 * What `bygone check` found, for people: a heading of one line, and below it what is wrong, at most 80
 * columns wide but for names.
 */

const widthMax = 80
const indent = '  '
/** More are told by --json. */
const rangesMax = 12

export function findingLines({ severity, file, range, text }: StoreFinding): string[] {
  const where = range === undefined ? '' : `${bytesText([range])}: `
  return [`${severity} in the store: ${inOneLine(file)}`, ...wrapped(`${where}${text}`)]
}

export function repairLines(line: string): string[] {
  const [first = '', ...rest] = wrapped(line)
  return [`repaired: ${first.trim()}`, ...rest]
}

export function problemLines({ kind, path, snapshots, lost }: FileProblem): string[] {
  return [
    `lost: ${path === '' ? '(the root)' : inOneLine(textOf(path))}`,
    ...wrapped(`${lostText(lost)}: ${reasons[kind]}`),
    ...wrapped(`in ${snapshotsText(snapshots)}`),
  ]
}

export function summaryLine(head: CheckHead, counts: CheckCounts): string {
  const { snapshots, files, records, journalBytes } = counts
  const parts = [
    countOf(snapshots, 'snapshot'),
    countOf(files, 'path'),
    `${countOf(records, 'record')} (${megabytes(journalBytes)})`,
  ]
  return `${inOneLine(head.name ?? head.origin)}: looked at ${parts.join(', ')}`
}

export function countOf(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
}

const reasons: Record<FileProblem['kind'], string> = {
  changed: 'changed unseen, while it was not mounted or before a record was lost',
  gone: 'gone from the origin, where it should still be',
  damaged: 'damaged in the store',
}

function lostText(lost: FileProblem['lost']): string {
  if (lost === 'everything') return 'all of it'
  return lost === 'names' ? 'some of its names, perhaps' : bytesText(lost)
}

/** Of people's bytes the last is counted in. */
function bytesText(ranges: readonly ByteRange[]): string {
  const shown = ranges
    .slice(0, rangesMax)
    .map(({ start, end }) => (end > start ? `${start}-${end - 1}` : String(start)))
  const more = ranges.length > rangesMax ? ` and ${ranges.length - rangesMax} more ranges` : ''
  return `bytes ${shown.join(', ')}${more}`
}

/** They are in a row. */
function snapshotsText(snapshots: readonly string[]): string {
  const [first = ''] = snapshots
  if (snapshots.length <= 2) return snapshots.join(', ')
  return `${first} to ${snapshots.at(-1) ?? ''} (${snapshots.length} snapshots)`
}

function megabytes(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  let line = indent
  for (const word of inOneLine(text).split(' ')) {
    if (line !== indent && line.length + word.length > widthMax) {
      lines.push(line.trimEnd())
      line = indent
    }
    line += `${word} `
  }
  return [...lines, line.trimEnd()]
}
