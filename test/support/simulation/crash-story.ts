import { isErrno } from '../../../src/base/errno.js'
import type { Label } from '../../../src/base/ids.js'
import type { Durability } from '../../../src/store/journal.js'
import { Random } from '../random.js'
import { LiveChanges } from './live-changes.js'
import { differenceOfPast } from './past-check.js'
import { SimDisk, type Operation } from './sim-disk.js'
import type { Loss } from './sim-file.js'
import { SimVolume, type SimSetup, type TreeImage } from './sim-volume.js'

const snapshotsMax = 6
/** Recovery does some twenty operations; at one of them it is crashed itself, in one crash of three. */
const recoveryOperations = 24
const crashedRecoveries = 0.3
/** The same for the steps from whose crash the history goes on. */
const stepOperations = 12
const crashedSteps = 0.1

export interface StoryOptions {
  readonly seed: number
  readonly durability: Durability
  readonly steps?: number
}

type Crash = 'kill' | 'power'

/** What a run of the machine and its crashes are about: everything that survives is in the disk and in here. */
interface Known {
  /** Reported as taken. */
  readonly snapshots: Map<Label, TreeImage>
  /** Being taken. */
  pending: { label: Label; image: TreeImage } | undefined
  /** Elements in the window of 'ordered': a power loss may take them. */
  readonly unsynced: Set<string>
}

/**
 * A random history of one volume on a simulated disk, in which before each operation of the disk the machine crashes:
 * in a copy, in which the volume is recovered and looked at, while the history goes on.
 */
export class CrashStory {
  /** Crashes that were recovered from, and how many of them hit a recovery. */
  points = 0
  pointsInRecovery = 0
  readonly #random: Random
  readonly #changes: LiveChanges
  readonly #setup: SimSetup
  readonly #steps: number
  #known: Known = { snapshots: new Map(), pending: undefined, unsynced: new Set() }
  #disk = SimDisk.empty()
  #volume: SimVolume | undefined
  #bootId = 1
  #nowSec = 1_700_000_000
  #step = 0
  #what = 'begin'
  #notSurvived: NotSurvived | undefined

