import { Command, Option } from 'commander'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { volumeSchedules, withVolume } from '../daemon/listing.js'
import { checkScheduleName, offsetSecOf, timingText, type Timing } from '../daemon/schedule-edit.js'
import type { ScheduleReport } from '../daemon/schedule-report.js'
import { editVolume } from '../daemon/volume-edit.js'
import { volumeForm } from './json-form.js'
import { outputWidth, printJson, printLine, styled } from './output.js'
import { collected, duration, spread } from './schedule-options.js'
import { table } from './table.js'
import { volumeArgument, volumeOption } from './volume-option.js'
import { when } from './when.js'

interface AddFlags {
  volume?: string
  cron?: string
  zone?: string
  every?: number
  spread?: number
  tag?: string[]
  memo?: string
  ifChanged?: true
  replace?: true
}

export function scheduleCommand(): Command {
  return new Command('schedule')
    .summary('have snapshots taken by themselves')
    .description(
      'The daemon takes the snapshots while the volume is mounted. What is due at one time is one ' +
        'snapshot with all of the tags; what is due for several volumes of a store is cut at one ' +
        'instant. Runs that were missed are caught up by one. After a failure it is tried again ' +
        'after 2 minutes, then 4, 8, up to 6 hours.',
    )
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addHelpText(
      'after',
      `
Examples:
  bygone schedule                            of the volume around the working directory
  bygone schedule add nightly --cron '0 3 * * *' --zone Europe/Berlin --tag daily -V docs
  bygone schedule add often --every 15m --if-changed
  bygone schedule remove often -V docs`,
    )
}

function listCommand(): Command {
  return new Command('list')
    .summary('the schedules of a volume, when they run next, and how the last run went')
    .description('Shows the schedules of a volume, when they run next, and how the last run went.')
    .addArgument(volumeArgument())
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone schedule list docs
  bygone schedule list docs --json | jq -r '.schedules[] | select(.failures > 0) | .name'`,
    )
    .action(list)
}

function addCommand(): Command {
  return new Command('add')
    .summary('add a schedule to a volume')
    .description(
      'Adds a schedule to a volume. It begins with the first time that comes from now on. Several ' +
        'snapshots may have its tags.',
    )
    .argument('<name>', 'a name for it, without blanks')
    .addOption(
      new Option(
        '--cron <line>',
        "minute, hour, day of the month, month and day of the week, such as '0 3 * * *'; a field before " +
          'these is the second',
      ).conflicts('every'),
    )
    .addOption(
      new Option('--zone <zone>', 'of --cron, such as Asia/Tokyo (default: UTC)').conflicts(
        'every',
      ),
    )
    .option('--every <time>', 'such as 15m, 1h, 1d, 7d', duration)
    .addOption(
      new Option(
        '--spread <time>',
        'of --every: volumes take turns in this time after each full 15m, 1h, … of UTC; 0: none ' +
          '(default: all of the interval)',
      )
        .argParser(spread)
        .conflicts('cron'),
    )
    .option('--tag <tag>', 'of its snapshots; may be repeated', collected)
    .option('-m, --memo <text>', 'of its snapshots')
    .option('--if-changed', 'none while nothing has changed since the newest snapshot')
    .option('--replace', 'in the place of one with that name')
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `
Examples:
  bygone schedule add nightly --cron '0 3 * * *' --zone Europe/Berlin --tag daily
  bygone schedule add weekly --cron '0 4 * * 0' --tag weekly -m 'before Monday' -V docs
  bygone schedule add often --every 15m --if-changed --replace
  bygone schedule add hourly --every 1h --spread 0`,
    )
    .action(add)
}

function removeCommand(): Command {
  return new Command('remove')
    .alias('rm')
    .summary('remove schedules; their snapshots stay')
    .description('Removes schedules, all or none; their snapshots stay.')
    .argument('<name...>', 'as they are listed')
    .addOption(volumeOption())
    .addHelpText(
      'after',
      `
Examples:
  bygone schedule remove nightly -V docs`,
    )
    .action(remove)
}

async function list(text: string | undefined, flags: { json?: true }): Promise<void> {
  const { volume, schedules } = await withVolume(text, volumeSchedules)
  if (flags.json === true) {
    const form = { format: 'bygone-schedules', version: 1, volume: volumeForm(volume) }
    printJson({ ...form, schedules })
    return
  }
  if (schedules.length === 0) return
  const rows = schedules.map((schedule) => [
    schedule.name,
    timingText(schedule.timing) + (schedule.ifChanged ? ', if changed' : ''),
    timeText(schedule.next),
    timeText(schedule.lastGood),
    schedule.tags.join(','),
    schedule.memo,
    failureText(schedule),
  ])
  const headings = ['SCHEDULE', 'WHEN', 'NEXT', 'LAST', 'TAGS', 'MEMO', 'FAILURE']
  const [heading = '', ...lines] = table(headings, rows, outputWidth(), 4)
  printLine(styled(heading, 'bold'))
  lines.forEach((line, at) => {
    printLine((schedules[at]?.failures ?? 0) > 0 ? styled(line, 'yellow') : line)
  })
}

async function add(name: string, flags: AddFlags): Promise<void> {
  checkScheduleName(name)
  if (flags.cron === undefined && flags.every === undefined) {
    throw new Failure('usage', `when? Give --cron '0 3 * * *', or --every 1h`)
  }
  await withVolume(flags.volume, async (found) => {
    const { volume } = await volumeSchedules(found)
    const rule = {
      name,
      timing: timingOf(volume.id, name, flags),
      tags: flags.tag ?? [],
      memo: flags.memo ?? '',
      isIfChanged: flags.ifChanged === true,
    }
    const edit = { volume: volume.id, rule, replace: flags.replace === true }
    await editVolume(native(), found, { command: 'add-schedule', ...edit })
  })
}

async function remove(names: string[], flags: { volume?: string }): Promise<void> {
  await withVolume(flags.volume, async (found) => {
    const { volume } = await volumeSchedules(found)
    const edit = { volume: volume.id, names }
    await editVolume(native(), found, { command: 'remove-schedules', ...edit })
  })
}

function timingOf(volumeId: string, name: string, flags: AddFlags): Timing {
  const { cron, zone = 'UTC', every = 0 } = flags
  if (cron !== undefined) return { kind: 'cron', cron: cron.trim(), zone }
  const spreadSec = flags.spread ?? every
  if (spreadSec > every) {
    throw new Failure('usage', '--spread is longer than --every: give at most as much')
  }
  return { kind: 'interval', everySec: every, offsetSec: offsetSecOf(volumeId, name, spreadSec) }
}

function timeText(time: string | null): string {
  return time === null ? '-' : when(Date.parse(time) / 1000)
}

/** Only while it lasts. */
function failureText({ failures, lastFailure }: ScheduleReport): string {
  if (failures === 0 || lastFailure === null) return ''
  return `${failures} x, ${lastFailure.message}`
}
