import { Command } from 'commander'
import { Failure } from '../base/failure.js'
import { deleteSnapshots } from '../daemon/deletion.js'
import { volumePast, withVolume } from '../daemon/listing.js'
import { decisionsOn } from '../daemon/policy-edit.js'
import { printDeletion } from './delete.js'
import { snapshotForm, volumeForm } from './json-form.js'
import { printJson, printLine, styled } from './output.js'
import { table } from './table.js'
import { volumeArgument } from './volume-option.js'

interface ExpireFlags {
  dryRun?: true
  json?: true
}

export function expireCommand(): Command {
  return new Command('expire')
    .summary('delete the snapshots that the policy of a volume does not keep')
    .description(
      'Deletes them, all or none, and prints their names. With --dry-run it changes nothing, and says for ' +
        'each snapshot, the newest last, which rules of `bygone policy` keep it or why it would go.',
    )
    .addArgument(volumeArgument())
    .option('--dry-run', 'only show what would be done, and why')
    .option('--json', 'that as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone expire docs --dry-run
  bygone expire docs
  bygone expire docs --dry-run --json | jq -r '.decisions[] | select(.kept | not) | .name'`,
    )
    .action(expire)
}

async function expire(text: string | undefined, flags: ExpireFlags): Promise<void> {
  if (flags.dryRun !== true && flags.json === true) {
    throw new Failure('usage', '--json tells what would be done: give --dry-run too')
  }
  const { volume, snapshots, policy } = await withVolume(text, volumePast)
  const decisions = decisionsOn(snapshots, policy, new Date())
  if (flags.dryRun !== true) {
    const gone = decisions.filter(({ isKept }) => !isKept).map(({ snapshot }) => snapshot.name)
    // By their names: what has been added meanwhile is not among them, and what is held by now refuses.
    if (gone.length > 0) printDeletion(await deleteSnapshots(text, gone, false))
    return
  }
  if (flags.json === true) {
    const form = decisions.map(({ snapshot, isKept, reasons }) => ({
      ...snapshotForm(snapshot),
      kept: isKept,
      reasons,
    }))
    printJson({ format: 'bygone-expire', version: 1, volume: volumeForm(volume), decisions: form })
    return
  }
  if (decisions.length === 0) return
  const rows = decisions.map(({ snapshot, isKept, reasons }) => [
    snapshot.name,
    isKept ? 'kept' : 'goes',
    reasons.join(', '),
  ])
  // All of the reasons, however wide the terminal.
  const [heading = '', ...lines] = table(['SNAPSHOT', 'THEN', 'WHY'], rows, Infinity)
  printLine(styled(heading, 'bold'))
  lines.forEach((line, at) => {
    printLine(decisions[at]?.isKept === true ? line : styled(line, 'yellow'))
  })
}
