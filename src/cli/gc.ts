import { Command } from 'commander'
import { collectGarbage } from '../daemon/deletion.js'
import { bytesText, printLine, printNote, showProgress } from './output.js'
import { volumeArgument } from './volume-option.js'

export function gcCommand(): Command {
  return new Command('gc')
    .summary('free now what deleted snapshots have left')
    .description(
      'Does at once, and waits for, what a mounted volume does in the background after a deletion. Of a volume ' +
        'that is not mounted it does it itself.',
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
  }).finally(() => {
    show(undefined)
  })
  const { elementsFreed, filesRemoved, bytesFreed, filesLeft } = report
  printLine(
    `freed ${elementsFreed} elements, ${bytesText(bytesFreed)} of data, ${filesRemoved} files`,
  )
  if (filesLeft > 0) {
    const files = filesLeft === 1 ? '1 file has' : `${filesLeft} files have`
    printNote(`${files} other names in the origin: the next mount lets go of the rest`)
  }
}
