import { Failure } from '../base/failure.js'
import { FieldError } from '../store/field-check.js'
import { checkedPolicy } from '../store/policy-check.js'
import {
  emptyPolicy,
  isZone,
  keptPeriods,
  type KeptPeriod,
  type RetentionPolicy,
  type TagPriority,
  type TagRule,
} from '../version/retention-policy.js'
import { decideRetention, type Decision } from '../version/retention.js'
import type { SnapshotSummary } from './control-protocol.js'
import { checkTag } from './tag.js'

export { emptyPolicy, keptPeriods }
export type { KeptPeriod, RetentionPolicy, TagPriority, TagRule }

/** A policy that came from outside. Throws a Failure of the kind usage. */
export function parsePolicy(value: unknown): RetentionPolicy | null {
  if (value === null) return null
  try {
    const policy = checkedPolicy('policy', value)
    if (isZone(policy.zone)) return policy
    throw new Failure('usage', `there is no time zone '${policy.zone}': name one like Asia/Tokyo`)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw new Failure('usage', error.message)
  }
}

/** What a policy says now of each snapshot, oldest first; without one all are kept. */
export function decisionsOn(
  snapshots: readonly SnapshotSummary[],
  policy: RetentionPolicy | null,
  now: Date,
): Decision<SnapshotSummary>[] {
  return decideRetention(snapshots, policy ?? emptyPolicy, now.getTime() / 1000)
}

/** Only what a user gives now: what is in a catalog already stays as it was given. */
export function checkPolicyTags({ tags, priorities }: RetentionPolicy): void {
  for (const { tag } of [...tags, ...priorities]) checkTag(tag)
}
