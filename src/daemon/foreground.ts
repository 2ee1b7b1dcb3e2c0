import type { Native } from '../base/native.js'
import type { Log } from './daemon-log.js'
import { runDaemon } from './daemon-run.js'
import { orderOf } from './mount-request.js'
import type { MountRequest } from './mount-request.js'

/** Serves a mount in this process until it is unmounted, or until SIGINT or SIGTERM. Resolves to whether all went well. */
export async function mountInForeground(
  native: Native,
  request: MountRequest,
  echo: Log,
): Promise<boolean> {
  const order = await orderOf(native, request)
  return runDaemon(native, order, {
    echo,
    onMounted: ({ notes }) => {
      for (const note of notes) echo(note)
    },
  })
}
