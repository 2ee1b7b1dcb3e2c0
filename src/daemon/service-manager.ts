import type { Native } from '../base/native.js'

const lineCharactersMax = 500

/** Who has started this process and wants to hear how it does (systemd, `Type=notify`): sd_notify(3). */
export interface ServiceManager {
  /** It serves now. */
  ready(): void
  /** For people who ask for the service's status: one line. */
  status(line: string): void
  /** It is about to end. */
  stopping(): void
  /** Sends no more. */
  close(): void
}

/**
 * The manager that the environment names, which is emptied of it: what this process starts is not meant. With none, or one
 * that does not listen, nothing happens. If it asks for a sign of life it gets one twice as often as it asks, as long as the event
 * loop runs.
 */
export function serviceManagerOf(environment: NodeJS.ProcessEnv, native: Native): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: asked, WATCHDOG_PID: whose } = environment
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) {
    Reflect.deleteProperty(environment, name)
  }
  const send = (message: string) => {
    if (socket !== undefined) native.notifyService(socket, message)
  }
  const isAsked = whose === undefined || Number(whose) === process.pid
  const watchdogMs = isAsked ? Math.floor(Number(asked ?? 0) / 1000 / 2) : 0
  let timer: NodeJS.Timeout | undefined
  return {
    ready: () => {
      send('READY=1')
      if (!(watchdogMs > 0)) return
      timer = setInterval(() => {
        send('WATCHDOG=1')
      }, watchdogMs)
    },
    status: (line) => {
      send(`STATUS=${line.replaceAll(/\s+/g, ' ').slice(0, lineCharactersMax)}`)
    },
    stopping: () => {
      send('STOPPING=1')
    },
    close: () => {
      clearInterval(timer)
    },
  }
}
