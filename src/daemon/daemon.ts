import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { faultPoint } from '../base/fault-point.js'
import type { Label } from '../base/ids.js'
import type { Native } from '../base/native.js'
import { Bequest } from './bequest.js'
import { CatalogEdits } from './catalog-edits.js'
import type { ControlRequest, MountedReport } from './control-protocol.js'
import { DaemonEnding } from './control-server.js'
import type { Log } from './daemon-log.js'
import { DaemonReports } from './daemon-reports.js'
import { Expirer } from './expirer.js'
import { errnoCodeOf, failureOf } from './failure-of.js'
import { checkMountAbility } from './kernel-mount.js'
import { KeyLocks, lockKeys } from './key-locks.js'
import { notesOfMounts } from './mount-notes.js'
import type { MountOrder } from './mount-order.js'
import { checkMountPaths } from './mount-paths.js'
import { readMountTable } from './mount-table.js'
import { MountedVolume } from './mounted-volume.js'
import { OriginDirectory } from './origin-directory.js'
import { notesOfWriters } from './origin-writers.js'
import { RequestHandler } from './request-handler.js'
import { linkMountSocket, unlinkMountSocket } from './runtime-directory.js'
import { Scheduler } from './scheduler.js'
import { SnapshotHooks } from './snapshot-hooks.js'
import type { HookSubject } from './snapshot-hooks.js'
import { takeSnapshots } from './snapshots.js'
import type { CutVolume, SnapshotWords } from './snapshots.js'
import type { StoreDirectory } from './store-directory.js'
import type { Estate, Succession } from './succession.js'
import { checkSuccessor } from './successor-check.js'
import type { Wanted } from './thread-protocol.js'
import { Undo } from './undo.js'
import { VolumeBook } from './volume-book.js'
import { volumeFor } from './volume-choice.js'
import { VolumeOpening } from './volume-opening.js'
import type { ThreadEnd } from './volume-thread.js'
import { VolumeThread } from './volume-thread.js'

/** How long a daemon that was told to end waits for programs to leave its mounts. */
const patienceMs = 2000

type Cut = Pick<CutVolume, 'id' | 'run'>

