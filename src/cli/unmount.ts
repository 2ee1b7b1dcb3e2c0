import { Command } from 'commander'
import { native } from '../base/native.js'
import { findVolume } from '../daemon/volume-finder.js'
import { clearStaleMounts } from '../daemon/stale-mounts.js'
import { Failure } from '../base/failure.js'
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
  const found = await findVolume(volume)
  // This process must not be what keeps the mount in use.
  process.chdir('/')
  switch (found.state) {
    case 'mounted':
      try {
        const request = { volume: found.summary.id, force: flags.force === true }
        await found.client.request<'unmount'>({ command: 'unmount', ...request })
      } finally {
        found.client.close()
      }
      break
    case 'stale':
      await clearStaleMounts(native(), [found.entry.mountPoint])
      printNote(`the daemon of ${found.entry.source} had died: the next mount recovers its past`)
      break
    case 'unmounted':
      throw new Failure('missing', `${found.origin} is not mounted: there is nothing to do`)
  }
}
