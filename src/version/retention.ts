import { calendarPeriods, periodNames, type CalendarPeriod } from './calendar-periods.js'
import { isManualTag, type RetentionPolicy, type TagRule } from './retention-policy.js'

/** A snapshot as policies see it. */
export interface RetentionSubject {
  readonly timeSec: number
  readonly tags: readonly string[]
  readonly isHeld: boolean
}

export interface Decision<S extends RetentionSubject> {
  readonly snapshot: S
  readonly isKept: boolean
  /** Each rule that keeps it; or, alone, why it goes. */
  readonly reasons: readonly string[]
}

/**
 * What a policy says of each snapshot. Held ones and those with a `manual:` tag stay. Of the others:
 *
 * - if any `keep` count is given, each must be kept by one of those or by a tag's rule;
 * - one with a tag that has a rule must be kept by that or by a `keep` count, others are left alone;
 * - of those that remain, the newest `snapshotsMax` stay.
 *
 * Pure: nothing is deleted here. `snapshots` are oldest first, and so is what it returns.
 */
export function decideRetention<S extends RetentionSubject>(
  snapshots: readonly S[],
  policy: RetentionPolicy,
  nowSec: number,
): Decision<S>[] {
  const reasons = new Map<S, string[]>(
    snapshots.map((snapshot) => [snapshot, protection(snapshot)]),
  )
  const isProtected = new Set(snapshots.filter((each) => reasons.get(each)?.length !== 0))
  const note = (snapshot: S, reason: string) => reasons.get(snapshot)?.push(reason)
  keepByPeriod(snapshots, policy, note)
  for (const rule of policy.tags) keepByTag(snapshots, rule, nowSec, note)

  const isKeepGiven = Object.values(policy.keep).some((count) => count > 0)
  const decisions: Decision<S>[] = []
  let room = policy.snapshotsMax ?? Infinity
  for (const snapshot of snapshots.toReversed()) {
    const keeping = reasons.get(snapshot) ?? []
    const rules = policy.tags.filter(({ tag }) => snapshot.tags.includes(tag))
    if (isProtected.has(snapshot)) decisions.push({ snapshot, isKept: true, reasons: keeping })
    else if (keeping.length === 0 && (isKeepGiven || rules.length > 0)) {
      decisions.push({ snapshot, isKept: false, reasons: [whyUnneeded(rules, isKeepGiven)] })
    } else if (room === 0) {
      const reason = `${policy.snapshotsMax ?? 0} newer ones are kept, and no more may be`
      decisions.push({ snapshot, isKept: false, reasons: [reason] })
    } else {
      room--
      if (policy.snapshotsMax !== null) note(snapshot, `one of the newest ${policy.snapshotsMax}`)
      if (keeping.length === 0) note(snapshot, 'no rule is about it')
      decisions.push({ snapshot, isKept: true, reasons: keeping })
    }
  }
  return decisions.reverse()
}

/**
 * Who goes first while less than `freeBytesMin` is free: by priority, the lowest first, then by age. Not in
 * it are those that no policy deletes, and the newest: without it there would be no past.
 */
export function evictionOrder<S extends RetentionSubject>(
  snapshots: readonly S[],
  policy: RetentionPolicy,
): S[] {
  const priorities = new Map(policy.priorities.map(({ tag, priority }) => [tag, priority]))
  const priorityOf = ({ tags }: S): number => {
    const own = tags.flatMap((tag) => priorities.get(tag) ?? [])
    return own.length === 0 ? 0 : Math.max(...own)
  }
  return snapshots
    .slice(0, -1)
    .filter((each) => protection(each).length === 0)
    .sort((a, b) => priorityOf(a) - priorityOf(b) || a.timeSec - b.timeSec)
}

/** Why no policy may delete it. */
function protection({ isHeld, tags }: RetentionSubject): string[] {
  const manual = tags.filter(isManualTag).map((tag) => `${tag} never expires`)
  return isHeld ? ['held', ...manual] : manual
}

function keepByPeriod<S extends RetentionSubject>(
  snapshots: readonly S[],
  { keep, zone }: RetentionPolicy,
  note: (snapshot: S, reason: string) => void,
): void {
  for (const snapshot of snapshots.slice(Math.max(snapshots.length - keep.last, 0))) {
    note(snapshot, `last ${keep.last}`)
  }
  for (const period of calendarPeriods) {
    if (keep[period] === 0) continue
    for (const [snapshot, name] of newestOfEach(snapshots, period, keep[period], zone)) {
      note(snapshot, `${period} ${name}`)
    }
  }
}

/** The newest of each of the newest `count` periods that have one, and what the period is called. */
function newestOfEach<S extends RetentionSubject>(
  snapshots: readonly S[],
  period: CalendarPeriod,
  count: number,
  zone: string,
): [S, string][] {
  const nameOf = periodNames(period, zone)
  const found: [S, string][] = []
  for (let at = snapshots.length - 1; at >= 0 && found.length < count; at--) {
    const snapshot = snapshots[at]
    if (snapshot === undefined) break
    const name = nameOf(snapshot.timeSec)
    if (found.at(-1)?.[1] !== name) found.push([snapshot, name])
  }
  return found
}

function keepByTag<S extends RetentionSubject>(
  snapshots: readonly S[],
  { tag, intervalSec, keep }: TagRule,
  nowSec: number,
  note: (snapshot: S, reason: string) => void,
): void {
  const tagged = snapshots.filter(({ tags }) => tags.includes(tag)).reverse()
  for (const [newer, snapshot] of tagged.entries()) {
    if (newer < keep) note(snapshot, `${tag} ${newer + 1} of ${keep}`)
    else if (snapshot.timeSec >= nowSec - keep * intervalSec)
      note(snapshot, `${tag}, not old enough`)
  }
}

function whyUnneeded(rules: readonly TagRule[], isKeepGiven: boolean): string {
  const tags = rules.map(({ tag, keep }) => `${keep} newer ones have ${tag}, and it is old`)
  return [...tags, ...(isKeepGiven ? ['no keep rule needs it'] : [])].join('; ')
}
