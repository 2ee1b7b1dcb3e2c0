import { Command, Option } from 'commander'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { GroupKeeper } from '../daemon/group/group-keeper.js'
import { durabilities } from '../daemon/mount-order.js'
import type { Durability } from '../daemon/mount-order.js'
import {
  cronGiven,
  snapshotsMaxGiven,
  variable,
  volumeArgument,
  volumeArguments,
} from './group-options.js'
import { printNote } from './output.js'

interface StartFlags {
  snapDir?: string
  store?: string
  max?: string
  cron?: string
  durability: Durability
}

export function startCommand(): Command {
  return new Command('start')
    .summary('keep several volumes together, with their snapshots in one tree')
    .description(
      'Mounts each PATH over itself as volume ID, and shows the snapshots of all as ' +
        'DIR/snapshot/@GMT-…/ID/, read-only. Stays until SIGTERM or SIGINT, then unmounts all. Made to be ' +
        'the main process of a container, as docker-snap-volume: the same variables mean the same.',
    )
    .argument('[volumes...]', 'ID:PATH, such as docs:/srv/docs (default: $VOLUME_DATA)')
    .option('--snap-dir <dir>', 'where the past is kept and shown (default: $VOLUME_SNAP)')
    .option('--max <n>', 'at most so many snapshots, or none (default: $SNAP_MAX, at first 128)')
    .option(
      '--cron <line>',
      'when they are taken, UTC, or none (default: $SNAP_CRON, at first 0 3 * * *)',
    )
    .option('--store <dir>', 'where the past is kept; default: DIR/store')
    .addOption(
      new Option('--durability <kind>', 'strict: the past is on the disk before each change')
        .choices(durabilities)
        .default('ordered'),
    )
    .addHelpText(
      'after',
      `
Variables: VOLUME_DATA (ID:PATH, with commas between them; \\, for a comma in a path), VOLUME_SNAP,
SNAP_MAX, SNAP_CRON. With VOLUME_SNAP set, \`bygone show\`, \`snapshot\` and \`restore\`
without a volume mean all of them.

Examples:
  bygone start docs:/srv/docs mysql:/var/lib/mysql --snap-dir /srv/snap
  bygone snapshot --snap-dir /srv/snap       all at one instant
  bygone show -a --snap-dir /srv/snap
  ls /srv/snap/snapshot/@GMT-*/mysql`,
    )
    .action(start)
}

async function start(volumes: string[], flags: StartFlags): Promise<void> {
  const directory = flags.snapDir ?? variable('VOLUME_SNAP')
  if (directory === undefined) {
    throw new Failure('usage', 'where is the past to be kept? Give --snap-dir, or set VOLUME_SNAP')
  }
  const given =
    volumes.length > 0
      ? volumes.map(volumeArgument)
      : volumeArguments(variable('VOLUME_DATA') ?? '')
  const end = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      end.abort()
    })
  }
  const request = {
    volumes: given,
    directory,
    store: flags.store,
    durability: flags.durability,
    snapshotsMax: snapshotsMaxGiven(flags.max),
    cron: cronGiven(flags.cron),
  }
  const keeper = await GroupKeeper.start(native(), request, printNote)
  // Nothing of the caller's is to be kept in use.
  process.chdir('/')
  printNote(`the snapshots are in ${keeper.snapshots}`)
  if (await keeper.keep(end.signal)) return
  throw new Failure('failed', 'the group ended with a failure: see the lines above')
}
