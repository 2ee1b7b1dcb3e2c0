import { Command } from 'commander'
import { collectGarbage } from '../daemon/deletion.js'
import { bytesText, printLine, showProgress } from './output.js'
import { volumeArgument } from './volume-option.js'

export function gcCommand(): Command {
  return new Command('gc')
    .summary('free now what deleted snapshots have left')
    .description(
      'Does at once, and waits for, what a mounted volume does in the background after a deletion.',
    )
    .addArgument(volumeArgument())
    .addHelpText(
      'after',
      `
Examples:
  bygone delete first..5 && bygone gc`,
    )
    .action(gc)
}

async function gc(volume: string | undefined): Promise<void> {
  const show = showProgress()
  const report = await collectGarbage(volume, ({ visited, bytesFreed }) => {
    show(`${visited} elements looked at, ${bytesText(bytesFreed)} freed`)
  })
  show(undefined)
  const { elementsFreed, filesRemoved, bytesFreed } = report
  printLine(
    `freed ${elementsFreed} elements, ${bytesText(bytesFreed)} of data, ${filesRemoved} files`,
  )
}
