import type { Schedule, Timing } from '../version/schedule.js'
import { FieldCheck, FieldError } from './field-check.js'
import { isZoneName } from './policy-check.js'
import { parseSnapshotName } from './snapshot-name.js'
import { isTag } from './tag-rules.js'

/** Of what went wrong, the catalog keeps as much as this. */
export const failureCharactersMax = 1000

/** Like the functions of catalog-check.ts. Whether a cron expression means something is checked when it is given. */
export function checkedSchedule(where: string, value: unknown): Schedule {
  const fields = new FieldCheck(where, value)
  const schedule = {
    name: fields.text('name', isScheduleName),
    timing: fields.object('timing', checkedTiming),
    tags: fields.list('tags', checkedTag),
    memo: fields.text('memo'),
    isIfChanged: fields.flag('isIfChanged'),
    doneMs: fields.integer('doneMs', 0),
    goodMs: fields.integerOrNull('goodMs', 0),
    lastSnapshot: fields.textOrNull(
      'lastSnapshot',
      (name) => parseSnapshotName(name) !== undefined,
    ),
    failures: fields.integer('failures', 0),
    lastFailure: fields.objectOrNull('lastFailure', checkedFailure),
  }
  fields.end()
  if (new Set(schedule.tags).size < schedule.tags.length) throw fields.wrong('tags')
  return schedule
}

/** A word on a command line, and in a table. */
export function isScheduleName(text: string): boolean {
  return /^[^\p{Cc}\s,/-][^\p{Cc}\s,/]*$/u.test(text) && Buffer.byteLength(text) <= 100
}

export function checkedTiming(where: string, value: unknown): Timing {
  const fields = new FieldCheck(where, value)
  const kind = fields.text('kind', (text) => text === 'cron' || text === 'interval')
  const timing: Timing =
    kind === 'cron'
      ? { kind, cron: fields.text('cron', isLine), zone: fields.text('zone', isZoneName) }
      : {
          kind: 'interval',
          everySec: fields.integer('everySec', 1),
          offsetSec: fields.integer('offsetSec', 0),
        }
  fields.end()
  if (timing.kind === 'interval' && timing.offsetSec >= timing.everySec) {
    throw fields.wrong('offsetSec')
  }
  return timing
}

function checkedFailure(where: string, value: unknown): Schedule['lastFailure'] & object {
  const fields = new FieldCheck(where, value)
  const failure = { atMs: fields.integer('atMs', 0), message: fields.text('message') }
  fields.end()
  return failure
}

function checkedTag(where: string, value: unknown): string {
  if (typeof value !== 'string' || !isTag(value)) throw new FieldError(`${where} is wrong`)
  return value
}

function isLine(text: string): boolean {
  return text.length > 0 && text.length <= 256 && !/\p{Cc}/u.test(text)
}
