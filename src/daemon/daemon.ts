import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Label } from '../base/ids.js'
import type { Native } from '../base/native.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { RetentionPolicy } from '../version/retention-policy.js'
import type {
  ControlRequest,
  DaemonStatus,
  MountedReport,
  SharesReport,
  SnapshotSummary,
  SweepReport,
  VolumeStatus,
  VolumeSummary,
} from './control-protocol.js'
import { Bequest } from './bequest.js'
import { DaemonEnding } from './control-server.js'
import type { Log } from './daemon-log.js'
import { errnoCodeOf, failureOf } from './failure-of.js'
import { KeyLocks } from './key-locks.js'
import { checkMountAbility } from './kernel-mount.js'
import type { MountOrder } from './mount-order.js'
import { checkMountPaths } from './mount-paths.js'
import { isInside, readMountTable } from './mount-table.js'
import type { MountEntry } from './mount-table.js'
import { Expirer } from './expirer.js'
import { metricsOf } from './metrics.js'
import { MountedVolume } from './mounted-volume.js'
import type { MountedVolumeParts } from './mounted-volume.js'
import { notesOfWriters } from './origin-writers.js'
import { OriginDirectory } from './origin-directory.js'
import { linkMountSocket, unlinkMountSocket } from './runtime-directory.js'
import { scheduleReports } from './schedule-report.js'
import { Scheduler } from './scheduler.js'
import { SnapshotHooks } from './snapshot-hooks.js'
import type { HookSubject } from './snapshot-hooks.js'
import { applyEdit } from './snapshot-edit.js'
import type { SnapshotEdit } from './snapshot-edit.js'
import { Sweeper } from './sweeper.js'
import { takeSnapshots } from './snapshots.js'
import type { CutVolume, SnapshotWords } from './snapshots.js'
import { SpaceWatch } from './space-watch.js'
import type { WatchedPlace } from './space-watch.js'
import type { StoreDirectory } from './store-directory.js'
import type { Estate, Succession, VolumeEstate } from './succession.js'
import { checkSuccessor } from './successor-check.js'
import {
  directoryBytes,
  recordStatus,
  snapshotSummary,
  sweepReport,
  volumeSummary,
} from './summaries.js'
import type { Wanted } from './thread-protocol.js'
import { Undo } from './undo.js'
import { volumeFor } from './volume-choice.js'
import { applyVolumeEdit } from './volume-edit.js'
import type { Opened, ThreadEnd } from './volume-thread.js'
import { VolumeThread } from './volume-thread.js'

/** How long a daemon that was told to end waits for programs to leave its mounts. */
const patienceMs = 2000

/** How long a listing may take to count what snapshots hold. */
const countMsMax = 100

type Cut = Pick<CutVolume, 'id' | 'run'>

/** Work that must not overlap with other work of the same key, beside the ids of volumes. */
const mounting = 'mounting'
const catalog = 'catalog'

export interface DaemonOptions {
  native: Native
  store: StoreDirectory
  /** Where the sockets are. */
  runtimeDirectory: string
  /** Takes the control socket away. May be called twice. */
  stopListening: () => void
  log: Log
  clock: Clock
  /** undefined: if this process dies its mounts do too. */
  succession?: Succession | undefined
}

/** One store and its mounted volumes. It ends when the last of them does. */
export class Daemon {
  /** Resolves to whether every volume ended well. From then on the store may have another daemon. */
  readonly ended: Promise<boolean>

  readonly #options: DaemonOptions
  readonly #mounted = new Map<string, MountedVolume>()
  readonly #locks = new KeyLocks()
  readonly #scheduler: Scheduler
  readonly #expirer: Expirer
  readonly #hooks: SnapshotHooks
  readonly #failures: DaemonStatus['failures'] = {}
  readonly #bequest: Bequest
  #isMounting = false
  #isClean = true
  #isEnding = false
  #end: (isClean: boolean) => void = () => undefined

