import { Cron } from 'croner'

/** When snapshots are taken by themselves. */
export type Timing =
  /** Croner's form: five fields, or six with the seconds first. */
  | { readonly kind: 'cron'; readonly cron: string; readonly zone: string }
  /** At every multiple of `everySec` since the year 1 (a Monday), shifted by `offsetSec`. */
  | { readonly kind: 'interval'; readonly everySec: number; readonly offsetSec: number }

/** What a user has asked for. */
export interface ScheduleRule {
  /** Unique in its volume. */
  readonly name: string
  readonly timing: Timing
  /** For its snapshots; so several may have these tags. */
  readonly tags: readonly string[]
  readonly memo: string
  /** None is taken while nothing has changed since the newest. */
  readonly isIfChanged: boolean
}

/** How it went so far. */
export interface ScheduleState {
  /** Slots up to this time are over: a snapshot was taken then or later, or the schedule is younger. */
  readonly doneMs: number
  /** When it last did what it should: took a snapshot, or found nothing changed; null: not yet. */
  readonly goodMs: number | null
  /** The name of the last one that it took; it may have been deleted since. */
  readonly lastSnapshot: string | null
  /** Failed runs since the last good one. */
  readonly failures: number
  readonly lastFailure: { readonly atMs: number; readonly message: string } | null
}

export type Schedule = ScheduleRule & ScheduleState

/** The first day of the calendar, which was a Monday: so weeks begin on one. */
const yearOneSec = -62_135_596_800

/** Slots further away than the year 9999, the last that a snapshot can be named after, never come. */
const slotMsMax = 253_402_300_799_000

/** What of a broken clock's time is too little to believe that the clock was set: NTP steps by less. */
const stepMsMax = 10_000

const minuteMs = 60_000
/** Two minutes after the first failure, then twice as long each time; six hours at most. */
const backoffMsMax = 6 * 60 * minuteMs

const crons = new WeakMap<Timing, Cron>()
const longest = new WeakMap<Timing, number>()
const nextSlots = new WeakMap<Schedule, { slot: number | undefined }>()

/** The first slot after that time; undefined: there is none. Throws for a cron expression or zone that is none. */
export function slotAfter(timing: Timing, ms: number): number | undefined {
  const slot = timing.kind === 'cron' ? cronAfter(timing, ms) : multipleAfter(timing, ms)
  return slot === undefined || slot > slotMsMax ? undefined : slot
}

/** So far is looked ahead for the longest time between two slots: over a weekend. */
const lookAheadMs = 8 * 24 * 60 * minuteMs
/** A busy schedule has its longest time by then. */
const slotsMax = 1000

/**
 * The longest time between two of the next slots, in seconds: so old its newest snapshot gets while all is well. Undefined:
 * there are no two.
 */
export function longestIntervalSec(timing: Timing, nowMs: number): number | undefined {
  if (timing.kind === 'interval') return timing.everySec
  const known = longest.get(timing)
  if (known !== undefined) return known
  let found: number | undefined
  const first = slotAfter(timing, nowMs)
  let before = first
  for (let count = 0; first !== undefined && before !== undefined && count < slotsMax; count++) {
    const next = slotAfter(timing, before)
    if (next === undefined) break
    found = Math.max(found ?? 0, (next - before) / 1000)
    if (next - first > lookAheadMs) break
    before = next
  }
  if (found !== undefined) longest.set(timing, found)
  return found
}

/** When it is to run next: in the past, if it is overdue; undefined: never. */
export function dueMs(schedule: Schedule): number | undefined {
  const { failures, lastFailure } = schedule
  const slot = nextSlot(schedule)
  if (slot === undefined || failures === 0 || lastFailure === null) return slot
  return Math.max(slot, lastFailure.atMs + backoffMs(failures))
}

/** Looked for once: it is asked for whenever anything is due. */
function nextSlot(schedule: Schedule): number | undefined {
  let known = nextSlots.get(schedule)
  if (known === undefined) {
    known = { slot: slotAfter(schedule.timing, schedule.doneMs) }
    nextSlots.set(schedule, known)
  }
  return known.slot
}

/** After so many failures in a row. */
export function backoffMs(failures: number): number {
  return Math.min(2 ** Math.min(failures, 20) * minuteMs, backoffMsMax)
}

/**
 * The clock was set back: what was done by the time that it showed before counts until now, so that the next slot
 * by the new time is kept. Returns the same object if there is nothing to mend.
 */
export function mendedBy<S extends Schedule>(schedule: S, nowMs: number): S {
  const { doneMs, lastFailure } = schedule
  const isAhead = (ms: number) => ms - nowMs > stepMsMax
  const isFailureAhead = lastFailure !== null && isAhead(lastFailure.atMs)
  if (!isAhead(doneMs) && !isFailureAhead) return schedule
  return {
    ...schedule,
    doneMs: isAhead(doneMs) ? nowMs : doneMs,
    lastFailure: isFailureAhead ? { ...lastFailure, atMs: nowMs } : lastFailure,
  }
}

/** As the schedule is when it is made: no slot before counts. */
export function newSchedule(rule: ScheduleRule, nowMs: number): Schedule {
  const { name, timing, tags, memo, isIfChanged } = rule
  return {
    ...{ name, timing, tags, memo, isIfChanged },
    ...{ doneMs: nowMs, goodMs: null, lastSnapshot: null, failures: 0, lastFailure: null },
  }
}

function cronAfter(timing: Extract<Timing, { kind: 'cron' }>, ms: number): number | undefined {
  let cron = crons.get(timing)
  if (cron === undefined) {
    cron = new Cron(timing.cron, { timezone: timing.zone, paused: true })
    crons.set(timing, cron)
  }
  return cron.nextRun(new Date(ms))?.getTime()
}

function multipleAfter(
  { everySec, offsetSec }: Extract<Timing, { kind: 'interval' }>,
  ms: number,
): number {
  const first = yearOneSec + offsetSec
  const passed = Math.floor((ms / 1000 - first) / everySec)
  return (first + (passed + 1) * everySec) * 1000
}
