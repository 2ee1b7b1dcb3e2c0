import type { VolumeRecord } from '../store/catalog-data.js'
import {
  dueMs,
  mendedBy,
  longestIntervalSec,
  type Schedule,
  type Timing,
} from '../version/schedule.js'

/** A schedule and how it goes, for programs that only look. Times are ISO 8601 in UTC. */
export interface ScheduleReport {
  name: string
  timing: Timing
  tags: readonly string[]
  memo: string
  ifChanged: boolean
  /** The longest time between two of the next runs (over a weekend, say), in seconds; null: there is one more run at most. */
  intervalSec: number | null
  /** When it runs next, if its volume is mounted then; in the past if it is overdue; null: never. */
  next: string | null
  /** When it last took a snapshot, or found that nothing had changed; null: not yet. */
  lastGood: string | null
  /** The last snapshot that it took, which may have been deleted since. */
  lastSnapshot: string | null
  /** Failed runs since the last good one, and why the last of all times failed. */
  failures: number
  lastFailure: { time: string; message: string } | null
}

export function scheduleReports(
  { schedules }: Pick<VolumeRecord, 'schedules'>,
  nowMs: number,
): ScheduleReport[] {
  return schedules.map((schedule) => scheduleReport(mendedBy(schedule, nowMs), nowMs))
}

function scheduleReport(schedule: Schedule, nowMs: number): ScheduleReport {
  const { name, timing, tags, memo, isIfChanged, goodMs, lastSnapshot, failures } = schedule
  const { lastFailure } = schedule
  return {
    ...{ name, timing, tags, memo },
    ifChanged: isIfChanged,
    intervalSec: longestIntervalSec(timing, nowMs) ?? null,
    next: timeText(dueMs(schedule)),
    lastGood: timeText(goodMs),
    lastSnapshot,
    failures,
    lastFailure: lastFailure && {
      time: new Date(lastFailure.atMs).toISOString(),
      message: lastFailure.message,
    },
  }
}

function timeText(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString()
}
