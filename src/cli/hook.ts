import { Argument, Command } from 'commander'
import { Failure } from '../base/failure.js'
import { hookPoints, readHooks, writeHooks } from '../daemon/hook-file.js'
import type { Hook, HookPoint } from '../daemon/hook-file.js'
import { volumePast, withVolume } from '../daemon/listing.js'
import { durationText } from '../daemon/schedule-edit.js'
import { ownerOf } from '../daemon/volume-owner.js'
import type { VolumeSummary } from '../daemon/control-protocol.js'
import { volumeForm } from './json-form.js'
import { printJson, printLine } from './output.js'
import { duration } from './schedule-options.js'
import { volumeArgument, volumeOption } from './volume-option.js'

const timeoutSecDefault = 60
const timeoutSecMax = 86_400

const variablesHelp = `
The command sees BYGONE_HOOK (pre or post), BYGONE_VOLUME, BYGONE_VOLUME_ID, BYGONE_ORIGIN,
BYGONE_MOUNT_POINT, BYGONE_TAGS, BYGONE_MEMO, BYGONE_SCHEDULES; post also BYGONE_RESULT (taken or
failed), BYGONE_SNAPSHOT and BYGONE_ERROR.`

export function hookCommand(): Command {
  return new Command('hook')
    .summary('have commands run before and after each snapshot')
    .description(
      'The commands run as the user whose daemon serves the volume, for each snapshot, whoever takes ' +
        'it. If the one before fails or takes too long, no snapshot is taken; the one after runs in any ' +
        'case. They are kept on this machine (/etc/bygone, or ~/.config/bygone), not in the store.',
    )
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(setCommand())
    .addCommand(removeCommand())
    .addHelpText(
      'after',
      `${variablesHelp}

Examples:
  bygone hook                                of the volume around the working directory
  bygone hook set pre -V db --timeout 30s -- /usr/local/sbin/freeze-db
  bygone hook set post -V db -- /usr/local/sbin/thaw-db --quiet
  bygone hook remove pre post -V db`,
    )
}

function listCommand(): Command {
  return new Command('list')
    .summary('the commands of a volume')
    .description('Shows the commands of a volume, in the words that would set them.')
    .addArgument(volumeArgument())
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone hook list db`,
    )
    .action(list)
}

function setCommand(): Command {
  return new Command('set')
    .summary('set a command')
    .description('Sets the command that runs before (pre) or after (post) each snapshot.')
    .addArgument(pointArgument('<when>'))
    .argument(
      '<command...>',
      'the absolute path of a program, and its arguments; no shell sees them',
    )
    .option(
      '--timeout <time>',
      `then it is ended, and has failed (default: ${durationText(timeoutSecDefault)})`,
      duration,
    )
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `${variablesHelp}

Examples:
  bygone hook set pre -V db --timeout 30s -- /usr/bin/psql -U postgres -c CHECKPOINT`,
    )
    .action(set)
}

function removeCommand(): Command {
  return new Command('remove')
    .alias('rm')
    .summary('remove commands')
    .description('Removes the command before (pre) or after (post) snapshots.')
    .addArgument(pointArgument('<when...>'))
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `
Examples:
  bygone hook remove pre post -V db`,
    )
    .action(remove)
}

function pointArgument(form: string): Argument {
  return new Argument(form, 'pre or post').choices(hookPoints)
}

async function list(text: string | undefined, flags: { json?: true }): Promise<void> {
  const volume = await ownVolume(text)
  const hooks = readHooks(volume.id)
  if (flags.json === true) {
    printJson({ format: 'bygone-hooks', version: 1, volume: volumeForm(volume), ...hooks })
    return
  }
  for (const point of hookPoints) {
    const hook = hooks[point]
    if (hook !== null) printLine(`set ${point} ${hookText(hook)}`)
  }
}

async function set(
  point: HookPoint,
  command: string[],
  flags: { volume?: string; timeout?: number },
): Promise<void> {
  const timeoutSec = flags.timeout ?? timeoutSecDefault
  if (timeoutSec > timeoutSecMax) throw new Failure('usage', '--timeout is more than a day')
  const volume = await ownVolume(flags.volume)
  writeHooks(volume.id, { ...readHooks(volume.id), [point]: { command, timeoutSec } })
}

async function remove(points: HookPoint[], flags: { volume?: string }): Promise<void> {
  const volume = await ownVolume(flags.volume)
  const hooks = readHooks(volume.id)
  const missing = points.find((point) => hooks[point] === null)
  if (missing !== undefined) {
    throw new Failure('missing', `${volume.name} has no ${missing} hook: nothing was changed`)
  }
  writeHooks(volume.id, {
    pre: points.includes('pre') ? null : hooks.pre,
    post: points.includes('post') ? null : hooks.post,
  })
}

/** A volume whose daemon is this user's: another one's does not look where we write. */
async function ownVolume(text: string | undefined): Promise<VolumeSummary> {
  return withVolume(text, async (found) => {
    const { volume } = await volumePast(found)
    const uid = ownerOf(found)
    if (uid === process.geteuid?.()) return volume
    throw new Failure('failed', `${volume.name} is uid ${uid}'s: run this as that user`)
  })
}

/** Words that a shell would not split. */
function hookText({ command, timeoutSec }: Hook): string {
  const words = command.map((word) =>
    /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`,
  )
  return `--timeout ${durationText(timeoutSec)} -- ${words.join(' ')}`
}
