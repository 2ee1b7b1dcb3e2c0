import { Command } from 'commander'
import { deleteSnapshots, previewDeletion, type Deletion } from '../daemon/deletion.js'
import { bytesText, printLine, printNote } from './output.js'
import { revHelp, volumeOption } from './volume-option.js'

export function deleteCommand(): Command {
  return new Command('delete')
    .alias('rm')
    .summary('delete snapshots')
    .description(
      'Deletes the snapshots that REV stands for, all or none, and prints their names. They are gone at once; ' +
        'what only they needed is freed in the background while the volume is mounted, or by `bygone gc`.',
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
  const deletion = await deleteSnapshots(flags.volume, revisions, flags.force === true)
  printDeletion(deletion)
}

export function printDeletion({ names, isSpaceLeft }: Deletion): void {
  for (const name of names) printLine(name)
  if (isSpaceLeft) {
    printNote('what only they needed is freed by `bygone gc`, or when the volume is mounted')
  }
}
