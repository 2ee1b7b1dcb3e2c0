import { statSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Durations } from '../base/durations.js'
import { fsErrorOf } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { ObjectId } from '../base/ids.js'
import type { Native } from '../base/native.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import { abortConnection, allowsOther, mountKernel, unmountKernel } from './kernel-mount.js'
import type { MountOrder } from './mount-order.js'
import { fuseType, mountAt, readMountTable } from './mount-table.js'
import type { MountEntry } from './mount-table.js'
import { mountUsers } from './mount-users.js'
import type { OriginDirectory } from './origin-directory.js'
import { originWriters } from './origin-writers.js'
import type { MountedOrigin, OriginWriter } from './origin-writers.js'
import { raiseReadAhead } from './read-ahead.js'
import type { VolumeEstate } from './succession.js'
import type { Sweeper } from './sweeper.js'
import type { SpaceWatch } from './space-watch.js'
import type { Opened, ThreadEnd, VolumeThread } from './volume-thread.js'

/** A first request is answered in milliseconds; a mount that takes longer than this does not work. */
const firstAnswerMsMax = 20_000

/** What another mount namespace may keep of the mount is not waited for any longer. */
const lastRequestMsMax = 2000

/** What programs changed in memory is written in this time, or the disk is stuck. */
const flushMsMax = 30_000

/** A request takes milliseconds. A thread that is busy for longer than this waits for a disk or network that may never answer. */
const answerMsMax = 5000

/** Who only looks at a mount in passing (df, a monitor) is gone in this time. */
const passingMsMax = 1000
const passingMs = 20

/** All that programs wrote is synced in this time, or the disk is stuck. */
const lastSyncMsMax = 60_000

export interface MountedVolumeParts {
  native: Native
  id: string
  order: MountOrder
  origin: OriginDirectory
  thread: VolumeThread
  sweeper: Sweeper
  opened: Opened
  space: SpaceWatch
  log: Log
  now: () => Date
  /** A descriptor that a successor would have got is about to be closed. */
  letGo: (fd: number) => void
  /** Whether that process is of this daemon. */
  isOwn: (pid: number) => boolean
}

/** A volume while it is mounted. Owns its origin, its thread and the connection to the kernel. */
export class MountedVolume {
  readonly id: string
  readonly order: MountOrder
  readonly opened: Opened
  readonly space: SpaceWatch
  readonly mountedAt: Date
  readonly entry: MountEntry
  readonly thread: VolumeThread
  readonly sweeper: Sweeper
  /** Snapshots that were taken. */
  readonly cuts = new Durations()
  /** Resolves when all of it is closed, whoever unmounted it. */
  readonly ended: Promise<ThreadEnd>

  /** Who had files of the origin open for writing when it was mounted over. */
  readonly writers: readonly OriginWriter[]

  readonly #native: Native
  readonly #log: Log
  readonly #place: MountedOrigin
  readonly #isOwn: (pid: number) => boolean
  /** The connection to the kernel, and the origin, both borrowed; undefined: not ours. */
  readonly fuseFd: number | undefined
  readonly originFd: number
  readonly originLockFd: number

  readonly #letGo: (fd: number) => void
  #isFlushing = false

