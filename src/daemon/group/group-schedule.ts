import { timingText } from '../schedule-edit.js'
import type { ScheduleRule, Timing } from '../schedule-edit.js'
import type { ScheduleReport } from '../schedule-report.js'

/** The name of the schedule that `start` gives each volume. */
export const groupSchedule = 'group'

export function timingOf(cron: string): Timing {
  return { kind: 'cron', cron: cron.trim(), zone: 'UTC' }
}

export function groupRule(cron: string): ScheduleRule {
  const timing = timingOf(cron)
  return { name: groupSchedule, timing, tags: [], memo: '', isIfChanged: false }
}

/** When the volume is snapshotted together with the others; undefined: not by itself. */
export function groupCron(schedules: readonly ScheduleReport[]): string | undefined {
  const timing = schedules.find(({ name }) => name === groupSchedule)?.timing
  if (timing === undefined) return undefined
  return timing.kind === 'cron' && timing.zone === 'UTC' ? timing.cron : timingText(timing)
}
