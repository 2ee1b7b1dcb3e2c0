import { Command } from 'commander'
import { manualPage } from './manual-page.js'

export function manCommand(): Command {
  return new Command('man')
    .summary('print the manual page')
    .description('Prints the manual page of all commands, in the form that man(1) reads.')
    .addHelpText(
      'after',
      `
Examples:
  bygone man | man -l -
  bygone man >/usr/local/share/man/man1/bygone.1`,
    )
    .action((_flags, self: Command) => {
      process.stdout.write(manualPage(self.parent ?? self, pageDate()))
    })
}

/** As reproducible builds have it. */
function pageDate(): Date {
  const epoch = process.env['SOURCE_DATE_EPOCH']
  return epoch === undefined ? new Date() : new Date(Number(epoch) * 1000)
}
