import { Command, Option } from 'commander'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { volumePast, withVolume } from '../daemon/listing.js'
import { checkPolicyTags, keptPeriods, parsePolicy } from '../daemon/policy-edit.js'
import type { KeptPeriod, RetentionPolicy } from '../daemon/policy-edit.js'
import { durationText } from '../daemon/schedule-edit.js'
import { editVolume } from '../daemon/volume-edit.js'
import { volumeForm } from './json-form.js'
import { printJson, printLine } from './output.js'
import {
  byteCount,
  sizeText,
  changedPolicy,
  count,
  tagPriority,
  tagRule,
  type Given,
  type PolicyChange,
} from './policy-options.js'
import { volumeArgument } from './volume-option.js'

type KeepFlags = { [Period in KeptPeriod as `keep${Capitalize<Period>}`]?: Given<number> }
type PolicyFlags = KeepFlags & Omit<PolicyChange, 'keep'> & { clear?: true; json?: true }

export function policyCommand(): Command {
  const policyCommand = new Command('policy')
    .summary('show or change which snapshots of a volume may go by themselves')
    .description(
      'Without options: shows the policy, in the words that would make it. Options change what they ' +
        'are about, and leave the rest; none as a value takes a rule away. A volume without a ' +
        'policy keeps all. Held snapshots, and those with a tag that begins with manual:, are ' +
        'never deleted by a policy. The daemon of a mounted volume keeps to it after each snapshot, at mount and ' +
        'once a day, and not before that: `bygone expire --dry-run` says what it means now.',
    )
    .addArgument(volumeArgument())
    .option('--max <n>', 'at most so many, the newest', count)
  for (const period of keptPeriods) {
    const what =
      period === 'last' ? 'the newest N' : `the newest of each of the newest N ${nouns[period]}`
    policyCommand.option(`--keep-${period} <n>`, what, count)
  }
  return policyCommand
    .option(
      '--tag <rule>',
      'TAG:INTERVAL:KEEP, such as daily:1d:9: a snapshot with the tag goes when KEEP newer ones ' +
        'have it and KEEP intervals have passed; may be repeated, and replaces all rules of tags',
      tagRule,
    )
    .option(
      '--min-free <size>',
      'while less is free on the disk of the store, snapshots go whatever else is said',
      byteCount,
    )
    .option(
      '--priority <tag=n>',
      'who goes later then: the lowest first, 0 without one, then the oldest; may be repeated, and replaces all',
      tagPriority,
    )
    .option('--zone <zone>', 'in which days and weeks begin, such as Asia/Tokyo (default: UTC)')
    .addOption(new Option('--clear', 'no policy: keep all').conflicts(optionNames))
    .option('--json', 'as JSON, for programs')
    .addHelpText(
      'after',
      `
Examples:
  bygone policy docs                         show it
  bygone policy docs --max 128
  bygone policy docs --tag daily:1d:9 --tag weekly:7d:5 --tag monthly:30d:4
  bygone policy docs --keep-hourly 24 --keep-daily 14 --max none --zone Europe/Berlin
  bygone policy docs --min-free 20G --priority weekly=5`,
    )
    .action(policy)
}

const nouns: Record<Exclude<KeptPeriod, 'last'>, string> = {
  hourly: 'hours',
  daily: 'days',
  weekly: 'weeks, from Monday',
  monthly: 'months',
  yearly: 'years',
}

const optionNames = ['max', 'tag', 'minFree', 'priority', 'zone', ...keptPeriods.map(keepFlag)]

function keepFlag<Period extends KeptPeriod>(period: Period): `keep${Capitalize<Period>}` {
  return `keep${period.charAt(0).toUpperCase()}${period.slice(1)}` as `keep${Capitalize<Period>}`
}

async function policy(text: string | undefined, flags: PolicyFlags): Promise<void> {
  const isChange = flags.clear === true || optionNames.some((name) => name in flags)
  await withVolume(text, async (found) => {
    const { volume, policy: before } = await volumePast(found)
    if (!isChange) {
      if (flags.json === true) {
        printJson({
          format: 'bygone-policy',
          version: 1,
          volume: volumeForm(volume),
          policy: before,
        })
      } else for (const line of policyLines(before)) printLine(line)
      return
    }
    const policy = flags.clear === true ? null : newPolicy(before, flags)
    await editVolume(native(), found, { command: 'set-policy', volume: volume.id, policy })
  })
}

function newPolicy(before: RetentionPolicy | null, flags: PolicyFlags): RetentionPolicy {
  const keep = Object.fromEntries(
    keptPeriods.flatMap((period) => {
      const given = flags[keepFlag(period)]
      return given === undefined ? [] : [[period, given] as const]
    }),
  )
  const policy = changedPolicy(before, { ...flags, keep })
  if (flags.tag !== undefined || flags.priority !== undefined) checkPolicyTags(policy)
  const checked = parsePolicy(policy)
  if (checked === null) throw new Failure('usage', 'a policy is missing')
  return checked
}

/** An option a line. */
export function policyLines(policy: RetentionPolicy | null): string[] {
  if (policy === null) return ['keep all: there is no policy']
  const { snapshotsMax, keep, tags, freeBytesMin, priorities, zone } = policy
  const keeps = keptPeriods.filter((period) => keep[period] > 0)
  return [
    ...(snapshotsMax === null ? [] : [`--max ${snapshotsMax}`]),
    ...keeps.map((period) => `--keep-${period} ${keep[period]}`),
    ...tags.map((rule) => `--tag ${rule.tag}:${durationText(rule.intervalSec)}:${rule.keep}`),
    ...(freeBytesMin === null ? [] : [`--min-free ${sizeText(freeBytesMin)}`]),
    ...priorities.map(({ tag, priority }) => `--priority ${tag}=${priority}`),
    `--zone ${zone}`,
  ]
}
