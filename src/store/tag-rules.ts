import { isManualTag } from '../version/retention-policy.js'
import type { VolumeRecord } from './catalog-data.js'

/**
 * A tag names one snapshot, so that a mistake is noticed and `.snapshots/TAG` stays what it is. Those that
 * are for keeping, or that a schedule gives, are of many: where one is meant it is the newest with it.
 */
export function mayRepeat(
  tag: string,
  { policy, schedules }: Pick<VolumeRecord, 'policy' | 'schedules'>,
): boolean {
  const isForKeeping = policy?.tags.some((rule) => rule.tag === tag) ?? false
  const isScheduled = () => schedules.some(({ tags }) => tags.includes(tag))
  return isManualTag(tag) || isForKeeping || isScheduled()
}

/** A tag is a name in `.snapshots/`. Which ones a user may choose is the daemon's to say. */
export function isTag(text: string): boolean {
  const isName = text !== '' && text !== '.' && text !== '..' && !/[/\p{Cc}]/u.test(text)
  return isName && Buffer.byteLength(text) <= 255
}
