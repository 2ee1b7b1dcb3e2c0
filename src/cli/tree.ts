import { Command } from 'commander'
import type { SnapshotSummary } from '../daemon/control-protocol.js'
import { volumePast, withVolume } from '../daemon/listing.js'
import { snapshotForm, volumeForm } from './json-form.js'
import { inOneLine, outputWidth, printJson, printLine } from './output.js'
import { shortened } from './table.js'
import { when } from './when.js'
import { volumeArgument } from './volume-option.js'

export function treeCommand(): Command {
  return new Command('tree')
    .summary('show how the snapshots of a volume follow from each other')
    .description(
      'Draws the snapshots in the order of time, and where the live files are: you are here.',
    )
    .addArgument(volumeArgument())
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone tree /srv/docs
  bygone tree docs --json | jq .nodes`,
    )
    .action(tree)
}

async function tree(text: string | undefined, flags: { json?: true }): Promise<void> {
  const { volume, snapshots } = await withVolume(text, volumePast)
  if (flags.json === true) {
    const nodes = snapshots.map((each, at) => ({
      ...snapshotForm(each),
      parent: snapshots[at - 1]?.name ?? null,
    }))
    const here = { parent: snapshots.at(-1)?.name ?? null }
    const version = 1
    printJson({ format: 'bygone-tree', version, volume: volumeForm(volume), nodes, here })
    return
  }
  for (const line of treeLines(volume.name, snapshots)) {
    printLine(shortened(inOneLine(line), outputWidth()))
  }
}

export function treeLines(name: string, snapshots: readonly SnapshotSummary[]): string[] {
  const nodes = snapshots.map((each) => {
    const words = [
      each.name,
      when(each.timeSec),
      each.isHeld ? 'held' : '',
      ...each.tags.map((tag) => `[${tag}]`),
    ]
    return `o  ${[...words, each.memo].filter((word) => word !== '').join('  ')}`
  })
  return [name, '|', ...nodes, ...(nodes.length === 0 ? [] : ['|']), '*  (you are here)']
}
