import { Command } from 'commander'
import type { VolumePast } from '../daemon/listing.js'
import { volumePast, withVolume } from '../daemon/listing.js'
import { snapshotsForm } from './json-form.js'
import { inOneLine, printJson, printLine } from './output.js'

interface ShowFlags {
  all?: true
  json?: true
}

export function showCommand(): Command {
  return new Command('show')
    .summary("number a volume's snapshots, the oldest first")
    .description(
      'Lists the snapshots in the form of docker-snap-volume; `list` tells more of each.',
    )
    .argument(
      '[volume]',
      'its name, origin or mount point; default: the one around the working directory',
    )
    .option('-a, --all', 'also where they are, and how many are kept')
    .option('--json', 'as JSON, for programs: as `list` has it')
    .addHelpText(
      'after',
      `
Examples:
  bygone show /srv/docs
  bygone show docs -a`,
    )
    .action(show)
}

async function show(volume: string | undefined, flags: ShowFlags): Promise<void> {
  const past = await withVolume(volume, volumePast)
  if (flags.json === true) printJson(snapshotsForm(past.volume, past.snapshots))
  else for (const line of shownLines(past, flags.all === true)) printLine(inOneLine(line))
}

export function shownLines({ volume, snapshots, policy }: VolumePast, isAll: boolean): string[] {
  const list = snapshots.map(({ name }, at) => `    ${at + 1}: ${name}`)
  if (!isAll) return ['snapshot list:', ...list]
  return [
    `snapshot path:    ${volume.mountPoint ?? '-'}`,
    'data path:',
    `    ${volume.origin} -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss`,
    // Nothing takes snapshots by itself yet.
    'cron setting:    -',
    `snapshot max:    ${policy?.snapshotsMax ?? '-'}`,
    'snapshot list:',
    ...list,
  ]
}
