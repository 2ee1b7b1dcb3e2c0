import { clockOfProcess } from '../base/clock.js'
import { checked } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { ControlServer } from './control-server.js'
import { Daemon } from './daemon.js'
import { onSignals, untilEnded } from './daemon-run.js'
import { Deferred } from './deferred.js'
import { failureOf } from './failure-of.js'
import { storeSocket } from './runtime-directory.js'
import { StoreDirectory } from './store-directory.js'
import { Succession } from './succession.js'

/**
 * The life of a daemon that takes the place of one that has died: goes on with its mounts, then serves as any other. Resolves
 * to whether all ended well. If it can't, it ends, and its supervisor tries again, or gives the mounts up.
 */
export async function runSuccessor(
  native: Native,
  storePath: string,
  pageFd: number,
  keepFd: number,
): Promise<boolean> {
  const end = new AbortController()
  const ignoreSignals = onSignals(() => {
    end.abort()
  })
  // What it was given came over an execve(2).
  checked(native.closeAllOnExec(), 'close on execution')
  native.raiseDescriptorLimit()
  const succession = Succession.inherit(native, storePath, pageFd, keepFd)
  // First of all: what is opened from now on has to outlive this process too.
  succession.startSupervisor()
  const estate = succession.read()
  const store = StoreDirectory.adopt(native, estate.store, estate.storeFd, estate.storeLockFd)
  const log = store.log.write
  try {
    const daemon: Daemon = new Daemon({
      native,
      store,
      runtimeDirectory: estate.runtimeDirectory,
      stopListening: () => {
        server.stopListening()
      },
      log,
      clock: clockOfProcess(),
      succession,
    })
    const ready = new Deferred()
    const server: ControlServer = new ControlServer({
      path: storeSocket(estate.runtimeDirectory, store.key),
      ownUid: process.geteuid?.() ?? 0,
      peerUid: (fd) => native.peerUid(fd),
      handle: async (request) => {
        await ready.promise
        return daemon.handle(request)
      },
      log,
    })
    await server.listen()
    await daemon.takeOver(estate)
    ready.resolve()
    return await untilEnded(daemon, server, end.signal)
  } catch (error) {
    log(`could not take over: ${failureOf(error, 'a failure').message}`)
    throw error
  } finally {
    ignoreSignals()
  }
}
