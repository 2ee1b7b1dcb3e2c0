import { Command } from 'commander'
import { reloadDaemon } from '../daemon/reload.js'

export function reloadCommand(): Command {
  return new Command('reload')
    .summary("replace a volume's daemon by a new one, without unmounting")
    .description(
      'Has the program as it is installed now go on where the running daemon is: programs that use the ' +
        'mount wait for a moment. Concerns all volumes of the same store.',
    )
    .argument(
      '[volume]',
      'its name, origin or mount point; default: the one around the working directory',
    )
    .addHelpText(
      'after',
      `
Examples:
  bygone reload /srv/docs           after an upgrade of bygone`,
    )
    .action(async (volume: string | undefined) => {
      await reloadDaemon(volume)
    })
}
