import { native } from '../base/native.js'
import { Failure } from '../base/failure.js'
import { DaemonGone } from './control-client.js'
import { clearStaleMounts } from './stale-mounts.js'
import { findVolume } from './volume-finder.js'
import type { FoundVolume } from './volume-finder.js'

/** As often as a daemon may die over it. */
const attemptsMax = 3

/**
 * Unmounts what a user means. All is safely in the store and the origin then, unless its daemon had died and left
 * the mount: returns the origin of such a one. Throws Failure.
 */
export async function unmountVolume(
  volume: string | undefined,
  isForced: boolean,
): Promise<string | undefined> {
  let found = await findVolume(volume)
  // This process must not be what keeps the mount in use.
  process.chdir('/')
  for (let attempt = 1; found.state === 'mounted'; attempt++) {
    if (await isUnmounted(found, isForced)) return undefined
    const { origin, mountPoint } = found.summary
    found = await findVolume(mountPoint ?? origin)
    if (attempt === attemptsMax && found.state === 'mounted') {
      found.client.close()
      throw new DaemonGone()
    }
    if (found.state === 'unmounted') {
      const advice = 'the next mount recovers what it had not finished'
      throw new Failure('failed', `the daemon died while it unmounted ${origin}: ${advice}`)
    }
  }
  if (found.state === 'unmounted') {
    throw new Failure('missing', `${found.origin} is not mounted: there is nothing to do`)
  }
  await clearStaleMounts(native(), [found.entry.mountPoint])
  return found.entry.source
}

/** False: its daemon died over it; a successor can be asked again. */
async function isUnmounted(
  { client, summary }: FoundVolume & { state: 'mounted' },
  isForced: boolean,
): Promise<boolean> {
  try {
    await client.request<'unmount'>({ command: 'unmount', volume: summary.id, force: isForced })
    return true
  } catch (error) {
    if (error instanceof DaemonGone) return false
    throw error
  } finally {
    client.close()
  }
}
