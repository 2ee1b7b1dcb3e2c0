import {
  keptPeriods,
  type RetentionPolicy,
  type TagPriority,
  type TagRule,
} from '../version/retention-policy.js'
import { FieldCheck, FieldError } from './field-check.js'
import { isTag } from './tag-rules.js'

/** Like the functions of catalog-check.ts. */
export function checkedPolicy(where: string, value: unknown): RetentionPolicy {
  const fields = new FieldCheck(where, value)
  const policy = {
    snapshotsMax: fields.integerOrNull('snapshotsMax', 1),
    keep: fields.object('keep', checkedKeep),
    tags: fields.list('tags', checkedRule),
    freeBytesMin: fields.integerOrNull('freeBytesMin', 1),
    priorities: fields.list('priorities', checkedPriority),
    zone: fields.text('zone', isZoneName),
  }
  fields.end()
  for (const list of [policy.tags, policy.priorities]) {
    const tags = new Set(list.map(({ tag }) => tag))
    if (tags.size < list.length) throw new FieldError(`${where} has two rules for one tag`)
  }
  return policy
}

function checkedKeep(where: string, value: unknown): RetentionPolicy['keep'] {
  const fields = new FieldCheck(where, value)
  const counts = keptPeriods.map((period) => [period, fields.integer(period, 0)] as const)
  fields.end()
  return Object.fromEntries(counts) as RetentionPolicy['keep']
}

function checkedRule(where: string, value: unknown): TagRule {
  const fields = new FieldCheck(where, value)
  const rule = {
    tag: fields.text('tag', isTag),
    intervalSec: fields.integer('intervalSec', 1),
    keep: fields.integer('keep', 1),
  }
  fields.end()
  return rule
}

function checkedPriority(where: string, value: unknown): TagPriority {
  const fields = new FieldCheck(where, value)
  const priority = {
    tag: fields.text('tag', isTag),
    priority: fields.integer('priority', Number.MIN_SAFE_INTEGER),
  }
  fields.end()
  return priority
}

/** Whether there is one of that name, another machine may know better. */
export function isZoneName(zone: string): boolean {
  return /^[\w+/-]{1,64}$/.test(zone)
}