  constructor({ seed, durability, steps = 50 }: StoryOptions) {
    const random = new Random(seed)
    this.#random = random
    this.#changes = new LiveChanges(random)
    this.#steps = steps
    this.#setup = {
      durability,
      chunkBytes: random.pick([4096, 8192]),
      segmentBytesMax: random.pick([1_000, 12_000, 60_000]),
    }
  }

  /** Throws for the first crash that was not survived. */
  run(): void {
    try {
      SimVolume.makeOrigin(this.#disk)
      this.#crashAtEachOperation()
      this.#open()
      for (; this.#step < this.#steps; this.#step++) this.#doStep()
      this.#what = 'end'
      this.#close()
    } catch (error) {
      // What was thrown in the midst of an operation the store takes for a failure of the disk.
      throw this.#notSurvived ?? error
    }
    if (this.#notSurvived !== undefined) throw this.#notSurvived
  }

  #doStep(): void {
    const random = this.#random
    const act = random.weighted<() => void>([
      [this.#change, 44],
      [this.#burst, 12],
      [this.#sync, 3],
      [this.#snapshot, 10],
      [this.#delete, 5],
      [this.#sweep, 3],
      [this.#fillDisk, 7],
      [this.#passTime, 4],
      [this.#index, 6],
      [this.#reopen, 2],
      [this.#kill, 2],
      [this.#losePower, 2],
    ])
    if (random.isLikely(crashedSteps)) this.#crashIn(act)
    else act()
  }

  /** The history goes on from a crash in the middle of the step, if that has so many operations. */
  #crashIn(step: () => void): void {
    const disk = this.#disk
    const { watch } = disk
    const crash = this.#random.pick(['kill', 'power'] as const)
    let left = this.#random.below(stepOperations)
    let crashed: (Known & { disk: SimDisk }) | undefined
    disk.watch = (operation) => {
      watch?.(operation)
      if (left-- !== 0) return
      const { snapshots, pending, unsynced } = this.#known
      crashed = {
        disk: this.#crashed(disk, operation, crash),
        snapshots: new Map(snapshots),
        pending,
        unsynced: new Set(unsynced),
      }
    }
    step()
    disk.watch = watch
    if (crashed === undefined || this.#disk !== disk) return
    const { disk: after, ...known } = crashed
    this.#known = known
    this.#what = `${this.#what}, and recover from ${crash} in it`
    if (crash === 'power') this.#adoptLoss(after)
    this.#goOn(after)
  }

  readonly #change = (): void => {
    const { what, act } = this.#changes.next(this.#disk)
    act(this.#begin(what))
  }

  /** Many, and no time between them: what 'ordered' syncs together. */
  readonly #burst = (): void => {
    for (let left = this.#random.between(3, 8); left > 0; left--) this.#change()
  }

  /** What the change needs does not fit into the store: it is refused, and nothing has happened. */
  readonly #fillDisk = (): void => {
    this.#disk.roomBytes = this.#random.below(300)
    try {
      this.#change()
    } catch (error) {
      if (!isErrno(error, 'ENOSPC')) throw error
    } finally {
      this.#disk.roomBytes = undefined
    }
    // Some give up then.
    if (this.#random.isLikely(0.3)) this.#reopen()
  }

  readonly #sync = (): void => {
    const path = this.#changes.someFile(this.#disk)
    if (path !== undefined) this.#begin(`sync ${path}`).sync(path)
  }

  readonly #snapshot = (): void => {
    const { snapshots } = this.#known
    if (snapshots.size >= snapshotsMax) return
    this.#begin('snapshot').snapshot((label) => {
      this.#known.pending = { label, image: this.#current.image() }
    })
    const { pending } = this.#known
    if (pending === undefined) throw new Error('nothing was cut')
    snapshots.set(pending.label, pending.image)
    this.#known.pending = undefined
  }

  readonly #delete = (): void => {
    const { snapshots } = this.#known
    if (snapshots.size === 0) return
    const label = this.#random.pick([...snapshots.keys()])
    const image = snapshots.get(label)
    if (image === undefined) return
    // Until the call returns it may be there or not; there, it is whole.
    snapshots.delete(label)
    this.#known.pending = { label, image }
    this.#begin(`delete snapshot ${label}`).delete(label)
    this.#known.pending = undefined
    if (this.#random.isLikely(0.5)) this.#sweep()
  }

  readonly #sweep = (): void => {
    this.#begin('sweep').sweep()
  }

  readonly #passTime = (): void => {
    this.#begin('let time pass')
    this.#disk.syncInBackground()
    this.#known.unsynced.clear()
  }

  readonly #index = (): void => {
    this.#begin('index what is pending').store.indexPending()
  }

  readonly #reopen = (): void => {
    this.#begin('unmount')
    this.#close()
    this.#what = 'mount again'
    this.#open()
  }

  readonly #kill = (): void => {
    this.#begin('be killed')
    this.#goOn(this.#disk.copy())
  }

  readonly #losePower = (): void => {
    this.#begin('lose power')
    const disk = this.#disk.copy()
    losePower(disk, this.#random)
    this.#adoptLoss(disk)
    this.#goOn(disk)
  }

  /** What the window of 'ordered' has taken stays so. */
  #adoptLoss(disk: SimDisk): void {
    this.#bootId++
    if (this.#setup.durability === 'strict') return
    const { snapshots, pending } = this.#known
    const seen = SimVolume.open(disk.copy(), this.#setup, this.#boot)
    for (const label of snapshots.keys()) snapshots.set(label, seen.imageInPast(label))
    if (pending !== undefined && seen.labels.includes(pending.label)) {
      pending.image = seen.imageInPast(pending.label)
    }
  }

  #goOn(disk: SimDisk): void {
    this.#disk = disk
    this.#crashAtEachOperation()
    this.#open()
    const { pending, snapshots, unsynced } = this.#known
    unsynced.clear()
    // It was not reported, but now it is seen.
    if (pending !== undefined && this.#current.labels.includes(pending.label)) {
      snapshots.set(pending.label, pending.image)
    }
    this.#known.pending = undefined
  }

  #open(): void {
    this.#volume = SimVolume.open(this.#disk, this.#setup, this.#boot, {
      preserving: (key) => this.#known.unsynced.add(key),
      journalSynced: () => {
        this.#known.unsynced.clear()
      },
    })
    this.#volume.beginSession(this.#nowSec++)
  }

  #close(): void {
    this.#current.close(this.#nowSec++)
    this.#known.unsynced.clear()
  }

  get #current(): SimVolume {
    if (this.#volume === undefined) throw new Error('not open')
    return this.#volume
  }

  get #boot(): string {
    return `boot ${this.#bootId}`
  }

  #begin(what: string): SimVolume {
    this.#what = what
    return this.#current
  }

  #crashAtEachOperation(): void {
    this.#disk.watch = (operation) => {
      const where = `step ${this.#step}, ${this.#what}, before: ${operation.what} ${operation.path}`
      for (const crash of ['kill', 'power'] as const) {
        const disk = this.#crashed(this.#disk, operation, crash)
        const bootId = crash === 'power' ? this.#bootId + 1 : this.#bootId
        this.#survive(disk, bootId, crash === 'power', `${where}: ${crash}`, 0)
      }
    }
  }

  /** The disk as a crash leaves it that comes before the operation is done, or while it is. */
  #crashed(before: SimDisk, operation: Operation, crash: Crash): SimDisk {
    const random = this.#random
    const disk = before.copy()
    if (crash === 'power') {
      if (random.isLikely(0.5)) operation.apply(disk)
      losePower(disk, random)
    } else if (random.isLikely(0.7)) {
      if (operation.applyPartly === undefined) operation.apply(disk)
      else operation.applyPartly(disk, random)
    }
    return disk
  }

  /** Recovers, and once more; throws for what is not as it must be. */
  #survive(
    disk: SimDisk,
    bootId: number,
    hasLostPower: boolean,
    where: string,
    depth: number,
  ): void {
    this.points++
    if (depth > 0) this.pointsInRecovery++
    try {
      if (depth === 0 && this.#random.isLikely(crashedRecoveries)) {
        this.#crashRecovery(disk, bootId, hasLostPower, where)
      }
      const volume = SimVolume.open(disk, this.#setup, `boot ${bootId}`)
      disk.watch = undefined
      this.#look(volume, hasLostPower)
      const journal = journalOf(disk)
      // All of that is there after another crash too, however little of it was synced since the first.
      const again = disk.copy()
      const isPower = this.#random.isLikely(0.5)
      if (isPower) losePower(again, this.#random)
      const second = SimVolume.open(again, this.#setup, `boot ${bootId + (isPower ? 1 : 0)}`)
      if (journalOf(again) !== journal) throw new Error('a second recovery changed it')
      if (second.labels.join() !== volume.labels.join()) throw new Error('a snapshot is gone again')
      this.#look(second, hasLostPower)
    } catch (error) {
      this.#notSurvived ??= new NotSurvived(`${where}: ${String(error)}`, { cause: error })
      throw this.#notSurvived
    }
  }

  #crashRecovery(disk: SimDisk, bootId: number, hasLostPower: boolean, where: string): void {
    let left = this.#random.below(recoveryOperations)
    disk.watch = (operation) => {
      if (left-- !== 0) return
      const crash = this.#random.pick(['kill', 'power'] as const)
      const again = this.#crashed(disk, operation, crash)
      const isPower = crash === 'power'
      const at = `${where}; in recovery, before: ${operation.what} ${operation.path}: ${crash}`
      this.#survive(again, bootId + (isPower ? 1 : 0), hasLostPower || isPower, at, 1)
    }
  }

  #look(volume: SimVolume, hasLostPower: boolean): void {
    const { snapshots, pending, unsynced } = this.#known
    const lost = hasLostPower && this.#setup.durability === 'ordered' ? unsynced : none
    const labels = volume.labels
    for (const label of snapshots.keys()) {
      if (!labels.includes(label)) throw new Error(`snapshot ${label} is lost`)
    }
    for (const label of labels) {
      const image = snapshots.get(label) ?? (pending?.label === label ? pending.image : undefined)
      if (image === undefined) throw new Error(`snapshot ${label} was never taken`)
      const difference = differenceOfPast(volume, label, image, lost)
      if (difference !== undefined) throw new Error(`snapshot ${label}: ${difference}`)
    }
  }
}

const none: ReadonlySet<string> = new Set()

/** A crash after which the past is not what it was. */
export class NotSurvived extends Error {
  override readonly name = 'NotSurvived'
}

function losePower(disk: SimDisk, random: Random): void {
  const loss: Loss = {
    random,
    keeps: random.pick([0, 0.5, 0.5, 0.9, 1]),
    tears: random.pick([0, 0, 0.3]),
  }
  disk.losePower(loss, random.isLikely(0.3))
}

/** The journal's files, which recovery may cut once and not again. What was punched may come back, and is needed by none. */
function journalOf(disk: SimDisk): string {
  const parts: string[] = []
  for (const volume of disk.list('/store/volumes')) {
    const directory = `/store/volumes/${volume}/journal`
    for (const [name, object] of disk.namesIn(directory)) {
      parts.push(`${name} ${disk.fileByNumber(object)?.sizeBytes ?? 0}`)
    }
  }
  return parts.sort().join('\n')
}
