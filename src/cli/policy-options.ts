import { InvalidArgumentError } from 'commander'
import type { KeptPeriod, RetentionPolicy, TagPriority, TagRule } from '../daemon/policy-edit.js'
import { emptyPolicy } from '../daemon/policy-edit.js'

export const intervalsSec: Record<string, number> = {
  '': 1,
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
  w: 604800,
}
const byteUnits = ['', 'K', 'M', 'G', 'T', 'P']

export type Given<Value> = Value | 'none'

/** What was given on a command line: undefined leaves what is there, `none` takes it away. */
export interface PolicyChange {
  max?: Given<number>
  keep: Partial<Record<KeptPeriod, Given<number>>>
  tag?: Given<TagRule>[]
  minFree?: Given<number>
  priority?: Given<TagPriority>[]
  zone?: string
}

export function changedPolicy(
  policy: RetentionPolicy | null,
  change: PolicyChange,
): RetentionPolicy {
  const before = policy ?? emptyPolicy
  const { max, tag, minFree, priority, zone } = change
  const keep = Object.entries(change.keep).map(([period, given]) => [period, orElse(given, 0)])
  return {
    snapshotsMax: max === undefined ? before.snapshotsMax : orElse(max, null),
    keep: { ...before.keep, ...(Object.fromEntries(keep) as Partial<typeof before.keep>) },
    tags: tag === undefined ? before.tags : tag.filter((each) => each !== 'none'),
    freeBytesMin: minFree === undefined ? before.freeBytesMin : orElse(minFree, null),
    priorities:
      priority === undefined ? before.priorities : priority.filter((each) => each !== 'none'),
    zone: zone ?? before.zone,
  }
}

function orElse<Value, None>(given: Given<Value>, none: None): Value | None {
  return given === 'none' ? none : given
}

export function count(text: string): Given<number> {
  if (text === 'none') return text
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (value === 0) throw new InvalidArgumentError('it must be 1 or more, or none.')
  return value
}

/** `daily:1d:9`: the tag, its interval (s, m, h, d, w; seconds if none), and how many are kept. */
export function tagRule(text: string, before: Given<TagRule>[] | undefined): Given<TagRule>[] {
  if (text === 'none') return [...(before ?? []), text]
  const [, tag, digits = '', unit = '', keep = ''] =
    /^(.+):(\d{1,9})([smhdw]?):(\d{1,9})$/s.exec(text) ?? []
  const intervalSec = Number(digits) * (intervalsSec[unit] ?? 0)
  if (tag === undefined || intervalSec === 0 || Number(keep) === 0) {
    throw new InvalidArgumentError('it must be TAG:INTERVAL:KEEP, such as daily:1d:9, or none.')
  }
  return [...(before ?? []), { tag, intervalSec, keep: Number(keep) }]
}

/** `daily=5`. */
export function tagPriority(
  text: string,
  before: Given<TagPriority>[] | undefined,
): Given<TagPriority>[] {
  if (text === 'none') return [...(before ?? []), text]
  const [, tag, digits] = /^(.+)=(-?\d{1,9})$/s.exec(text) ?? []
  if (tag === undefined) throw new InvalidArgumentError('it must be TAG=NUMBER, or none.')
  return [...(before ?? []), { tag, priority: Number(digits) }]
}

/** `10G`. */
export function byteCount(text: string): Given<number> {
  if (text === 'none') return text
  const [, digits, unit = ''] = /^(\d{1,12})\s*([kmgtp]?)(?:i?b)?$/i.exec(text) ?? []
  const bytes = Number(digits) * 1024 ** byteUnits.indexOf(unit.toUpperCase())
  if (digits === undefined || bytes === 0 || !Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('it must be a size such as 500M or 10G, or none.')
  }
  return bytes
}

/** As it is written on a command line: without loss. */
export function sizeText(bytes: number): string {
  const at = byteUnits.findLastIndex((_, power) => bytes % 1024 ** power === 0)
  return `${bytes / 1024 ** at}${byteUnits[at] ?? ''}`
}
