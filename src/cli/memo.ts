import { Command } from 'commander'
import { volumePast, withVolume } from '../daemon/listing.js'
import { chooseSnapshot } from '../daemon/revision-choice.js'
import { editSnapshots } from './edit-snapshots.js'
import { printLine } from './output.js'
import { revHelp, volumeOption } from './volume-option.js'

export function memoCommand(): Command {
  return new Command('memo')
    .summary('show or change the note on a snapshot')
    .description('Without TEXT: prints the memo as it is. With TEXT, which may be "": changes it.')
    .argument('<rev>', 'the snapshot; with TEXT it may be several')
    .argument('[text]', 'the memo')
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `${revHelp}

Examples:
  bygone memo latest
  bygone memo @GMT-2026.11.21-08.49.45 "before the upgrade" -V /srv/docs`,
    )
    .action(memo)
}

async function memo(
  rev: string,
  text: string | undefined,
  flags: { volume?: string },
): Promise<void> {
  if (text !== undefined) {
    await editSnapshots(flags.volume, [rev], { kind: 'memo', memo: text })
    return
  }
  const { snapshots } = await withVolume(flags.volume, volumePast)
  printLine(chooseSnapshot(rev, snapshots, new Date()).memo)
}
