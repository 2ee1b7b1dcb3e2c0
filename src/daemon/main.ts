import { native } from '../base/native.js'
import { runDaemon } from './daemon-run.js'
import { failureOf } from './failure-of.js'
import type { LaunchMessage } from './launch.js'
import type { MountOrder } from './mount-order.js'
import { StoreServed } from './store-lock.js'
import { successorAnswer } from './successor-check.js'
import { runSuccessor } from './successor-run.js'

/*
 * The daemon in the background. As launchDaemon starts it (STORE), the order comes by the IPC channel, and
 * the answer goes back by it; if whoever started it goes away before the answer, it was cancelled. As the
 * supervisor of one that has died starts it (STORE --successor FDS), nobody waits for words.
 */

const [store = '', role, descriptors = ''] = process.argv.slice(2)

if (store === '--can-succeed') {
  native()
  process.stdout.write(`${successorAnswer}\n`)
} else if (role === '--successor') {
  const [pageFd = -1, keepFd = -1] = descriptors.split(',').map(Number)
  const isClean = await runSuccessor(native(), store, pageFd, keepFd)
  process.exitCode = isClean ? 0 : 1
} else {
  // Whoever started it and read this has gone: there are no words to be lost on them.
  process.stderr.on('error', () => undefined)
  process.once('message', (order: MountOrder) => {
    void serve(order)
  })
}

async function serve(order: MountOrder): Promise<void> {
  const cancel = new AbortController()
  const onDisconnect = () => {
    cancel.abort()
  }
  process.once('disconnect', onDisconnect)
  try {
    const isClean = await runDaemon(native(), order, {
      isSupervised: true,
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
