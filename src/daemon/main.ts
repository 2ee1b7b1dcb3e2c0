import { native } from '../base/native.js'
import { failureOf } from './failure-of.js'
import type { LaunchMessage } from './launch.js'
import type { MountOrder } from './mount-order.js'
import { runDaemon } from './daemon-run.js'
import { StoreServed } from './store-lock.js'

/*
 * The daemon in the background, as launchDaemon starts it: the order comes by the IPC channel, and the
 * answer goes back by it. If whoever started it goes away before the answer, it was cancelled.
 */

// Whoever started it and read this has gone: there are no words to be lost on them.
process.stderr.on('error', () => undefined)

process.once('message', (order: MountOrder) => {
  void serve(order)
})

async function serve(order: MountOrder): Promise<void> {
  const cancel = new AbortController()
  const onDisconnect = () => {
    cancel.abort()
  }
  process.once('disconnect', onDisconnect)
  try {
    const isClean = await runDaemon(native(), order, {
      cancel: cancel.signal,
      onMounted: (report) => {
        process.off('disconnect', onDisconnect)
        tell({ type: 'mounted', report })
      },
    })
    process.exitCode = isClean ? 0 : 1
  } catch (error) {
    const { kind, message } = failureOf(error, 'the daemon could not start')
    tell(error instanceof StoreServed ? { type: 'served' } : { type: 'failed', kind, message })
    process.exitCode = 1
  }
}

/** Then lets the channel go: it would keep the process alive. */
function tell(message: LaunchMessage): void {
  process.send?.(message, undefined, undefined, () => {
    if (process.connected) process.disconnect()
  })
}
