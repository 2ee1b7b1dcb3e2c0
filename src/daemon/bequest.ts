import { ftruncateSync } from 'node:fs'
import { checked } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import type { SupervisorStatus } from './control-protocol.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import type { MountOrder } from './mount-order.js'
import type { MountedVolume } from './mounted-volume.js'
import type { StoreDirectory } from './store-directory.js'
import type { Estate, Succession, VolumeEstate } from './succession.js'
import type { VolumeThreadData } from './thread-protocol.js'

const sessionPageBytes = 4096

/** For the answer to get out. */
const reloadDelayMs = 50

export interface BequestOptions {
  native: Native
  store: StoreDirectory
  runtimeDirectory: string
  log: Log
  /** undefined: if this process dies its mounts do too. */
  succession: Succession | undefined
  mounted: () => Iterable<MountedVolume>
}

/** What a daemon leaves to a successor: its volumes, as far as they can be gone on with, kept up to date. */
export class Bequest {
  readonly #options: BequestOptions
  /** The descriptors of the sessions that a successor could go on with. */
  readonly #sessions = new Map<MountedVolume, number>()

  constructor(options: BequestOptions) {
    this.#options = options
  }

  /** Where a volume's thread is to keep on record what a successor needs; undefined: nowhere. */
  newSession({ transport }: MountOrder): number | undefined {
    const { succession, native } = this.#options
    if (succession === undefined || transport !== 'native') return undefined
    const sessionFd = checked(native.memoryFile('bygone-session-page'), 'memory for the session')
    ftruncateSync(sessionFd, sessionPageBytes)
    return sessionFd
  }

  /** `isTakeover`: the record is a predecessor's. */
  threadData(sessionFd: number | undefined, isTakeover: boolean): VolumeThreadData['session'] {
    const { succession } = this.#options
    if (succession === undefined || sessionFd === undefined) return undefined
    return { ...succession.threadData, sessionFd, isTakeover }
  }

  /** The volume is mounted; its thread uses that record. */
  remember(volume: MountedVolume, sessionFd: number | undefined): void {
    if (sessionFd !== undefined) this.#sessions.set(volume, sessionFd)
  }

  /** From now on a successor would go on with the volume, if that can be. */
  async include(volume: MountedVolume): Promise<void> {
    const { succession, log } = this.#options
    if (succession === undefined || !this.#sessions.has(volume)) return
    if (!(await volume.thread.canResend())) {
      this.#drop(volume)
      log(`${volume.order.mountPoint} ends with its daemon: that needs Linux 6.9 or later`)
      return
    }
    this.write()
    if (succession.supervisor === 0) succession.startSupervisor()
  }

  write(): void {
    const { succession, store, runtimeDirectory, mounted } = this.#options
    if (succession === undefined) return
    const volumes: VolumeEstate[] = []
    for (const volume of mounted()) {
      const { id, order, entry, mountedAt, originFd, originLockFd, fuseFd } = volume
      const hasWriters = volume.writers.length > 0
      const sessionFd = this.#sessions.get(volume)
      if (fuseFd === undefined || sessionFd === undefined) continue
      const descriptors = { originFd, originLockFd, fuseFd, sessionFd }
      for (const fd of Object.values(descriptors)) succession.kept.keep(fd)
      const mountedAtMs = mountedAt.getTime()
      volumes.push({ id, order, entry, mountedAtMs, hasWriters, ...descriptors })
    }
    const { path, fd: storeFd, lockFd: storeLockFd } = store
    succession.write({ store: path, storeFd, storeLockFd, runtimeDirectory, volumes })
  }

  /**
   * What a predecessor has left, volume by volume: `reopen` opens one, and returns the descriptors it needs and how to
   * serve it. False: not all could be opened.
   */
  async takeOver(
    estate: Estate,
    reopen: (left: VolumeEstate) => Promise<{ descriptors: number[]; serve: () => void }>,
  ): Promise<boolean> {
    const { succession, native, log } = this.#options
    if (succession === undefined) throw new Error('nothing is left by a predecessor')
    const needed = succession.own(estate)
    const serving: (() => void)[] = []
    for (const left of estate.volumes) {
      try {
        const { descriptors, serve } = await reopen(left)
        needed.push(...descriptors)
        serving.push(serve)
      } catch (error) {
        const { message } = failureOf(error, 'the volume could not be opened')
        log(`${left.order.mountPoint} is given up: ${message}`)
        for (const fd of [left.fuseFd, left.sessionFd, left.originFd, left.originLockFd]) {
          succession.kept.drop(fd)
          native.close(fd)
        }
      }
    }
    succession.closeStray(needed)
    for (const serve of serving) serve()
    this.write()
    const { last } = succession.takeovers
    log(`took over ${serving.length} of ${estate.volumes.length} volumes (${last?.why ?? 'died'})`)
    return serving.length === estate.volumes.length
  }

  /** Throws a Failure if this process can't be replaced while it serves. */
  assertReplaceable(): void {
    const { succession, mounted } = this.#options
    const isSupervised = succession !== undefined && succession.supervisor !== 0
    if (isSupervised && [...mounted()].every((volume) => this.#sessions.has(volume))) return
    const advice = 'unmount it and mount it again'
    const needs = 'that needs Linux 6.9, --transport native and no --foreground'
    throw new Failure(
      'failed',
      `the daemon can't be replaced while it serves (${needs}): ${advice}`,
    )
  }

  /** Ends this process in the middle of its work, soon after this returns. No request may be under way. */
  reload(): void {
    this.#options.log('reload: a successor goes on')
    this.#options.succession?.noteReload()
    // Who has asked gets to know by this that it was heard.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), reloadDelayMs)
  }

  /** Dies of a bug, if a successor goes on then: nobody knows what state it has left in this process. */
  dieIfReplaced(): void {
    const { succession } = this.#options
    if (succession === undefined || succession.supervisor === 0) return
    process.kill(process.pid, 'SIGKILL')
  }

  /** The descriptor is about to be closed. */
  readonly letGo = (fd: number): void => {
    this.#options.succession?.kept.drop(fd)
  }

  /** Whether that process is this daemon: the supervisor has all of its descriptors. */
  readonly isOwn = (pid: number): boolean =>
    pid === process.pid || pid === this.#options.succession?.supervisor

  status(volume: MountedVolume): SupervisorStatus {
    const { succession } = this.#options
    const isSupervised = succession !== undefined && this.#sessions.has(volume)
    if (!isSupervised) return { pid: null, takeovers: 0, last: null, why: null }
    const { count, last } = succession.takeovers
    const { supervisor: pid } = succession
    return { pid, takeovers: count, last: last?.at ?? null, why: last?.why ?? null }
  }

  /** From time to time: the supervisor may have been killed. */
  look(): void {
    const { succession, log } = this.#options
    if (succession?.watchSupervisor() === true) log('the supervisor was gone: there is a new one')
  }

  /** The volume is unmounted. */
  forget(volume: MountedVolume): void {
    if (!this.#sessions.has(volume)) return
    this.#drop(volume)
    this.write()
  }

  /** A session that was never a mounted volume's. */
  discard(sessionFd: number | undefined): void {
    if (sessionFd === undefined) return
    this.letGo(sessionFd)
    this.#options.native.close(sessionFd)
  }

  /** This daemon ends in good order: there shall be no successor. */
  end(): void {
    this.#options.succession?.end()
  }

  #drop(volume: MountedVolume): void {
    const sessionFd = this.#sessions.get(volume)
    this.#sessions.delete(volume)
    this.discard(sessionFd)
  }
}
