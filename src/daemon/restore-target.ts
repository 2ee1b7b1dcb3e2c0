import { Failure } from '../base/failure.js'
import type { ByteString } from '../base/bytes.js'
import { byteStringOfText } from '../base/bytes.js'
import type { SnapshotSummary } from './control-protocol.js'
import { groupPast } from './group/group-past.js'
import { groupAt } from './group/group-paths.js'
import { volumePast, withVolume } from './listing.js'
import type { VolumePast } from './listing.js'
import { chooseSnapshot } from './revision-choice.js'

/** What a user has asked for. */
export interface RestoreRequest {
  /** The directory of a group; undefined: a volume is meant. */
  group: string | undefined
  /** Undefined: the one around the working directory. */
  volume: string | undefined
  rev: string
  /** Below the volume's root; of a group ID or ID/PATH. Undefined: all. */
  path: string | undefined
}

/** One volume that is to be as it was. */
export interface RestoreTarget {
  volumeId: string
  /** Before the paths that are told of; empty for a volume alone. */
  prefix: string
  /** What to find it by. */
  origin: string
  mountPoint: string
  snapshot: SnapshotSummary
  /** Only that, and what is below it; none: all. */
  selection: readonly ByteString[]
}

/** The volumes that are meant, all of them mounted and with that snapshot. Failures tell what is not so. */
export async function restoreTargets(request: RestoreRequest): Promise<RestoreTarget[]> {
  const { group, volume, rev, path } = request
  if (group === undefined) {
    const past = await withVolume(volume, volumePast)
    const snapshot = chooseSnapshot(rev, past.snapshots, new Date())
    return [targetOf(past, '', snapshot, namesOf(path ?? ''))]
  }
  const { volumes } = await groupPast(groupAt(group))
  const [id, ...names] = namesOf(path ?? '')
  const chosen = volumes.filter(
    (each) => id === undefined || byteStringOfText(each.volume.id) === id,
  )
  if (chosen.length === 0) {
    const ids = volumes.map((each) => each.volume.id).join(', ')
    throw new Failure('missing', `'${path ?? ''}' is in no volume of the group: begin with ${ids}`)
  }
  const { name } = chooseSnapshot(rev, historyOf(chosen.map(({ past }) => past)), new Date())
  return chosen.map(({ volume: { id: label }, past }) => {
    const snapshot = past.snapshots.find((each) => each.name === name)
    if (snapshot === undefined) {
      const advice = 'restore the others one by one, by their names'
      throw new Failure('missing', `${label} has no snapshot ${name}: ${advice}`)
    }
    return targetOf(past, `${label}/`, snapshot, names)
  })
}

function targetOf(
  { volume }: VolumePast,
  prefix: string,
  snapshot: SnapshotSummary,
  selection: readonly ByteString[],
): RestoreTarget {
  const { id, origin, mountPoint } = volume
  if (mountPoint === null) {
    const advice = 'it is restored through its mount, so that what is there now stays in its past'
    throw new Failure('failed', `${origin} is not mounted: ${advice}`)
  }
  return { volumeId: id, prefix, origin, mountPoint, snapshot, selection }
}

/** Every snapshot that any of them has, once, oldest first. */
function historyOf(pasts: readonly VolumePast[]): SnapshotSummary[] {
  const byName = new Map<string, SnapshotSummary>()
  for (const { snapshots } of pasts) {
    for (const each of snapshots) if (!byName.has(each.name)) byName.set(each.name, each)
  }
  return [...byName.values()].sort((a, b) => a.timeSec - b.timeSec)
}

function namesOf(path: string): ByteString[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..') || path.includes('\0')) {
    throw new Failure('usage', `'${path}' must be a path below the volume's root, without '..'`)
  }
  return names.map(byteStringOfText)
}
