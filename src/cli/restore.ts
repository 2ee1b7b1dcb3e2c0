import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { RestoreRun } from '../daemon/restore-run.js'
import { restoreTargets } from '../daemon/restore-target.js'
import { groupMeant, snapDirOption } from './group-options.js'
import { inOneLine, printLine, printNote, showProgress } from './output.js'
import { revHelp, volumeOption } from './volume-option.js'

interface RestoreFlags {
  volume?: string
  snapDir?: string
  yes?: true
  dryRun?: true
}

export function restoreCommand(): Command {
  return new Command('restore')
    .summary('make a volume or a group, or a part of it, as it was')
    .description(
      'Makes the live files exactly as they are in the snapshot: what has been made since is removed; bytes, ' +
        'holes, owner, mode, times, xattrs, ACLs and hard links are those of then. What has not changed is not ' +
        'touched. A snapshot of how it was before is taken first, and its name is printed; it has the tag ' +
        'manual:before-restore, so that no policy deletes it. Programs that write there should be stopped.',
    )
    .argument('<rev>', 'the snapshot')
    .argument('[path]', 'only this, below the root of the volume; of a group ID or ID/PATH')
    .addOption(volumeOption())
    .addOption(snapDirOption())
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'only show what would be done, a line each')
    .addHelpText(
      'after',
      `${revHelp}

Examples:
  bygone restore @GMT-2026.11.20-18.00.00 --dry-run
  bygone restore yesterday reports/2026 -V docs
  bygone restore latest --snap-dir /srv/snap --yes     all volumes of a group
  bygone restore latest mysql --snap-dir /srv/snap     one of them`,
    )
    .action(restore)
}

async function restore(rev: string, path: string | undefined, flags: RestoreFlags): Promise<void> {
  const { volume, snapDir } = flags
  const group = groupMeant(snapDir, volume === undefined ? [] : [volume])
  const targets = await restoreTargets({ group, volume, rev, path })
  const run = new RestoreRun(native(), targets)
  // Before a long walk: it would be for nothing.
  if (flags.dryRun !== true && flags.yes !== true) assertTerminal()
  run.plan()
  if (flags.dryRun === true) {
    for (const line of run.lines) printLine(inOneLine(line))
    failForProblems(run.problems)
    return
  }
  if (run.stepCount === 0) {
    printNote(`all is as it was at ${run.snapshot}: there is nothing to do`)
    failForProblems(run.problems)
    return
  }
  if (flags.yes !== true && !(await isWanted(run))) {
    throw new Failure('failed', 'nothing was changed')
  }
  await carryOut(run)
}

async function carryOut(run: RestoreRun): Promise<void> {
  const stop = new AbortController()
  const onSignal = () => {
    stop.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  const progress = showProgress()
  const { before, done, all, isStopped, problems } = await run.carryOut(stop.signal, (count) => {
    progress(`${count} of ${run.stepCount}`)
  })
  progress(undefined)
  printLine(before)
  if (isStopped) {
    const rest = 'the rest is as it was; run it again to finish'
    throw new Failure(
      'failed',
      `interrupted: ${done} of ${all} changes are made, ${rest}, or \`bygone restore ${before}\` to go back`,
    )
  }
  failForProblems(problems)
}

function failForProblems(problems: readonly string[]): void {
  for (const problem of problems) printNote(problem)
  if (problems.length === 0) return
  const what = problems.length === 1 ? 'one path' : `${problems.length} paths`
  throw new Failure('failed', `${what} could not be made as in the snapshot: see the lines above`)
}

function assertTerminal(): void {
  if (process.stdin.isTTY && process.stderr.isTTY) return
  const advice = 'give --yes, or look first with --dry-run'
  throw new Failure(
    'usage',
    `restore changes live files, and there is no terminal to ask on: ${advice}`,
  )
}

const shownMax = 20

async function isWanted(run: RestoreRun): Promise<boolean> {
  const { lines } = run
  for (const line of lines.slice(0, shownMax)) process.stderr.write(`${inOneLine(line)}\n`)
  if (lines.length > shownMax) process.stderr.write(`... and ${lines.length - shownMax} more\n`)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`As at ${run.snapshot}? ${lines.length} changes [y/N] `)
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
