import { Command, Option } from 'commander'
import type { SnapshotSummary, VolumeSummary } from '../daemon/control-protocol.js'
import { listVolumes, sharesOfSnapshots, volumePast, withVolume } from '../daemon/listing.js'
import { chooseSnapshots } from '../daemon/revision-choice.js'
import type { Share } from '../daemon/snapshot-shares.js'
import { unknownShare } from '../daemon/snapshot-shares.js'
import { sharedSnapshotForm, snapshotsForm, volumesForm } from './json-form.js'
import { lineTemplate } from './line-template.js'
import { bytesText, outputWidth, printJson, printLine, styled } from './output.js'
import { table } from './table.js'
import { revHelp } from './volume-option.js'
import { ago, when } from './when.js'

interface ListFlags {
  json?: true
  format?: string
  wait?: true
}

/** A snapshot, and what it is answerable for, as far as that is known. */
type Listed = SnapshotSummary & Share

export function listCommand(): Command {
  return new Command('list')
    .alias('ls')
    .summary("list volumes, or a volume's snapshots")
    .description(
      'Without VOLUME: the volumes of every store that is in use, and the one around the ' +
        'working directory. With VOLUME: its snapshots, the newest last, or those that REV ' +
        'stands for, in its order; it need not be mounted. CHANGED: what was kept of that which is ' +
        'no longer as in the snapshot before (the old data of what was overwritten or removed). UNIQUE: what ' +
        'is kept for this one alone: what deleting it would free. - for what is not ' +
        'counted yet; of a volume that is not mounted, for what came after the last count (`bygone gc` counts). On a narrow terminal WHEN is how long ago that was.',
    )
    .argument('[volume]', 'its name, origin, mount point, or any path inside')
    .argument('[rev...]', 'only these snapshots')
    .option('--wait', 'until all is counted')
    .option('--json', 'as JSON, for programs')
    .addOption(
      new Option(
        '--format <line>',
        `a line for each, such as '{name}\\t{tags}'; fields are ${snapshotFields.join(', ')}; ` +
          `of volumes ${volumeFields.join(', ')}`,
      ).conflicts('json'),
    )
    .addHelpText(
      'after',
      `${revHelp}

Examples:
  bygone list
  bygone list .                              snapshots of the volume around the working directory
  bygone list docs yesterday..               those of the last 24 hours
  bygone list docs 'tag:daily & not(held)' --format '{name}'
  bygone list /srv/docs --json | jq -r .snapshots[-1].name`,
    )
    .action(list)
}

async function list(volume: string | undefined, revs: string[], flags: ListFlags): Promise<void> {
  if (volume === undefined) printVolumes(await listVolumes(), flags)
  else {
    await withVolume(volume, async (found) => {
      const past = await volumePast(found)
      const { snapshots } = past
      const chosen = revs.length === 0 ? snapshots : chooseSnapshots(revs, snapshots, new Date())
      const shares = await sharesOfSnapshots(found, flags.wait === true)
      const listed = chosen.map((each) => ({ ...each, ...(shares.get(each.name) ?? unknownShare) }))
      printSnapshots(past.volume, listed, flags)
    })
  }
}

const volumeFields = ['name', 'snapshots', 'newest', 'mountPoint', 'origin', 'store', 'id'] as const

function printVolumes(volumes: readonly VolumeSummary[], { json, format }: ListFlags): void {
  if (json === true) {
    printJson(volumesForm(volumes))
    return
  }
  if (format !== undefined) {
    const line = lineTemplate(format, volumeFields)
    for (const each of volumes) {
      const values = volumeFields.map((field) => [field, String(each[field] ?? '')])
      printLine(line(Object.fromEntries(values) as Record<string, string>))
    }
    return
  }
  const rows = volumes.map((each) => [
    each.name,
    String(each.snapshots),
    each.newest ?? '-',
    each.mountPoint ?? `(${each.origin})`,
  ])
  printTable(['VOLUME', 'SNAPSHOTS', 'NEWEST', 'MOUNTED ON'], rows)
}

const snapshotFields = [
  ...['name', 'plainName', 'time', 'timeSec', 'tags', 'held', 'memo'],
  ...['changedBytes', 'changedElements', 'uniqueBytes'],
] as const

function printSnapshots(
  volume: VolumeSummary,
  snapshots: readonly Listed[],
  { json, format }: ListFlags,
): void {
  if (json === true) {
    printJson(snapshotsForm(volume, snapshots, sharedSnapshotForm))
    return
  }
  if (format !== undefined) {
    const line = lineTemplate(format, snapshotFields)
    for (const each of snapshots) printLine(line(valuesOf(each)))
    return
  }
  const headings = ['WHEN', 'SNAPSHOT', 'HELD', 'CHANGED', 'UNIQUE', 'TAGS', 'MEMO']
  const rowsWith = (time: (timeSec: number) => string) =>
    snapshots.map((each) => [
      time(each.timeSec),
      each.name,
      each.isHeld ? 'held' : '',
      sizeText(each.changedBytes),
      sizeText(each.uniqueBytes),
      each.tags.join(' '),
      each.memo,
    ])
  // Where not all has room, the name must do for the exact time.
  const rows = rowsWith(when)
  const whole = table(headings, rows, outputWidth(), headings.length)
  const isRoomy = whole.every((line) => line.length <= outputWidth())
  const nowMs = Date.now()
  printTable(headings, isRoomy ? rows : rowsWith((timeSec) => ago(timeSec, nowMs)), 5)
}

function sizeText(bytes: number | null): string {
  return bytes === null ? '-' : bytesText(bytes)
}

function valuesOf(snapshot: Listed): Record<(typeof snapshotFields)[number], string> {
  const { name, plainName, time, timeSec, tags, isHeld, memo } = snapshot
  const { changedBytes, changedElements, uniqueBytes } = snapshot
  return {
    name,
    plainName,
    time,
    timeSec: String(timeSec),
    tags: tags.join(','),
    held: isHeld ? 'held' : '',
    memo,
    changedBytes: String(changedBytes ?? ''),
    changedElements: String(changedElements ?? ''),
    uniqueBytes: String(uniqueBytes ?? ''),
  }
}

function printTable(headings: string[], rows: string[][], rigid = 0): void {
  if (rows.length === 0) return
  const [heading = '', ...lines] = table(headings, rows, outputWidth(), rigid)
  printLine(styled(heading, 'bold'))
  for (const line of lines) printLine(line)
}