const { mounting, catalog } = lockKeys

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
  readonly #book: VolumeBook
  readonly #locks = new KeyLocks()
  readonly #scheduler: Scheduler
  readonly #expirer: Expirer
  readonly #hooks: SnapshotHooks
  readonly #edits: CatalogEdits
  readonly #requests: RequestHandler
  readonly #opening: VolumeOpening
  readonly #bequest: Bequest
  #isMounting = false
  #isClean = true
  #isEnding = false
  #end: (isClean: boolean) => void = () => undefined

  constructor(options: DaemonOptions) {
    this.#options = options
    const { clock, log, store } = options
    this.#book = new VolumeBook(store)
    this.#scheduler = new Scheduler({
      catalog: options.store.catalog,
      clock,
      log,
      mounted: () => this.#book.readyForSchedules(),
      unitOf: (id) => this.#book.mounted.get(id)?.order.together?.join('\0') ?? id,
      isChanged: (id) => this.#isChanged(id),
      take: (cuts) => this.#cut(cuts, { memo: '', tags: [] }),
    })
    this.#hooks = new SnapshotHooks((id) => options.store.volumeDirectory(id), log)
    this.#expirer = new Expirer({
      catalog: options.store.catalog,
      clock,
      log,
      mounted: () => [...this.#book.mounted.keys()],
      remove: (id, choose) => this.#edits.remove(id, choose, false),
      swept: (id) => this.#book.volume(id).sweeper.settled(),
      freeBytes: (id) => this.#book.volume(id).space.freeBytes('store'),
    })
    const { succession } = options
    const mounted = () => this.#book.mounted.values()
    this.#bequest = new Bequest({ ...options, succession, mounted })
    this.#opening = new VolumeOpening({
      ...options,
      now: this.#now,
      bequest: this.#bequest,
      onFree: (id, bytes) => {
        this.#expirer.noteFree(id, bytes)
      },
      onWanted: (id, thread, what, name) => void this.#onWanted(id, thread, what, name),
    })
    this.#edits = new CatalogEdits({
      catalog: store.catalog,
      book: this.#book,
      locks: this.#locks,
      clock,
      log,
      onSchedules: () => {
        this.#scheduler.wake()
      },
    })
    this.#requests = new RequestHandler({
      daemon: this,
      edits: this.#edits,
      reports: new DaemonReports(store, this.#book, this.#bequest, clock),
      book: this.#book,
      store,
      clock,
      log,
    })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** Carries out what came over the control socket. */
  readonly handle = async (request: ControlRequest): Promise<unknown> => {
    if (this.#isEnding) throw new DaemonEnding()
    return this.#requests.handle(request)
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
    const volume = await this.#opening.open(record, order, origin, cancel)
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
    const areAll = await this.#bequest.takeOver(estate, async (left) => {
      const { descriptors, serve } = await this.#opening.reopen(this.#book.record(left.id), left)
      const add = () => {
        this.#add(serve())
      }
      return { descriptors, serve: add }
    })
    if (!areAll) this.#isClean = false
    this.#endIfIdle()
  }

  /** Ends this process in the middle of its work, so that a successor (of a new version, perhaps) goes on with it. */
  async reload(): Promise<void> {
    this.#bequest.assertReplaceable()
    await checkSuccessor()
    await this.#locks.run([mounting, catalog, ...this.#book.mounted.keys()], async () => {
      const volumes = [...this.#book.mounted.values()]
      await Promise.all(volumes.map(({ thread }) => thread.hold()))
      this.#bequest.reload()
    })
  }

  async unmount(id: string, isForced: boolean): Promise<void> {
    await this.#locks.run([id], async () => {
      const volume = this.#book.volume(id)
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
    const { origin, mountPoint } = this.#book.volume(id).order
    return { id, name: this.#book.nameOf(id), origin, mountPoint, tags, memo, schedules }
  }

  async #cutNow(cuts: readonly Cut[], words: SnapshotWords): Promise<string[]> {
    const ids = cuts.map(({ id }) => id)
    return this.#locks.run([...ids, catalog], async () => {
      const volumes = cuts.map((cut) => {
        const volume = this.#book.volume(cut.id)
        const doubtful = volume.doubtful()
        const doubt = (label: Label) => volume.thread.doubt(doubtful, label)
        return { ...cut, thread: volume.thread, flush: () => volume.flush(), doubt }
      })
      const { store, log } = this.#options
      const startMs = performance.now()
      const records = await takeSnapshots(store.catalog, volumes, words, this.#now)
      for (const id of ids) this.#book.mounted.get(id)?.cuts.add(performance.now() - startMs)
      faultPoint('snapshot.done')
      for (const [at, { name }] of records.entries()) {
        const { id, run } = cuts[at] ?? { id: '' }
        const by = run === undefined ? '' : ` by schedule ${run.schedules.join(' ')}`
        log(`snapshot ${name} of ${this.#book.nameOf(id)}${by}`)
        this.#expirer.look(id)
      }
      return records.map(({ name }) => name)
    })
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
    const ends = [...this.#book.mounted.values()].map(async (volume) => {
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
    const volume = this.#book.volume(id)
    if (volume.doubtful().length > 0) return true
    return this.#locks.run([id], async () => {
      await volume.flush()
      return (await volume.thread.status()).changesSinceSnapshot !== 0
    })
  }

  async mountAlone(order: MountOrder): Promise<MountedReport> {
    return this.#locks.run([mounting], async () => {
      if (this.#isEnding) throw new DaemonEnding()
      this.#isMounting = true
      const undo = new Undo()
      try {
        const predecessors = [...this.#book.mounted.values()].filter(
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

  #add(volume: MountedVolume): void {
    this.#book.mounted.set(volume.id, volume)
    // Takes its turn before any snapshot does.
    void this.#hooks.finish(this.#hookSubject(volume.id, { tags: [], memo: '' }))
    this.#scheduler.wake()
    this.#expirer.look(volume.id)
    // An index that was built anew has again what was swept.
    const isRebuilt = volume.opened.recovery['wasIndexRebuilt'] === true
    if (this.#book.record(volume.id).isUnswept || isRebuilt) volume.sweeper.start()
    void volume.ended.then((end) => {
      this.#onEnded(volume, end)
    })
  }

  async #onWanted(id: string, thread: VolumeThread, what: Wanted, name: string): Promise<void> {
    try {
      // The mount answers a moment before `mount` knows it does.
      if (!this.#book.mounted.has(id)) await this.#locks.run([mounting], () => Promise.resolve())
      if (what === 'snapshot') await this.snapshot([id], '', [name])
      else await this.#edits.delete(id, [name], false)
      thread.answerWanted(what, name)
    } catch (error) {
      const failure = failureOf(error, `the ${what} failed`)
      this.#options.log(`${what} ${name} of ${this.#book.nameOf(id)} failed: ${failure.message}`)
      thread.answerWanted(what, name, { code: errnoCodeOf(failure), message: failure.message })
    }
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
    if (this.#book.mounted.get(volume.id) !== volume) return
    this.#book.mounted.delete(volume.id)
    this.#bequest.forget(volume)
    const { device } = volume.entry
    const isReused = [...this.#book.mounted.values()].some(({ entry }) => entry.device === device)
    const { runtimeDirectory, store } = this.#options
    if (!isReused) unlinkMountSocket(runtimeDirectory, device, store.key)
    try {
      store.catalog.writeNotes()
    } catch (error) {
      this.#options.log(failureOf(error, 'how schedules went was not noted').message)
    }
  }

  #endIfIdle(): void {
    if (this.#book.mounted.size > 0 || this.#isMounting) return
    this.#isEnding = true
    this.#bequest.end()
    this.#scheduler.stop()
    this.#expirer.stop()
    // A successor finds its socket's name free when it gets the lock.
    this.#options.stopListening()
    this.#options.store.close()
    this.#end(this.#isClean)
  }
}
