import { Command } from 'commander'
import type { VolumePast } from '../daemon/listing.js'
import { volumePast, volumeSchedules, withVolume } from '../daemon/listing.js'
import { timingText } from '../daemon/schedule-edit.js'
import type { ScheduleReport } from '../daemon/schedule-report.js'
import { groupSnapshots } from '../daemon/group/group-file.js'
import type { Group } from '../daemon/group/group-file.js'
import { groupPast } from '../daemon/group/group-past.js'
import type { GroupPast } from '../daemon/group/group-past.js'
import { groupAt } from '../daemon/group/group-paths.js'
import { groupMeant, snapDirOption } from './group-options.js'
import { groupForm, snapshotsForm } from './json-form.js'
import { inOneLine, printJson, printLine } from './output.js'
import { volumeArgument } from './volume-option.js'

interface ShowFlags {
  all?: true
  json?: true
  snapDir?: string
}

export function showCommand(): Command {
  return new Command('show')
    .summary('number the snapshots of a volume or a group, the oldest first')
    .description(
      'Lists the snapshots in the form of docker-snap-volume; `list` tells more of each. Of a group (--snap-dir, or ' +
        'VOLUME_SNAP is set and no volume is named): those of all its volumes.',
    )
    .addArgument(volumeArgument())
    .addOption(snapDirOption())
    .option('-a, --all', 'also where they are, and how many are kept')
    .option('--json', 'as JSON, for programs: as `list` has it')
    .addHelpText(
      'after',
      `
Examples:
  bygone show /srv/docs
  bygone show docs -a
  bygone show -a --snap-dir /srv/snap        of all that \`bygone start\` keeps there`,
    )
    .action(show)
}

async function show(volume: string | undefined, flags: ShowFlags): Promise<void> {
  const directory = groupMeant(flags.snapDir, volume === undefined ? [] : [volume])
  if (directory !== undefined) {
    await showGroup(groupAt(directory), flags)
    return
  }
  const { past, schedules } = await withVolume(volume, async (found) => ({
    past: await volumePast(found),
    schedules: (await volumeSchedules(found)).schedules,
  }))
  if (flags.json === true) printJson(snapshotsForm(past.volume, past.snapshots))
  else
    for (const line of shownLines(past, schedules, flags.all === true)) printLine(inOneLine(line))
}

async function showGroup(group: Group, { all, json }: ShowFlags): Promise<void> {
  const past = await groupPast(group)
  if (json === true) printJson(groupForm(group, past))
  else for (const line of shownGroup(group, past, all === true)) printLine(inOneLine(line))
}

export function shownLines(
  { volume, snapshots, policy }: VolumePast,
  schedules: readonly ScheduleReport[],
  isAll: boolean,
): string[] {
  const names = snapshots.map(({ name }) => name)
  if (!isAll) return listLines(names)
  return [
    row('snapshot path', volume.mountPoint ?? '-'),
    'data path:',
    `    ${volume.origin} -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss`,
    row('cron setting', schedules.map(({ timing }) => timingText(timing)).join(', ') || '-'),
    row('snapshot max', policy?.snapshotsMax ?? '-'),
    ...listLines(names),
  ]
}

export function shownGroup(group: Group, past: GroupPast, isAll: boolean): string[] {
  if (!isAll) return listLines(past.names)
  const crons = past.volumes.map(({ cron }) => cron ?? '-')
  const most = past.volumes.map(({ past: { policy } }) => policy?.snapshotsMax ?? '-')
  return [
    row('snapshot path', groupSnapshots(group)),
    'data path:',
    ...group.volumes.map(
      ({ id, path }) => `    ${path} -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss/${id}`,
    ),
    // One, unless somebody has changed a volume's own.
    row('cron setting', [...new Set(crons)].join(', ')),
    row('snapshot max', [...new Set(most)].join(', ')),
    ...listLines(past.names),
  ]
}

function listLines(names: readonly string[]): string[] {
  return ['snapshot list:', ...names.map((name, at) => `    ${at + 1}: ${name}`)]
}

/** As docker-snap-volume has it: the values in one column. */
function row(heading: string, value: string | number): string {
  return `${heading}:`.padEnd(18) + String(value)
}
