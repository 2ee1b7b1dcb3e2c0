import { median, short } from './report.mjs'

/**
 * What the figures should reach, and whether they do. A goal whose rows were not measured, or only
 * at a smaller size, is neither met nor missed.
 */
export function judge(result) {
  const value = (label, place) => {
    const runs = result.rows.find((row) => row.label === label)?.values[place]
    return Array.isArray(runs) ? median(runs) : undefined
  }
  const ratio = (label, place, base = 'plain') => divide(value(label, place), value(label, base))
  const snapshotMs = (files, snapshots) => value(snapshotLabel(files, snapshots), 'native')
  const { filesFew, filesMany, snapshotsMany } = result.sizes

  const goals = [
    atMost('snapshot, ms', snapshotMs(filesMany, 10), 10),
    within20(
      `snapshot, ${filesMany} files against ${filesFew}`,
      divide(snapshotMs(filesMany, 10), snapshotMs(filesFew, 10)),
    ),
    within20(
      `snapshot, ${snapshotsMany} snapshots against 10`,
      divide(snapshotMs(filesMany, snapshotsMany), snapshotMs(filesMany, 10)),
    ),
  ]
  for (const [place, where] of [
    ['native', 'live'],
    ['native@', 'snapshot'],
  ]) {
    goals.push(
      atMost(`find, cold, ${where}, x plain`, ratio('find, cold', place), 1.5),
      atLeast(
        `find, cold, ${where}, x faster than bindfs`,
        ratio('find, cold', 'bindfs', place),
        3,
      ),
      atLeast(`read, cold, ${where}, x plain`, ratio('read, 1 MiB, cold', place), 0.8),
      atLeast(`read, warm, ${where}, x plain`, ratio('read, 1 MiB, warm', place), 0.9),
    )
  }
  const { historyFew, historyMany, historyFiles } = result.sizes
  const lookup = `lookup of ${historyFiles} files`
  for (const label of ['snapshot', lookup]) {
    goals.push(
      atMost(
        `${label}, ${historyMany} snapshots against ${historyFew}`,
        ratio(label, 'many', 'few'),
        1.2,
      ),
    )
  }
  goals.push(atMost('bygone list VOLUME, ms', value('`bygone list VOLUME`, whole', 'many'), 500))
  goals.push(
    atMost('cp -a out of a snapshot, x plain', ratio('cp -a to plain, cold', 'native@'), 1.5),
    atLeast('write, 1 MiB, x plain', ratio('write, 1 MiB pieces', 'native'), 0.7),
    atLeast('write, 4 KiB, x plain', ratio('write, 4 KiB pieces', 'native'), 0.7),
    atLeast(
      'first overwrite, x without a snapshot',
      divide(value('first after snapshot', 'native'), value('nothing to preserve', 'native')),
      0.5,
    ),
    atLeast(
      'later overwrites, x without a snapshot',
      divide(value('later ones', 'native'), value('nothing to preserve', 'native')),
      0.95,
    ),
    atMost('rm -rf after a snapshot, x plain', ratio('rm -rf after a snapshot', 'native'), 2.5),
  )
  return goals
}

export const snapshotLabel = (files, snapshots) => `${files} files, ${snapshots} before`

function divide(a, b) {
  return a === undefined || b === undefined ? undefined : a / b
}

function atMost(name, value, bound) {
  return goal(name, value, `<= ${bound}`, value <= bound)
}

function atLeast(name, value, bound) {
  return goal(name, value, `>= ${bound}`, value >= bound)
}

function within20(name, value) {
  return goal(name, value, '0.8 to 1.2', value >= 0.8 && value <= 1.2)
}

function goal(name, value, wanted, isMet) {
  if (value === undefined) return { name, wanted, state: 'not measured' }
  return { name, wanted, value: Number(short(value)), state: isMet ? 'met' : 'not met' }
}
