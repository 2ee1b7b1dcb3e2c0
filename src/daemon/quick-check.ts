import { clockOfProcess } from '../base/clock.js'
import { Failure } from '../base/failure.js'
import { unhealthy, healthOf } from './health.js'
import type { Health } from './health.js'
import { listVolumes, statusOf } from './listing.js'
import { fuseType, mountOwner, readMountTable } from './mount-table.js'
import { currentOwner } from './runtime-directory.js'
import { findVolume, staleFailure } from './volume-finder.js'
import type { FoundVolume } from './volume-finder.js'

/** What a monitor is told of the volume that a user means. Never rejects for what is wrong with it. */
export async function quickCheck(text: string | undefined): Promise<Health> {
  const named = text ?? process.cwd()
  let found: FoundVolume
  try {
    found = await findVolume(text)
  } catch (error) {
    return unhealthy(named, 'unknown', messageOf(error))
  }
  if (found.state === 'stale') {
    return unhealthy(found.entry.source, 'critical', staleFailure(found.entry).message)
  }
  try {
    return healthOf(await statusOf(found), clockOfProcess().now())
  } catch (error) {
    const name = found.state === 'mounted' ? found.summary.name : found.origin
    return unhealthy(name, 'critical', messageOf(error))
  } finally {
    if (found.state === 'mounted') found.client.close()
  }
}

/** The same for each volume of this user's mounts, also of those whose daemon is gone, and of their stores. */
export async function quickCheckAll(): Promise<Health[]> {
  const { uid } = currentOwner()
  const mounts = readMountTable().filter(
    (entry) => entry.type === fuseType && (uid === 0 || mountOwner(entry) === uid),
  )
  const unmounted = (await listVolumes()).filter(({ mountPoint }) => mountPoint === null)
  const places = [
    ...mounts.map(({ mountPoint }) => mountPoint),
    ...unmounted.map(({ origin }) => origin),
  ]
  return Promise.all([...new Set(places)].map((place) => quickCheck(place)))
}

function messageOf(error: unknown): string {
  if (error instanceof Failure) return error.message
  throw error
}
