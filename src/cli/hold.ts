import { Command } from 'commander'
import { editSnapshots } from './edit-snapshots.js'
import { revHelp, volumeOption } from './volume-option.js'

export function holdCommand(): Command {
  return command('hold')
    .summary('keep snapshots from being deleted')
    .description(
      'No policy deletes a held snapshot, and nobody by hand without being forced to. Holding it ' +
        'twice is holding it once.',
    )
}

export function releaseCommand(): Command {
  return command('release')
    .summary('let go of held snapshots')
    .description('They may be deleted again. One that is not held stays as it is.')
}

function command(name: 'hold' | 'release'): Command {
  return new Command(name)
    .argument('<rev...>', 'the snapshots')
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `${revHelp}

Examples:
  bygone ${name} before-upgrade
  bygone ${name} 'tag:release & not(latest)' -V /srv/docs`,
    )
    .action((revs: string[], flags: { volume?: string }) =>
      editSnapshots(flags.volume, revs, { kind: name }),
    )
}
