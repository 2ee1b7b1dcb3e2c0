/** Which snapshots of a volume may be deleted by themselves. What it leaves out deletes nothing. */
export interface RetentionPolicy {
  /** At most so many besides those that no policy deletes; null: any number. */
  readonly snapshotsMax: number | null
  /**
   * `last`: so many, the newest. The others: the newest of each of the newest so many hours, days… in which
   * there is one. 0: not by this rule.
   */
  readonly keep: Readonly<Record<KeptPeriod, number>>
  /** One a tag. They concern snapshots that have the tag, and no others. */
  readonly tags: readonly TagRule[]
  /** While less is free on the store's disk, snapshots go whatever the rules say; null: that costs none. */
  readonly freeBytesMin: number | null
  /** Who goes last then: a snapshot has the highest priority of its tags, 0 if none of them is here. */
  readonly priorities: readonly TagPriority[]
  /** In which hours, days, weeks (from Monday), months and years begin: `UTC`, `Asia/Tokyo`. */
  readonly zone: string
}

export const keptPeriods = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
export type KeptPeriod = (typeof keptPeriods)[number]

/** The tag goes from a snapshot when `keep` newer ones have it, and `keep` intervals have passed. */
export interface TagRule {
  readonly tag: string
  readonly intervalSec: number
  /** At least 1. */
  readonly keep: number
}

export interface TagPriority {
  readonly tag: string
  readonly priority: number
}

/** A snapshot with such a tag is never deleted by a policy. */
export function isManualTag(tag: string): boolean {
  return tag.startsWith('manual:')
}

export const emptyPolicy: RetentionPolicy = {
  snapshotsMax: null,
  keep: { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 },
  tags: [],
  freeBytesMin: null,
  priorities: [],
  zone: 'UTC',
}

/** Whether this is the name of a time zone that this machine knows. */
export function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
