import { Command } from 'commander'
import { byteSizeText } from '../base/byte-size.js'
import type { DaemonStatus, VolumeStatus } from '../daemon/control-protocol.js'
import { volumeStatus } from '../daemon/listing.js'
import { timingText } from '../daemon/schedule-edit.js'
import type { ScheduleReport } from '../daemon/schedule-report.js'
import type { SpaceReport } from '../daemon/space-watch.js'
import { inOneLine, printJson, printLine } from './output.js'
import { volumeArgument } from './volume-option.js'

export function statusCommand(): Command {
  return new Command('status')
    .summary('show how a volume is doing')
    .description('Shows the mount, the store, what was agreed on with the kernel, and counts.')
    .addArgument(volumeArgument())
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone status /srv/docs
  bygone status docs --json | jq .gauges`,
    )
    .action(status)
}

async function status(volume: string | undefined, flags: { json?: true }): Promise<void> {
  const shown = await volumeStatus(volume)
  if (flags.json === true) printJson(shown)
  else for (const line of describe(shown)) printLine(line)
}

/** `field: value`, a line each; what is made of several goes below its heading. */
function describe(shown: VolumeStatus): string[] {
  const { space, warnings, schedules, cuts, daemon, isUnswept, storeBytes, ...plain } = shown
  const runs = Object.fromEntries(schedules.map((each) => [each.name, scheduleText(each)]))
  const said: Record<string, unknown> = {
    ...plain,
    storeBytes: byteSizeText(storeBytes),
    ...(isUnswept ? { deleted: '`bygone gc`, or time while it is mounted, frees the rest' } : {}),
    ...(cuts === undefined ? {} : { 'snapshots taken': cutsText(cuts) }),
    ...(daemon === undefined ? {} : { daemon: describeDaemon(daemon) }),
    space: describeSpace(space),
    ...(schedules.length === 0 ? {} : { schedules: runs }),
  }
  return [...fieldsOf(said), ...warnings.map((warning) => row('warning', warning))]
}

function describeSpace({ store, origin }: VolumeStatus['space']): Record<string, string> {
  return {
    ...(store === undefined ? {} : { store: spaceText(store) }),
    ...(origin === undefined ? {} : { origin: spaceText(origin) }),
  }
}

/** `12 since it was mounted, 8.3 ms each`. */
function cutsText({ count, seconds }: NonNullable<VolumeStatus['cuts']>): string {
  const each = count === 0 ? '' : `, ${((seconds / count) * 1000).toFixed(1)} ms each`
  return `${count} since it was mounted${each}`
}

function describeDaemon({ residentBytes, startedMs, failures }: DaemonStatus) {
  const kinds = Object.entries(failures).map(([kind, count]) => `${kind} ${count}`)
  return {
    started: new Date(startedMs).toISOString(),
    memory: byteSizeText(residentBytes),
    'failed commands': kinds.join(', ') || 'none',
  }
}

/** `0 3 * * * UTC; next …; last …`. */
function scheduleText({ timing, next, lastGood, failures, lastFailure }: ScheduleReport): string {
  const failed = failures > 0 ? `; failed ${failures} x, ${lastFailure?.message ?? ''}` : ''
  return `${timingText(timing)}; next ${next ?? '-'}; last ${lastGood ?? '-'}${failed}`
}

/** `12 GiB of 100 GiB free, 6000 of 65536 inodes; low below 1.0 GiB`. */
function spaceText({ bytes, bytesFree, files, filesFree, lowWaterBytes }: SpaceReport): string {
  const inodes = files === 0 ? '' : `, ${filesFree} of ${files} inodes`
  const low = lowWaterBytes === 0 ? '' : `; low below ${byteSizeText(lowWaterBytes)}`
  return `${byteSizeText(bytesFree)} of ${byteSizeText(bytes)} free${inodes}${low}`
}

function fieldsOf(said: Record<string, unknown>): string[] {
  return Object.entries(said).flatMap(([field, value]) => {
    if (value === null || value === undefined) return []
    if (typeof value !== 'object') return [row(field, value)]
    const inner = Object.entries(value as Record<string, unknown>)
    return [`${field}:`, ...inner.map(([name, each]) => `  ${row(name, each)}`)]
  })
}

function row(field: string, value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') || '-' : String(value)
  return `${`${field}:`.padEnd(22)} ${inOneLine(text)}`
}