  constructor(options: DaemonOptions) {
    this.#options = options
    const { clock, log } = options
    this.#scheduler = new Scheduler({
      catalog: options.store.catalog,
      clock,
      log,
      mounted: () => this.#readyForSchedules(),
      unitOf: (id) => this.#mounted.get(id)?.order.together?.join('\0') ?? id,
      isChanged: (id) => this.#isChanged(id),
      take: (cuts) => this.#cut(cuts, { memo: '', tags: [] }),
    })
    this.#hooks = new SnapshotHooks((id) => options.store.volumeDirectory(id), log)
    this.#expirer = new Expirer({
      catalog: options.store.catalog,
      clock,
      log,
      mounted: () => [...this.#mounted.keys()],
      remove: (id, choose) => this.#remove(id, choose, false),
      swept: (id) => this.#volume(id).sweeper.settled(),
      freeBytes: (id) => this.#volume(id).space.freeBytes('store'),
    })
    const { succession } = options
    const mounted = () => this.#mounted.values()
    this.#bequest = new Bequest({ ...options, succession, mounted })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** Carries out what came over the control socket. */
  readonly handle = async (request: ControlRequest): Promise<unknown> => {
    if (this.#isEnding) throw new DaemonEnding()
    try {
      switch (request.command) {
        case 'mount':
          return await this.#mountAlone(request.order)
        case 'unmount':
          await this.unmount(request.volume, request.force)
          return null
        case 'snapshot':
          return { names: await this.snapshot(request.volumes, request.memo, request.tags) }
        case 'edit':
          await this.edit(request.volume, request)
          return null
        case 'set-policy':
          await this.setPolicy(request.volume, request.policy)
          return null
        case 'policy':
          return this.#record(request.volume).policy
        case 'add-schedule':
        case 'remove-schedules':
          await this.editSchedules(request)
          return null
        case 'schedules':
          return scheduleReports(this.#record(request.volume), this.#options.clock.now())
        case 'delete':
          await this.delete(request.volume, request.names, request.force)
          return null
        case 'swept':
          await this.noteSwept(request)
          return null
        case 'sweep':
          return await this.sweep(request.volume)
        case 'freed':
          return { bytes: this.freedBy(request.volume, request.names) }
        case 'shares':
          return await this.shares(request.volume)
        case 'reload':
          await this.reload()
          return { pid: process.pid }
        case 'volumes':
          return this.volumes()
        case 'snapshots':
          return this.snapshots(request.volume)
        case 'status':
          return await this.status(request.volume)
        case 'metrics':
          return await this.metrics()
      }
    } catch (error) {
      if (!(error instanceof DaemonEnding)) {
        const { kind } = failureOf(error, request.command)
        this.#failures[kind] = (this.#failures[kind] ?? 0) + 1
      }
      if (error instanceof Failure) throw this.#options.store.named(error)
      if (error instanceof Error && !(error instanceof DaemonEnding)) {
        this.#options.log(error.stack ?? error.message)
      }
      throw error
    }
  }

  /**
   * Mounts a volume whose origin is open. If this fails, or is cancelled before the mount works, `undo`
   * takes back what has been made.
   */
  async mount(
    order: MountOrder,
    origin: OriginDirectory,
    undo: Undo,
    cancel?: AbortSignal,
  ): Promise<MountedReport> {
    const { runtimeDirectory, store, log } = this.#options
    faultPoint('mount.origin')
    const record = volumeFor(store, order, origin, undo)
    faultPoint('mount.volume')
    const volume = await this.#open(record, order, origin, cancel)
    const notes = volume.opened.collisions.map(
      (name) => `${join(order.origin, name)} is hidden: the mount shows snapshots under that name`,
    )
    try {
      linkMountSocket(runtimeDirectory, volume.entry.device, store.key)
      faultPoint('mount.reachable')
      this.#add(volume)
      log(`mounted ${order.origin} on ${order.mountPoint} (${order.transport})`)
      notes.push(...notesOfMounts(order.origin, readMountTable()))
      notes.push(...notesOfWriters(volume.writers))
      await volume.space.look()
      notes.push(...volume.space.warnings)
      await this.#bequest.include(volume)
      faultPoint('mount.bequeathed')
    } catch (error) {
      // From here on no successor would go on with it.
      this.#bequest.forget(volume)
      await volume.unmount(true)
      this.#forget(volume)
      throw error
    }
    return { volume: record.id, name: record.name, mountPoint: order.mountPoint, notes }
  }

  /** Its first mount has failed: nobody shall go on with that, and nothing keep the process. */
  giveUp(): void {
    this.#bequest.end()
    this.#scheduler.stop()
    this.#expirer.stop()
  }

  /** Goes on serving what a daemon has served that has died. */
  async takeOver(estate: Estate): Promise<void> {
    if (!(await this.#bequest.takeOver(estate, this.#reopen))) this.#isClean = false
    this.#endIfIdle()
  }

  /** Ends this process in the middle of its work, so that a successor (of a new version, perhaps) goes on with it. */
  async reload(): Promise<void> {
    this.#bequest.assertReplaceable()
    await checkSuccessor()
    await this.#locks.run([mounting, catalog, ...this.#mounted.keys()], async () => {
      const volumes = [...this.#mounted.values()]
      await Promise.all(volumes.map(({ thread }) => thread.hold()))
      this.#bequest.reload()
    })
  }

  async unmount(id: string, isForced: boolean): Promise<void> {
    await this.#locks.run([id], async () => {
      const volume = this.#volume(id)
      await volume.unmount(isForced)
      this.#forget(volume)
    })
    this.#endIfIdle()
  }

  /** The names of the new snapshots, in the order of the volumes, all cut at one instant. */
  async snapshot(ids: readonly string[], memo: string, tags: readonly string[]): Promise<string[]> {
    return this.#cut(
      ids.map((id) => ({ id })),
      { memo, tags },
    )
  }

  async #cut(cuts: readonly Cut[], words: SnapshotWords): Promise<string[]> {
    const subjects = cuts.map(({ id, run }) => this.#hookSubject(id, run ?? words, run?.schedules))
    return this.#hooks.around(subjects, () => this.#cutNow(cuts, words))
  }

  #hookSubject(
    id: string,
    { tags, memo }: SnapshotWords,
    schedules: readonly string[] = [],
  ): HookSubject {
    const { origin, mountPoint } = this.#volume(id).order
    return { id, name: this.#nameOf(id), origin, mountPoint, tags, memo, schedules }
  }

  async #cutNow(cuts: readonly Cut[], words: SnapshotWords): Promise<string[]> {
    const ids = cuts.map(({ id }) => id)
    return this.#locks.run([...ids, catalog], async () => {
      const volumes = cuts.map((cut) => {
        const volume = this.#volume(cut.id)
        const doubtful = volume.doubtful()
        const doubt = (label: Label) => volume.thread.doubt(doubtful, label)
        return { ...cut, thread: volume.thread, flush: () => volume.flush(), doubt }
      })
      const { store, log } = this.#options
      const startMs = performance.now()
      const records = await takeSnapshots(store.catalog, volumes, words, this.#now)
      for (const id of ids) this.#mounted.get(id)?.cuts.add(performance.now() - startMs)
      faultPoint('snapshot.done')
      for (const [at, { name }] of records.entries()) {
        const { id, run } = cuts[at] ?? { id: '' }
        const by = run === undefined ? '' : ` by schedule ${run.schedules.join(' ')}`
        log(`snapshot ${name} of ${this.#nameOf(id)}${by}`)
        this.#expirer.look(id)
      }
      return records.map(({ name }) => name)
    })
  }

  /** Memos, tags, holds; of a volume that is not mounted, too. */
  async edit(id: string, edit: SnapshotEdit): Promise<void> {
    // A volume that is just being mounted has its snapshots as they were before.
    await this.#locks.run([mounting, catalog], () => {
      const records = applyEdit(this.#options.store.catalog, id, edit)
      this.#mounted.get(id)?.thread.noteChanged(records)
      return Promise.resolve()
    })
    this.#options.log(`${edit.change.kind} ${edit.snapshots.join(' ')} of ${this.#nameOf(id)}`)
  }

  async setPolicy(id: string, policy: RetentionPolicy | null): Promise<void> {
    await this.#locks.run([catalog], () => {
      this.#options.store.catalog.setPolicy(id, policy)
      return Promise.resolve()
    })
    this.#options.log(`policy of ${this.#nameOf(id)}: ${JSON.stringify(policy)}`)
  }

  async editSchedules(
    edit: Extract<ControlRequest, { command: 'add-schedule' | 'remove-schedules' }>,
  ): Promise<void> {
    const { store, clock, log } = this.#options
    await this.#locks.run([catalog], () => {
      applyVolumeEdit(store.catalog, edit, clock.now())
      return Promise.resolve()
    })
    const what = edit.command === 'add-schedule' ? JSON.stringify(edit.rule) : edit.names.join(' ')
    log(`${edit.command} of ${this.#nameOf(edit.volume)}: ${what}`)
    this.#scheduler.wake()
  }

  /** The snapshots are gone from the mount when it resolves; what only they needed is freed in the background. */
  async delete(id: string, names: readonly string[], isForced: boolean): Promise<void> {
    const isDone = await this.#removeUnmounted(id, names, isForced)
    if (!isDone) await this.#remove(id, () => names, isForced)
    this.#options.log(`deleted ${names.join(' ')} of ${this.#nameOf(id)}`)
  }

  /** Swept by a command, of a volume that was not mounted. */
  async noteSwept(edit: Extract<ControlRequest, { command: 'swept' }>): Promise<void> {
    await this.#locks.run([catalog], () => {
      applyVolumeEdit(this.#options.store.catalog, edit, this.#options.clock.now())
      return Promise.resolve()
    })
  }

  async sweep(id: string): Promise<SweepReport> {
    return sweepReport(await this.#volume(id).sweeper.goOn())
  }

  /** In bytes, as the last whole sweep has found it. */
  freedBy(id: string, names: readonly string[]): number {
    const chosen = this.#record(id).snapshots.filter(({ name }) => names.includes(name))
    return this.#volume(id).sweeper.freedBy(new Set(chosen.map(({ label }) => label)))
  }

  /** What each snapshot is answerable for, as far as it can be known in a moment. */
  async shares(id: string): Promise<SharesReport> {
    const { sweeper } = this.#volume(id)
    const { isEnd, isCurrent } = await sweeper.count(countMsMax)
    const { snapshots } = this.#record(id)
    const labels = snapshots.map(({ label }) => label)
    const shares = sweeper.shares(labels, isCurrent)
    return {
      isEnd,
      snapshots: shares.map((share, at) => ({ name: snapshots[at]?.name ?? '', ...share })),
    }
  }

  volumes(): VolumeSummary[] {
    return this.#options.store.catalog.volumes().map((record) => this.#summary(record))
  }

  snapshots(id: string): SnapshotSummary[] {
    return this.#record(id).snapshots.map(snapshotSummary)
  }

  async status(id: string): Promise<VolumeStatus> {
    const record = this.#record(id)
    const { store } = this.#options
    const volume = this.#volume(id)
    const { order, mountedAt, opened, thread, space, cuts } = volume
    const { negotiated, gauges, changesSinceSnapshot } = await thread.status()
    const spaceReports = await space.look()
    return {
      ...this.#summary(record),
      ...recordStatus(record),
      state: 'mounted',
      chunkBytes: record.chunkBytes,
      storeBytes: directoryBytes(store.volumeDirectory(id)),
      space: spaceReports,
      warnings: space.warnings,
      pid: process.pid,
      supervisor: this.#bequest.status(volume),
      transport: order.transport,
      durability: order.durability,
      mountedAt: mountedAt.toISOString(),
      log: join(store.path, 'daemon.log'),
      negotiated,
      recovery: opened.recovery,
      gauges,
      changesSinceSnapshot,
      schedules: scheduleReports(record, this.#options.clock.now()),
      cuts: { count: cuts.count, seconds: cuts.seconds },
      daemon: {
        pid: process.pid,
        residentBytes: process.memoryUsage.rss(),
        startedMs: Math.round(performance.timeOrigin),
        failures: this.#failures,
      },
    }
  }

  async metrics(): Promise<string> {
    const statuses = [...this.#mounted.keys()].map((id) => this.status(id))
    return metricsOf(await Promise.all(statuses), this.#options.clock.now())
  }

  /** From time to time. */
  readonly tick = (): void => {
    this.#bequest.look()
  }

  /** Unmounts everything, whoever uses it, and ends. */
  async shutDown(): Promise<void> {
    this.#isEnding = true
    this.#bequest.end()
    this.#scheduler.stop()
    this.#expirer.stop()
    // A mount under way is finished first: half done it could not be told from a stale one.
    await this.#locks.run([mounting], () => Promise.resolve())
    const ends = [...this.#mounted.values()].map(async (volume) => {
      try {
        await volume.unmountPatiently(patienceMs)
      } catch (error) {
        this.#isClean = false
        this.#options.log(failureOf(error, 'could not unmount').message)
      }
      this.#forget(volume)
    })
    await Promise.all(ends)
    this.#endIfIdle()
  }

  /** A bug: nobody knows what state it has left, so the mounts are taken away in good order while that works. */
  readonly fail = (error: Error): void => {
    this.#options.log(`internal error: ${error.stack ?? error.message}`)
    if (!this.#isEnding) this.#bequest.dieIfReplaced()
    if (!this.#isClean) return
    this.#isClean = false
    void this.shutDown()
  }

  readonly #now = (): Date => new Date(this.#options.clock.now())

  /** What programs have changed in memory alone counts too: they must hand it over first. */
  async #isChanged(id: string): Promise<boolean> {
    const volume = this.#volume(id)
    if (volume.doubtful().length > 0) return true
    return this.#locks.run([id], async () => {
      await volume.flush()
      return (await volume.thread.status()).changesSinceSnapshot !== 0
    })
  }

  /** Chosen when nobody else is about to change the catalog. */
  async #remove(id: string, choose: () => readonly string[], isForced: boolean): Promise<void> {
    await this.#locks.run([id, catalog], async () => {
      const volume = this.#volume(id)
      const names = choose()
      if (names.length === 0) return
      const removed = this.#options.store.catalog.removeSnapshots(id, names, isForced)
      faultPoint('delete.gone')
      await volume.thread.remove(removed)
      volume.sweeper.start()
    })
  }

  /** False: it is mounted. */
  async #removeUnmounted(
    id: string,
    names: readonly string[],
    isForced: boolean,
  ): Promise<boolean> {
    if (this.#mounted.has(id)) return false
    // One that is just being mounted has its snapshots as they were before.
    return this.#locks.run([mounting, catalog], () => {
      const isUnmounted = !this.#mounted.has(id)
      if (isUnmounted) this.#options.store.catalog.removeSnapshots(id, names, isForced)
      return Promise.resolve(isUnmounted)
    })
  }

  async #mountAlone(order: MountOrder): Promise<MountedReport> {
    return this.#locks.run([mounting], async () => {
      if (this.#isEnding) throw new DaemonEnding()
      this.#isMounting = true
      const undo = new Undo()
      try {
        const predecessors = [...this.#mounted.values()].filter(
          (volume) => volume.order.origin === order.origin,
        )
        for (const predecessor of predecessors) await predecessor.finishUnmounted()
        await checkMountPaths(order)
        checkMountAbility(order)
        const origin = OriginDirectory.open(this.#options.native, order.origin, undo)
        const report = await this.mount(order, origin, undo)
        undo.forget()
        return report
      } catch (error) {
        await undo.run((problem) => {
          this.#options.log(`could not tidy up: ${String(problem)}`)
        })
        throw error
      } finally {
        this.#isMounting = false
        // The last volume may have ended while this one tried to begin.
        this.#endIfIdle()
      }
    })
  }

  async #open(
    record: VolumeRecord,
    order: MountOrder,
    origin: OriginDirectory,
    cancel: AbortSignal | undefined,
  ): Promise<MountedVolume> {
    const sessionFd = this.#bequest.newSession(order)
    const { thread, partsOf } = this.#startThread(record, order, origin, sessionFd, false)
    try {
      const opened = await thread.opened()
      faultPoint('mount.opened')
      refuseCancelled(cancel)
      const volume = await MountedVolume.mount(partsOf(opened), () => {
        refuseCancelled(cancel)
      })
      this.#bequest.remember(volume, sessionFd)
      return volume
    } catch (error) {
      await thread.discard()
      this.#bequest.discard(sessionFd)
      throw error
    }
  }

  /** `sessionFd`: where it keeps on record what a successor needs, or, at a takeover, finds what a predecessor has left. */
  #startThread(
    record: VolumeRecord,
    order: MountOrder,
    origin: OriginDirectory,
    sessionFd: number | undefined,
    isTakeover: boolean,
  ): { thread: VolumeThread; partsOf: (opened: Opened) => MountedVolumeParts } {
    const { native, store, log } = this.#options
    const { id, chunkBytes } = record
    const data = {
      session: this.#bequest.threadData(sessionFd, isTakeover),
      originFd: origin.duplicate(),
      storeDirectory: store.volumeDirectory(id),
      snapshots: [...record.snapshots],
      chunkBytes,
      durability: order.durability,
      transport: order.transport,
      isMountedOver: order.mountPoint === order.origin,
    }
    const volumeLog: Log = (line) => {
      log(`${record.name}: ${line}`)
    }
    const space = new SpaceWatch({
      places: watchedPlaces(store, origin),
      mark: order.lowWater,
      log: volumeLog,
      onLook: ({ store: found }) => {
        if (found !== undefined) this.#expirer.noteFree(id, found.bytesFree)
      },
    })
    const thread: VolumeThread = new VolumeThread(native, data, {
      log: volumeLog,
      onIdle: () => {
        space.lookSometimes()
      },
      onWanted: (what, name) => {
        void this.#onWanted(id, thread, what, name)
      },
    })
    const noteSwept = () => {
      store.catalog.noteSwept(id)
    }
    const sweeper = new Sweeper(thread, noteSwept, volumeLog)
    const { letGo, isOwn } = this.#bequest
    const now = this.#now
    const parts = { native, id, order, origin, thread, sweeper, space, log, now, letGo, isOwn }
    return { thread, partsOf: (opened) => ({ ...parts, opened }) }
  }

  readonly #reopen = async (
    left: VolumeEstate,
  ): Promise<{ descriptors: number[]; serve: () => void }> => {
    const { id, order, entry, sessionFd } = left
    const { native, runtimeDirectory, store } = this.#options
    const record = this.#record(id)
    const origin = OriginDirectory.adopt(native, order.origin, left.originFd, left.originLockFd)
    const { thread, partsOf } = this.#startThread(record, order, origin, sessionFd, true)
    try {
      const opened = await thread.opened()
      const serve = () => {
        // Somebody may have taken it for a dead daemon's meanwhile.
        linkMountSocket(runtimeDirectory, entry.device, store.key)
        const volume = MountedVolume.takeOver(partsOf(opened), left)
        this.#bequest.remember(volume, sessionFd)
        this.#add(volume)
      }
      return { descriptors: opened.descriptors, serve }
    } catch (error) {
      await thread.discard()
      throw error
    }
  }

  #add(volume: MountedVolume): void {
    this.#mounted.set(volume.id, volume)
    // Takes its turn before any snapshot does.
    void this.#hooks.finish(this.#hookSubject(volume.id, { tags: [], memo: '' }))
    this.#scheduler.wake()
    this.#expirer.look(volume.id)
    // An index that was built anew has again what was swept.
    const isRebuilt = volume.opened.recovery['wasIndexRebuilt'] === true
    if (this.#record(volume.id).isUnswept || isRebuilt) volume.sweeper.start()
    void volume.ended.then((end) => {
      this.#onEnded(volume, end)
    })
  }

  async #onWanted(id: string, thread: VolumeThread, what: Wanted, name: string): Promise<void> {
    try {
      // The mount answers a moment before `mount` knows it does.
      if (!this.#mounted.has(id)) await this.#locks.run([mounting], () => Promise.resolve())
      if (what === 'snapshot') await this.snapshot([id], '', [name])
      else await this.delete(id, [name], false)
      thread.answerWanted(what, name)
    } catch (error) {
      const failure = failureOf(error, `the ${what} failed`)
      this.#options.log(`${what} ${name} of ${this.#nameOf(id)} failed: ${failure.message}`)
      thread.answerWanted(what, name, { code: errnoCodeOf(failure), message: failure.message })
    }
  }

  /** The volumes of a group are ready when all of them are mounted. */
  #readyForSchedules(): string[] {
    const mounted = [...this.#mounted.values()]
    const origins = new Set(mounted.map(({ order }) => order.origin))
    return mounted
      .filter(({ order }) => order.together?.every((origin) => origins.has(origin)) ?? true)
      .map(({ id }) => id)
  }

  #onEnded(volume: MountedVolume, end: ThreadEnd): void {
    const { order } = volume
    if (!end.isClean && end.isBug === true && !this.#isEnding) this.#bequest.dieIfReplaced()
    this.#options.log(`unmounted ${order.mountPoint}${end.isClean ? '' : ' after a failure'}`)
    if (!end.isClean) this.#isClean = false
    this.#forget(volume)
    this.#endIfIdle()
  }

  #forget(volume: MountedVolume): void {
    if (this.#mounted.get(volume.id) !== volume) return
    this.#mounted.delete(volume.id)
    this.#bequest.forget(volume)
    const { device } = volume.entry
    const isReused = [...this.#mounted.values()].some(({ entry }) => entry.device === device)
    const { runtimeDirectory, store } = this.#options
    if (!isReused) unlinkMountSocket(runtimeDirectory, device, store.key)
    try {
      store.catalog.writeNotes()
    } catch (error) {
      this.#options.log(failureOf(error, 'how schedules went was not noted').message)
    }
  }

  #endIfIdle(): void {
    if (this.#mounted.size > 0 || this.#isMounting) return
    this.#isEnding = true
    this.#bequest.end()
    this.#scheduler.stop()
    this.#expirer.stop()
    // A successor finds its socket's name free when it gets the lock.
    this.#options.stopListening()
    this.#options.store.close()
    this.#end(this.#isClean)
  }

  #volume(id: string): MountedVolume {
    const volume = this.#mounted.get(id)
    if (volume === undefined) throw new Failure('missing', 'the volume is not mounted any more')
    return volume
  }

  #record(id: string): VolumeRecord {
    const record = this.#options.store.catalog.volumeById(id)
    if (record === undefined) throw new Failure('missing', `the store has no volume ${id}`)
    return record
  }

  /** For people. */
  #nameOf(id: string): string {
    return this.#options.store.catalog.volumeById(id)?.name ?? id
  }

  #summary(record: VolumeRecord): VolumeSummary {
    const volume = this.#mounted.get(record.id)
    const mount =
      volume === undefined
        ? undefined
        : { mountPoint: volume.order.mountPoint, device: volume.entry.device }
    return volumeSummary(record, this.#options.store.path, mount)
  }
}

/** By paths that lead there whatever is mounted later. */
function watchedPlaces(store: StoreDirectory, origin: OriginDirectory): WatchedPlace[] {
  const place = (kind: WatchedPlace['kind'], { root, path }: { root: string; path: string }) => ({
    kind,
    root,
    path,
    device: statSync(root).dev,
  })
  return [place('store', store), place('origin', origin)]
}

/** Said once: later nothing tells an empty directory from one that only looks so. */
function notesOfMounts(origin: string, table: readonly MountEntry[]): string[] {
  const inside = table
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint !== origin && isInside(mountPoint, origin))
  const [first, ...others] = [...new Set(inside)].sort()
  if (first === undefined) return []
  const more = others.length === 0 ? 'is' : `and ${others.length} more below ${origin} are`
  return [`${first} ${more} of another file system: the mount shows an empty directory there`]
}

function refuseCancelled(cancel: AbortSignal | undefined): void {
  if (cancel?.aborted === true) throw new Failure('failed', 'the mount was cancelled: try it again')
}
