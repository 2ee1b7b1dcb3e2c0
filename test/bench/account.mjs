import { cells, median, short, table } from './report.mjs'

/** The whole account, no line longer than 80 columns but for notes. */
export function account(result) {
  const lines = []
  const rowsWith = (...keys) => result.rows.filter(({ key }) => keys.includes(key))

  const figures = (row, places) => [
    row.label,
    ...places.map((place) => {
      const runs = row.values[place]
      return Array.isArray(runs) ? `${short(median(runs))} ${row.unit}` : '-'
    }),
  ]
  const transports = ['native', 'fuse-native']
  if (rowsWith('snapshot').length > 0) {
    const rows = rowsWith('snapshot').map((row) => figures(row, transports))
    lines.push('', ...table([['taking a snapshot', 'native', 'fuse-n.']], rows))
  }

  const places = ['plain', 'bindfs', 'native', 'native@', 'fuse-native', 'fuse-native@']
  const header = [
    ['', 'plain', 'bindfs', 'native', 'native', 'fuse-n.', 'fuse-n.'],
    ['s: low is good; MB/s: high', '', '', 'live', 'snapshot', 'live', 'snapshot'],
  ]
  const compared = rowsWith('write', 'write4k', 'find', 'stat', 'cp', 'read', 'rm')
  if (compared.length > 0) {
    lines.push(
      '',
      ...table(
        header,
        compared.map((row) => cells(row, places)),
      ),
    )
    lines.push(
      '',
      'Since the snapshot, 1/16 of the large file and 1/100 of the small ones changed.',
    )
  }
  const overwriting = rowsWith('overwrite').map((row) =>
    figures(row, ['plain', 'bindfs', ...transports]),
  )
  if (overwriting.length > 0) {
    const title = [['overwrite 64 KiB, random', 'plain', 'bindfs', 'native', 'fuse-n.']]
    lines.push(
      '',
      ...table(
        title,
        overwriting.map(([label, ...rest]) => [label, ...rest.map(bare)]),
      ),
    )
    lines.push('', 'MB/s (sync: with an fsync at the end). plain and bindfs have no snapshots.')
  }

  const durability = rowsWith('durability').map((row) => cells(row, ['plain', 'ordered', 'strict']))
  if (durability.length > 0) {
    lines.push('', ...table([['after a snapshot', 'plain', 'ordered', 'strict']], durability))
    lines.push('', 'Operations a second; --durability ordered and strict as multiples of plain.')
  }

  const histories = rowsWith('history').map((row) => figures(row, ['few', 'many']))
  if (histories.length > 0) {
    const { historyFew, historyMany } = result.sizes
    const title = [['with so many snapshots', historyFew, historyMany].map(String)]
    lines.push('', ...table(title, histories))
  }

  lines.push('', ...result.notes.map((note) => `- ${note}`), '')
  for (const { name, wanted: bound, value, state } of result.goals) {
    if (state !== 'not measured') lines.push(`${state.padEnd(8)} ${name}: ${value} (${bound})`)
  }
  const count = (state) => result.goals.filter((goal) => goal.state === state).length
  lines.push(
    `goals: ${count('met')} met, ${count('not met')} not met, ${count('not measured')} not measured`,
  )
  return lines.join('\n')
}

function bare(figure) {
  return figure.replace(' MB/s', '')
}
