import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../base/failure.js'
import { DaemonGone } from './control-client.js'
import { findMounted } from './volume-finder.js'

const takeoverMsMax = 30_000

/** Has the daemon of a volume replaced; returns when the new one answers. Throws Failure. */
export async function reloadDaemon(volume: string | undefined): Promise<void> {
  const { client, summary } = await findMounted(volume)
  let pid: number | undefined
  try {
    const request = { command: 'status', volume: summary.id } as const
    ;({ pid } = await client.request<'status'>(request))
    await client.request<'reload'>({ command: 'reload' })
  } catch (error) {
    // It may end before its answer is out.
    if (!(error instanceof DaemonGone)) throw error
  } finally {
    client.close()
  }
  const end = Date.now() + takeoverMsMax
  for (;;) {
    const now = await daemonOf(summary.mountPoint ?? summary.origin)
    if (now !== undefined && now !== pid) return
    if (Date.now() >= end) throw new Failure('failed', 'no new daemon answers: see daemon.log')
    await sleep(50)
  }
}

async function daemonOf(place: string): Promise<number | undefined> {
  const { client, summary } = await findMounted(place)
  try {
    const { pid } = await client.request<'status'>({ command: 'status', volume: summary.id })
    return pid
  } catch (error) {
    if (error instanceof DaemonGone) return undefined
    throw error
  } finally {
    client.close()
  }
}
