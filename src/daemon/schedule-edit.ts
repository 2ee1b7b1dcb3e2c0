import { createHash } from 'node:crypto'
import { Failure } from '../base/failure.js'
import { FieldCheck, FieldError } from '../store/field-check.js'
import { checkedTiming, isScheduleName } from '../store/schedule-check.js'
import { isZone } from '../version/retention-policy.js'
import { slotAfter, type ScheduleRule, type Timing } from '../version/schedule.js'
import { checkMemo, checkTags } from './snapshot-words.js'

export type { ScheduleRule, Timing }

/** A schedule that came from outside; whether it ever comes is not looked at. Throws a Failure of the kind usage. */
export function parseScheduleRule(value: unknown): ScheduleRule {
  const rule = checkedRule(value)
  checkMemo(rule.memo)
  checkTags(rule.tags)
  return { ...rule, tags: [...new Set(rule.tags)] }
}

export function checkScheduleName(name: string): void {
  if (isScheduleName(name)) return
  const advice = 'use at most 100 bytes without blanks, commas and slashes, and no hyphen first'
  throw new Failure('usage', `'${name}' can't be the name of a schedule: ${advice}`)
}

/**
 * Where in [0, spreadSec) the slots of an interval lie: always the same for a volume's schedule, and different ones for
 * different volumes, so that not all of them begin at once.
 */
export function offsetSecOf(volumeId: string, name: string, spreadSec: number): number {
  if (spreadSec <= 1) return 0
  const digest = createHash('sha256').update(`${volumeId}/${name}`).digest()
  return digest.readUIntBE(0, 6) % spreadSec
}

/** For people: `0 3 * * * UTC`, `every 1h, at +12m`. */
export function timingText(timing: Timing): string {
  if (timing.kind === 'cron') return `${timing.cron} ${timing.zone}`
  const every = `every ${durationText(timing.everySec)}`
  return timing.offsetSec === 0 ? every : `${every} +${durationText(timing.offsetSec)}`
}

/** As it is written on a command line. */
export function durationText(sec: number): string {
  for (const [unit, unitSec] of [
    ['w', 604800],
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
  ] as const) {
    if (sec % unitSec === 0) return `${sec / unitSec}${unit}`
  }
  return `${sec}s`
}

function checkedRule(value: unknown): ScheduleRule {
  try {
    const fields = new FieldCheck('schedule', value)
    const name = fields.text('name')
    checkScheduleName(name)
    const rule = {
      name,
      timing: fields.object('timing', checkedTiming),
      tags: fields.list('tags', textOf),
      memo: fields.text('memo'),
      isIfChanged: fields.flag('isIfChanged'),
    }
    fields.end()
    return rule
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw new Failure('usage', error.message)
  }
}

function textOf(where: string, value: unknown): string {
  if (typeof value !== 'string') throw new FieldError(`${where} is wrong`)
  return value
}

/** Throws a Failure of the kind usage for one that means nothing, or never comes. */
export function checkTiming(timing: Timing, nowMs: number): void {
  if (timing.kind === 'cron' && !isZone(timing.zone)) {
    const advice = 'name one like Asia/Tokyo'
    throw new Failure('usage', `there is no time zone '${timing.zone}': ${advice}`)
  }
  let slot: number | undefined
  try {
    slot = slotAfter(timing, nowMs)
  } catch (error) {
    if (timing.kind !== 'cron' || !(error instanceof Error)) throw error
    const what = error.message.replace(/^CronPattern: /, '').replace(/\.$/, '')
    throw new Failure('usage', `'${timing.cron}' is no cron expression: ${what}`)
  }
  if (slot !== undefined) return
  throw new Failure('usage', `'${timingText(timing)}' never comes: there is no such date any more`)
}
