import { formatSnapshotName, plainSnapshotName } from '../../src/store/snapshot-name.js'
import type { Revision } from '../../src/version/revision.js'

/** A snapshot of that time, in a history of no store. */
export function revisionAt(timeSec: number, rest: Partial<Revision> = {}): Revision {
  const name = formatSnapshotName(timeSec)
  return { name, plainName: plainSnapshotName(name), timeSec, tags: [], ...rest }
}

/** One a second from 1970 on, oldest first. */
export function revisionsTagged(...tags: readonly (readonly string[])[]): Revision[] {
  return tags.map((each, timeSec) => revisionAt(timeSec, { tags: each }))
}
