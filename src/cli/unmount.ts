import { Command } from 'commander'
import { unmountVolume } from '../daemon/unmounting.js'
import { printNote } from './output.js'
import { volumeArgument } from './volume-option.js'

export function unmountCommand(): Command {
  return new Command('unmount')
    .alias('umount')
    .summary('unmount a volume')
    .description(
      'Waits for running work. Exit code 0 means that all is safely in the store and the origin.',
    )
    .addArgument(volumeArgument())
    .option(
      '--force',
      'also if programs use it, or the origin does not answer: what they still do with it fails',
    )
    .addHelpText(
      'after',
      `
Examples:
  bygone unmount /srv/docs
  bygone unmount docs --force`,
    )
    .action(unmount)
}

async function unmount(volume: string | undefined, flags: { force?: true }): Promise<void> {
  const staleOrigin = await unmountVolume(volume, flags.force === true)
  if (staleOrigin !== undefined) {
    printNote(`the daemon of ${staleOrigin} had died: the next mount recovers its past`)
  }
}
