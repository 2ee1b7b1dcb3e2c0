#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { Failure } from '../base/failure.js'
import { checkCommand } from './check.js'
import { completeCommand, completionCommand } from './completion.js'
import { daemonCommand } from './daemon.js'
import { deleteCommand } from './delete.js'
import { gcCommand } from './gc.js'
import { ExitCode } from './exit-code.js'
import { expireCommand } from './expire.js'
import { hookCommand } from './hook.js'
import { holdCommand, releaseCommand } from './hold.js'
import { listCommand } from './list.js'
import { manCommand } from './man.js'
import { memoCommand } from './memo.js'
import { metricsCommand } from './metrics.js'
import { mountCommand } from './mount.js'
import { printNote } from './output.js'
import { policyCommand } from './policy.js'
import { reloadCommand } from './reload.js'
import { restoreCommand } from './restore.js'
import { sambaCommand } from './samba.js'
import { scheduleCommand } from './schedule.js'
import { showCommand } from './show.js'
import { snapshotCommand } from './snapshot.js'
import { startCommand } from './start.js'
import { statusCommand } from './status.js'
import { tagCommand } from './tag.js'
import { treeCommand } from './tree.js'
import { unmountCommand } from './unmount.js'
import { nameVolumeByOption } from './volume-option.js'

/*
 * The command line. What goes wrong anywhere arrives here and becomes one line on stderr and an exit
 * code (DESIGN section 2); nothing else prints errors.
 */

const exitUsage = new Failure('usage', '').exitCode

function program(): Command {
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  const bygone = new Command('bygone')
    .description(
      'Gives any directory a past: mounts it with its snapshots as read-only @GMT-… directories ' +
        'beside the live files.',
    )
    .version(version, '--version')
    .addHelpText(
      'after',
      `
Examples:
  bygone mount /srv/docs
  bygone snapshot /srv/docs -m "before the upgrade"
  ls /srv/docs/@latest/ /srv/docs/.snapshots/
  bygone unmount /srv/docs

VOLUME is a name, an origin, a mount point, or any path inside one; without it the one around the
working directory is meant. Every command takes it by -V, and those that take nothing else (or, as
list does, VOLUME first) as an argument too. Exit codes: 0 done, 1 failed,
2 corrupt data or I/O error, 3 exists, 4 store full, 5 no such thing, 64 usage.`,
    )
  for (const command of [
    mountCommand(),
    daemonCommand(),
    startCommand(),
    unmountCommand(),
    snapshotCommand(),
    restoreCommand(),
    deleteCommand(),
    gcCommand(),
    listCommand(),
    showCommand(),
    treeCommand(),
    tagCommand(),
    memoCommand(),
    holdCommand(),
    releaseCommand(),
    policyCommand(),
    expireCommand(),
    scheduleCommand(),
    hookCommand(),
    statusCommand(),
    checkCommand(),
    metricsCommand(),
    reloadCommand(),
    sambaCommand(),
    completionCommand(),
    manCommand(),
  ]) {
    bygone.addCommand(command)
  }
  bygone.addCommand(completeCommand(), { hidden: true })
  for (const command of withSubcommands(bygone)) {
    nameVolumeByOption(command)
    command
      .exitOverride()
      .showSuggestionAfterError(false)
      // Its words come with the CommanderError, and are printed like those of any other failure.
      .configureOutput({ outputError: () => undefined })
  }
  return bygone
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

async function run(): Promise<number> {
  const bygone = program()
  try {
    if (process.argv.length <= 2) {
      throw new Failure('usage', 'no command given: `bygone --help` lists them')
    }
    await bygone.parseAsync()
    return 0
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    if (error instanceof CommanderError) {
      const message = error.message
        .replace(/^error: /, '')
        .trim()
        .replace(/\.$/, '')
      // Of a value that an option does not take, commander makes two sentences.
      const said = message.replace(/ is invalid\. /, ' is invalid: ')
      printNote(`${said}; \`bygone --help\` tells more`)
      return exitUsage
    }
    // At once: a daemon that has not answered in time may never do.
    if (error instanceof ExitCode) process.exit(error.code)
    if (error instanceof Failure) {
      printNote(error.message)
      return error.exitCode
    }
    printNote(`internal error: ${error instanceof Error ? error.message : String(error)}`)
    if (process.env['BYGONE_TRACE'] !== undefined) console.error(error)
    return 1
  }
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads a listing may stop in the middle: that is no failure.
  if (error.code === 'EPIPE') process.exit(0)
  printNote(`can't write the output: ${error.message}`)
  process.exit(1)
})
process.exitCode = await run()