  private constructor(
    parts: MountedVolumeParts,
    entry: MountEntry,
    fuseFd: number | undefined,
    mountedAt = parts.now(),
    mayHaveWriters = parts.order.mountPoint === parts.order.origin,
  ) {
    this.fuseFd = fuseFd
    this.originFd = parts.origin.fd
    this.originLockFd = parts.origin.lockFd
    this.#letGo = parts.letGo
    this.id = parts.id
    this.order = parts.order
    this.opened = parts.opened
    this.space = parts.space
    this.thread = parts.thread
    this.sweeper = parts.sweeper
    this.mountedAt = mountedAt
    this.entry = entry
    this.#native = parts.native
    this.#log = parts.log
    const { origin } = parts.order
    this.#place = { origin, device: statSync(parts.origin.root).dev, mount: entry }
    // Beside a mount point of its own anybody may write to the origin at any time.
    this.#isOwn = parts.isOwn
    this.writers = mayHaveWriters ? originWriters(this.#place, this.#isOwn) : []
    this.ended = this.thread.ended.then(async (end) => {
      await this.#detachDead(end)
      disconnect(parts, fuseFd)
      for (const fd of [parts.origin.fd, parts.origin.lockFd]) parts.letGo(fd)
      parts.origin.close()
      return end
    })
  }

  /**
   * Mounts an opened volume and returns when the mount answers; `accept` may still refuse it. On
   * failure all but the origin is closed.
   */
  static async mount(parts: MountedVolumeParts, accept: () => void): Promise<MountedVolume> {
    const { native, order, thread } = parts
    let fuseFd: number | undefined
    try {
      if (order.transport === 'native') {
        fuseFd = mountKernel(native, order)
        faultPoint('mount.kernel')
        thread.serve(fuseFd)
      } else {
        await thread.serveFuseNative(order.mountPoint, order.origin, allowsOther(order))
      }
      const entry = await firstAnswer(order, thread)
      faultPoint('mount.answered')
      accept()
      raiseReadAhead(entry.device)
      return new MountedVolume(parts, entry, fuseFd)
    } catch (error) {
      await discard(parts, fuseFd)
      throw error
    }
  }

  /** Goes on serving a mount whose daemon has died. */
  static takeOver(
    parts: MountedVolumeParts,
    { entry, fuseFd, mountedAtMs, hasWriters }: VolumeEstate,
  ): MountedVolume {
    const volume = new MountedVolume(parts, entry, fuseFd, new Date(mountedAtMs), hasWriters)
    parts.thread.serve(fuseFd)
    return volume
  }

  /**
   * Returns when everything is safely in the store and the origin. While programs use the mount it is
   * refused, unless forced: then what they still do with it fails, and if the origin does not answer the
   * mount goes all the same.
   */
  async unmount(isForced: boolean): Promise<void> {
    const { mountPoint } = this.order
    let endMsMax = lastSyncMsMax
    const outcome = await this.#unmountUnused()
    if (outcome === 'busy') {
      if (!isForced) throw this.#busy()
      // What programs wrote by mmap is in the page cache only: afterwards nobody could take it.
      if (await this.#isAnswering()) await this.#flushWhole()
      else {
        abortConnection(this.#native, this.entry)
        endMsMax = 1000
      }
      // Nobody is to go on with what is left of it.
      if (this.fuseFd !== undefined) this.#letGo(this.fuseFd)
      await unmountKernel(this.#native, mountPoint, true)
      this.thread.stop()
    }
    const timer = setTimeout(() => {
      this.thread.stop()
    }, lastRequestMsMax)
    const end = isForced ? await within(this.ended, endMsMax) : await this.ended
    clearTimeout(timer)
    if (end === undefined) {
      const what = 'its origin or store does not answer: what they have not taken yet may be lost'
      throw new Failure('failed', `${mountPoint} is unmounted, but ${what}; see to their disks`)
    }
    if (!end.isClean) throw end.failure
  }

  /** umount(8) does not wait for the end of what it has unmounted; a successor has to, if only for so long. */
  async finishUnmounted(): Promise<void> {
    const isMounted = readMountTable().some(({ mountId }) => mountId === this.entry.mountId)
    if (!isMounted) await within(this.ended, lastSyncMsMax)
  }

  /**
   * Has the kernel hand over what programs changed through shared mappings and have not synced. What cannot be reached
   * that way (something else is mounted over it by now) stays the kernel's, as a crash would leave it.
   */
  async flush(): Promise<void> {
    const { mountPoint } = this.order
    const stuck = `${mountPoint}: what programs changed in memory was not written within ${flushMsMax / 1000} s`
    // One that is stuck keeps its thread: the pool of such threads is small.
    if (this.#isFlushing) throw new Failure('failed', `${stuck}: is the disk stuck?`)
    this.#isFlushing = true
    const flushed = this.#native.syncMount(mountPoint, this.entry.device).then((result) => {
      this.#isFlushing = false
      if (result < 0) this.#log(fsErrorOf(result, `flushing ${mountPoint}`).message)
    })
    const timeout = new AbortController()
    const late = sleep(flushMsMax, undefined, { signal: timeout.signal }).then(() => {
      throw new Failure('failed', `${stuck}: is the disk stuck?`)
    })
    late.catch(() => undefined)
    await Promise.race([flushed, late]).finally(() => {
      timeout.abort()
    })
  }

  /**
   * For a snapshot: what may still be changed behind the mount. Those that have closed it since the mount are
   * gone for good, since the mount hides the origin; new ones can only be heirs of the others.
   */
  doubtful(): readonly ObjectId[] {
    if (this.writers.length === 0) return []
    return [...new Set(originWriters(this.#place, this.#isOwn).map(({ object }) => object))]
  }

  /** Unmounts as soon as nobody uses it, within the patience given; after that, all the same. */
  async unmountPatiently(patienceMs: number): Promise<void> {
    const end = Date.now() + patienceMs
    for (;;) {
      try {
        await this.unmount(Date.now() >= end)
        return
      } catch (error) {
        if (!(error instanceof MountBusy)) throw error
        await sleep(100)
      }
    }
  }

  /** Tries again while it is busy and nobody is found who uses it: that was somebody passing by. */
  async #unmountUnused(): Promise<Awaited<ReturnType<typeof unmountKernel>>> {
    const { mountPoint } = this.order
    const end = Date.now() + passingMsMax
    for (;;) {
      const outcome = await unmountKernel(this.#native, mountPoint, false)
      if (outcome !== 'busy' || Date.now() >= end) return outcome
      if (mountUsers(mountPoint, this.entry.mountId).length > 0) return outcome
      await sleep(passingMs)
    }
  }

  /** A flush that has arrived when this returns, as far as it can be had. */
  async #flushWhole(): Promise<void> {
    try {
      await this.flush()
      await this.thread.hold()
      this.thread.release()
    } catch (error) {
      this.#log(failureOf(error, 'could not flush').message)
    }
  }

  /** Whether the thread comes back from its requests. If it has ended, that is as good. */
  async #isAnswering(): Promise<boolean> {
    const answer = this.thread.status(answerMsMax).then(
      () => true,
      () => false,
    )
    return Promise.race([answer, this.thread.ended.then(() => true)])
  }

  #busy(): MountBusy {
    const users = mountUsers(this.order.mountPoint, this.entry.mountId)
    return new MountBusy(this.order.mountPoint, users)
  }

  /**
   * The thread is gone. Its mount may still be there, if the thread failed or somebody aborted the
   * connection: whoever uses it would wait for ever, or get nothing but errors.
   */
  async #detachDead(end: ThreadEnd): Promise<void> {
    const { mountPoint } = this.order
    if (!end.isClean) this.#log(`${mountPoint}: ${end.failure.message}`)
    if (mountAt(readMountTable(), mountPoint)?.mountId !== this.entry.mountId) return
    this.#log(`${mountPoint}: unmounting what nobody serves any more`)
    await unmountKernel(this.#native, mountPoint, true).catch((error: unknown) => {
      this.#log(`could not unmount ${mountPoint}: ${String(error)}`)
    })
  }
}

/** Programs use the mount. */
export class MountBusy extends Failure {
  constructor(mountPoint: string, users: readonly string[]) {
    const by = users.length === 0 ? '' : ` by ${users.join(', ')}`
    const advice = 'end what uses it, or unmount with --force'
    super('failed', `${mountPoint} is in use${by}: ${advice}`)
  }
}

/** lstat through the mount, and what the kernel says of it. */
async function firstAnswer(order: MountOrder, thread: VolumeThread): Promise<MountEntry> {
  const { mountPoint } = order
  const timeout = new AbortController()
  const late = async (): Promise<never> => {
    await sleep(firstAnswerMsMax, undefined, { signal: timeout.signal })
    throw new Failure('failed', `${mountPoint} does not answer: see daemon.log in the store`)
  }
  const died = async (): Promise<never> => {
    const end = await thread.ended
    throw end.isClean
      ? new Failure('failed', `${mountPoint} was unmounted while it was being mounted`)
      : end.failure
  }
  const waits = [lstat(mountPoint), late(), died()]
  for (const wait of waits) wait.catch(() => undefined)
  try {
    await Promise.race(waits)
  } finally {
    timeout.abort()
  }
  const entry = mountAt(readMountTable(), mountPoint)
  if (entry?.type !== fuseType) {
    throw new Failure('failed', `${mountPoint} is not in the mount table: was it unmounted?`)
  }
  return entry
}

/** After a mount that failed: takes away what there is of it. */
async function discard(parts: MountedVolumeParts, fuseFd: number | undefined): Promise<void> {
  const { native, order, thread } = parts
  const entry = mountAt(readMountTable(), order.mountPoint)
  if (entry?.type === fuseType && entry.source === order.origin) {
    await unmountKernel(native, order.mountPoint, true).catch((error: unknown) => {
      parts.log(`could not unmount ${order.mountPoint}: ${String(error)}`)
    })
  }
  thread.stop()
  await thread.ended
  disconnect(parts, fuseFd)
}

function disconnect(parts: MountedVolumeParts, fuseFd: number | undefined): void {
  const { native, thread, letGo } = parts
  // Requests that still wait, in a lazily unmounted or another namespace's mount, fail with this.
  if (fuseFd !== undefined) {
    letGo(fuseFd)
    native.close(fuseFd)
  }
  thread.dispose()
}

/** Undefined: not in that time. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const timeout = new AbortController()
  const late = sleep(ms, undefined, { signal: timeout.signal }).catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    timeout.abort()
  }
}
