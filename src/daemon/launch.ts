import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Failure } from '../base/failure.js'
import type { FailureKind } from '../base/failure.js'
import { native } from '../base/native.js'
import { confineDaemon } from './confinement.js'
import type { MountedReport } from './control-protocol.js'
import type { MountOrder } from './mount-order.js'

/** What a daemon that was started in the background tells the process that started it, once. */
export type LaunchMessage =
  | { type: 'mounted'; report: MountedReport }
  | { type: 'failed'; kind: FailureKind; message: string }
  /** The store has a daemon already: ask that one. */
  | { type: 'served' }

const stderrCharactersMax = 2000

/**
 * Starts a daemon that outlives this process, and returns when its first volume is mounted. It has a
 * session of its own and keeps no directory in use.
 */
export async function launchDaemon(order: MountOrder): Promise<MountedReport | 'served'> {
  confineDaemon(native())
  const program = fileURLToPath(new URL('./main.js', import.meta.url))
  // The store is for those who look at the process table.
  const daemon = spawn(process.execPath, [program, order.store], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  daemon.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrCharactersMax)
  })
  try {
    const message = await new Promise<LaunchMessage>((resolve, reject) => {
      daemon.once('message', (received) => {
        resolve(received as LaunchMessage)
      })
      daemon.once('error', reject)
      // Not `exit`: its last words may come after that.
      daemon.once('close', (code, signal) => {
        const how = signal ?? `exit code ${code ?? 'unknown'}`
        const words = stderr.trim().split('\n').at(-1) ?? ''
        reject(new Failure('failed', `the daemon ended while it started (${how}): ${words}`))
      })
      daemon.send(order)
    })
    if (message.type === 'failed') throw new Failure(message.kind, message.message)
    return message.type === 'served' ? 'served' : message.report
  } finally {
    if (daemon.connected) daemon.disconnect()
    daemon.stderr?.destroy()
    daemon.removeAllListeners()
    daemon.unref()
  }
}
