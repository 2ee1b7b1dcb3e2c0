import { Command } from 'commander'
import { deleteSnapshots, previewDeletion } from '../daemon/deletion.js'
import { bytesText, printLine } from './output.js'
import { revHelp, volumeOption } from './volume-option.js'

export function deleteCommand(): Command {
  return new Command('delete')
    .alias('rm')
    .summary('delete snapshots')
    .description(
      'Deletes the snapshots that REV stands for, all or none, and prints their names. They are gone at once; ' +
        'what only they needed is freed in the background (see `bygone gc`).',
    )
    .argument('<rev...>', 'the snapshots')
    .addOption(volumeOption())
    .option('--force', 'also those that are held')
    .option('--dry-run', 'only show which, and what would be freed')
    .addHelpText(
      'after',
      `${revHelp}

Examples:
  bygone delete @GMT-2026.11.20-18.00.00
  bygone delete before-upgrade --volume docs
  bygone delete first..2026-10-01 --dry-run`,
    )
    .action(deleteRevisions)
}

async function deleteRevisions(
  revisions: string[],
  flags: { volume?: string; dryRun?: true; force?: true },
): Promise<void> {
  if (flags.dryRun === true) {
    const { names, bytes } = await previewDeletion(flags.volume, revisions)
    for (const name of names) printLine(name)
    printLine(`would free ${bytesText(bytes)}`)
    return
  }
  const names = await deleteSnapshots(flags.volume, revisions, flags.force === true)
  for (const name of names) printLine(name)
}
