import { existsSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { DaemonGone } from './control-client.js'
import type { MountedReport } from './control-protocol.js'
import { connectToStore } from './daemon-finder.js'
import { launchDaemon } from './launch.js'
import { checkMountAbility } from './kernel-mount.js'
import type { MountOrder } from './mount-order.js'
import { resolveMountPaths } from './mount-paths.js'
import { storeKey } from './runtime-directory.js'
import { clearStaleMounts } from './stale-mounts.js'

/** A mount as the user asked for it: paths as typed. */
export type MountRequest = Omit<MountOrder, 'mountPoint' | 'store'> & {
  mountPoint: string | undefined
  store: string | undefined
}

/** A store changes hands in moments: a daemon that ends, or another mount's that begins. */
const handoverMsMax = 5000

/** Has the daemon of the store mount a volume, started first if there is none. Returns when the mount works. */
export async function requestMount(native: Native, request: MountRequest): Promise<MountedReport> {
  const order = await orderOf(native, request)
  const end = Date.now() + handoverMsMax
  for (;;) {
    const report = (await askRunningDaemon(order)) ?? (await launchDaemon(order))
    if (report !== 'served') return report
    if (Date.now() >= end) {
      const advice = 'unmount its volumes first, as its user or as root'
      throw new Failure('failed', `another daemon serves the store ${order.store}: ${advice}`)
    }
    await sleep(100)
  }
}

/** What can be known without changing anything is checked here; dead mounts in the way are taken away. */
export async function orderOf(native: Native, request: MountRequest): Promise<MountOrder> {
  const { origin, mountPoint, store } = request
  await clearStaleMounts(native, mountPoint === undefined ? [origin] : [origin, mountPoint])
  const order = { ...request, ...(await resolveMountPaths({ origin, mountPoint, store })) }
  checkMountAbility(order)
  return order
}

/** undefined: there is none, or it ended before it could answer. */
async function askRunningDaemon(order: MountOrder): Promise<MountedReport | undefined> {
  if (!existsSync(order.store)) return undefined
  const client = await connectToStore(storeKey(statSync(order.store, { bigint: true })))
  try {
    return await client?.request<'mount'>({ command: 'mount', order })
  } catch (error) {
    if (error instanceof DaemonGone) return undefined
    throw error
  } finally {
    client?.close()
  }
}
