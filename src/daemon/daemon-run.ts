import { clockOfProcess } from '../base/clock.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { ControlServer, DaemonEnding } from './control-server.js'
import type { MountedReport } from './control-protocol.js'
import { Daemon } from './daemon.js'
import { Deferred } from './deferred.js'
import type { Log } from './daemon-log.js'
import { checkMountAbility } from './kernel-mount.js'
import type { MountOrder } from './mount-order.js'
import { checkMountPaths } from './mount-paths.js'
import { OriginDirectory } from './origin-directory.js'
import { makeRuntimeDirectory, removeStaleSockets, storeSocket } from './runtime-directory.js'
import { StoreDirectory } from './store-directory.js'
import { Succession } from './succession.js'
import { Undo } from './undo.js'

export interface RunOptions {
  /** Aborted: as after SIGTERM, what is mounted is unmounted, and what is under way is taken back. */
  cancel?: AbortSignal
  /** The first volume's mount works. */
  onMounted: (report: MountedReport) => void
  /** Then: asks the daemon for more, before it is served on. `end`: it is to end. */
  onServing?: (handle: Daemon['handle'], end: AbortSignal) => Promise<void>
  /** If this process dies a successor is to go on with its mounts. */
  isSupervised?: boolean
  /** Gets what goes to the log too. */
  echo?: Log
}

/**
 * A daemon's life: opens the store, mounts a first volume, serves commands until no volume is left.
 * Resolves to whether all ended well. If the first mount fails, nothing of it is left; throws why, and
 * StoreServed if the store has a daemon.
 */
export async function runDaemon(
  native: Native,
  order: MountOrder,
  options: RunOptions,
): Promise<boolean> {
  // The signals wait until there is something to end: a mount half made would stay.
  const end = new AbortController()
  const ignoreSignals = onSignals(() => {
    end.abort()
  })
  options.cancel?.addEventListener('abort', () => {
    end.abort()
  })
  const undo = new Undo()
  try {
    native.raiseDescriptorLimit()
    const { daemon, server, report } = await start(native, order, undo, end.signal, options)
    undo.forget()
    options.onMounted(report)
    await options.onServing?.(daemon.handle, end.signal)
    return await untilEnded(daemon, server, end.signal)
  } catch (error) {
    await undo.run((problem) => options.echo?.(`could not tidy up: ${String(problem)}`))
    throw error
  } finally {
    ignoreSignals()
  }
}

/** Calls `end` when the process is asked to end; returns what leaves that again. */
export function onSignals(end: () => void): () => void {
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  return () => {
    for (const signal of signals) process.off(signal, end)
  }
}

const tickMs = 2000

/** Serves until no volume is left, or `end`. Resolves to whether all ended well. */
export async function untilEnded(
  daemon: Daemon,
  server: ControlServer,
  end: AbortSignal,
): Promise<boolean> {
  const shutDown = () => void daemon.shutDown()
  const ticks = setInterval(daemon.tick, tickMs)
  process.on('uncaughtException', daemon.fail)
  try {
    if (end.aborted) shutDown()
    else end.addEventListener('abort', shutDown)
    const isClean = await daemon.ended
    await server.close()
    return isClean
  } finally {
    clearInterval(ticks)
    process.removeAllListeners('uncaughtException')
  }
}

/** Whatever it opens, `undo` closes until it is forgotten. */
async function start(
  native: Native,
  order: MountOrder,
  undo: Undo,
  cancel: AbortSignal,
  { echo, isSupervised }: RunOptions,
) {
  await checkMountPaths(order)
  checkMountAbility(order)
  const origin = OriginDirectory.open(native, order.origin, undo)
  const store = StoreDirectory.open(native, order.store, undo)
  const log: Log = (line) => {
    store.log.write(line)
    echo?.(line)
  }
  const runtimeDirectory = makeRuntimeDirectory()
  await removeStaleSockets(runtimeDirectory, Date.now())
  const daemon = new Daemon({
    native,
    store,
    runtimeDirectory,
    stopListening: () => {
      server.stopListening()
    },
    log,
    clock: clockOfProcess(),
    succession: isSupervised === true ? Succession.create(native, order.store) : undefined,
  })
  undo.add(() => {
    daemon.giveUp()
  })
  // Whoever comes early waits: what the first mount has made may yet be taken back.
  const started = new Deferred()
  const server: ControlServer = new ControlServer({
    path: storeSocket(runtimeDirectory, store.key),
    ownUid: process.geteuid?.() ?? 0,
    peerUid: (fd) => native.peerUid(fd),
    handle: async (request) => {
      await started.promise
      return daemon.handle(request)
    },
    log,
  })
  undo.add(() => server.close())
  await server.listen()
  try {
    const report = await daemon.mount(order, origin, undo, cancel)
    started.resolve()
    return { daemon, server, report }
  } catch (error) {
    started.reject(new DaemonEnding())
    throw error instanceof Failure ? store.named(error) : error
  }
}
