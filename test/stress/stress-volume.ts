import { join } from 'node:path'
import { faultPoints } from '../../src/base/fault-points.js'
import type { Actor } from '../support/actor.js'
import { checkReport } from '../support/check-report.js'
import { DaemonKiller } from '../support/daemon-killer.js'
import { damageStore } from '../support/damage-store.js'
import { Faults } from '../support/faults.js'
import { Mismatch, Oracle, type Step, type VolumeUnderTest } from '../support/oracle.js'
import { OracleVolume } from '../support/oracle-volume.js'
import { Random } from '../support/random.js'
import { SmallDisk } from '../support/small-disk.js'
import { StampedCrew } from '../support/stamped-crew.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'

/** Far more than a volume comes to in all its lives: the disk is full when it is filled, and else not. */
const smallDiskMegabytes = 400

const crewOf = { files: 3, blocks: 192, writers: 2, churners: 2, readers: 2, isMapped: true }
/** Small, so that the journal begins a new one every few seconds. */
const segmentBytes = 1 << 20
/** Snapshots that are compared after each kill, the newest among them; in the end all are. */
const verifiedMax = 10

/** What the first mount passes, or one that recovers from more than a kill. */
const points = Object.keys(faultPoints).filter((name) => !name.startsWith('file.volume.json.'))
const groups = [...new Set(points.map((name) => name.split('.')[0] ?? ''))]

export interface StressOptions extends TestVolumeOptions {
  /** The store has a small disk of its own, which is full for a while again and again. */
  isStoreFilled?: boolean
}

/**
 * A volume that lives again and again: it is mounted, several programs work on it at the same time
 * while snapshots are taken and compared, and it ends by an unmount, a kill at a fault point, or a kill
 * at a random moment. In some lives a daemon that is killed has a successor, and no program may notice anything. The
 * next life must find everything: the oracle's part of the tree as the mirror
 * has it, the crew's as their stamps say, every snapshot as it was.
 */
export class StressVolume {
  readonly counts = {
    operations: 0,
    snapshots: 0,
    'snapshots deleted': 0,
    'crashes survived': 0,
    takeovers: 0,
    'full disks': 0,
    mounts: 0,
    'bytes compared': 0,
  }
  readonly pointsKilledAt = new Set<string>()
  readonly #volume: TestVolume
  readonly #random: Random
  readonly #crew: StampedCrew
  readonly #snapshots: OracleVolume
  #disk: SmallDisk | undefined
  /** Kills daemons that have a successor. */
  #killer: DaemonKiller | undefined
  #isFull = false
  #oracle: Oracle | undefined
  #stage: 'mounting' | 'running' | 'unmounting' | 'unmounted' = 'unmounted'

  static async make(options: StressOptions, random: Random): Promise<StressVolume> {
    const stress = new StressVolume(options, random)
    if (options.isStoreFilled === true) {
      const { store } = stress.#volume
      stress.#disk = await SmallDisk.make(store, { megabytes: smallDiskMegabytes })
    }
    return stress
  }

  private constructor(options: TestVolumeOptions, random: Random) {
    this.#random = random
    this.#volume = new TestVolume(options)
    this.#crew = new StampedCrew(this.#volume, random, crewOf)
    this.#snapshots = new OracleVolume(this.#volume, 0.2)
    this.#snapshots.runCommand = async (command) => {
      this.#killer?.pause()
      try {
        return await command()
      } finally {
        this.#killer?.resume()
      }
    }
  }

  /** One life, as far as it gets. */
  async live(): Promise<void> {
    const isReplaced = this.#random.isLikely(Number(process.env['REPL'] ?? 0.3))
    const plan = !isReplaced && this.#random.isLikely(0.7) ? this.#planToDie() : ''
    const delays = this.#delays()
    const faults = new Faults(this.#volume.directory, [plan, delays].join(','), isReplaced)
    if (isReplaced)
      this.#killer = new DaemonKiller(this.#volume, new Random(this.#random.below(2 ** 31)))
    await this.#live(faults, this.#random.isLikely(0.2))
    this.counts.takeovers += this.#killer?.kills ?? 0
    this.#killer = undefined
    if (faults.hasKilled) this.pointsKilledAt.add(plan.split('=')[0] ?? '')
  }

  /** A last life without any kill; compares every snapshot once more. Nothing is amiss with what is kept. */
  async end(): Promise<void> {
    await this.#live(new Faults(this.#volume.directory, ''), false)
    await this.#volume.mount()
    await this.#oracle?.verifyAll()
    await this.#crew.reread()
    await this.#volume.unmount()
    this.#count()
    const { report } = await checkReport(this.#volume, '--data')
    const damages = report.store.filter(({ severity }) => severity === 'damage')
    // What was changed behind the volume's back is lost to snapshots of before.
    const losses = report.files.filter(({ path }) => !path.startsWith(this.#crew.drifting))
    if (damages.length + losses.length + report.unchecked.length > 0) {
      throw new Mismatch(
        `bygone check: ${JSON.stringify({ damages, losses, unchecked: report.unchecked })}`,
      )
    }
    await this.#volume.destroy()
  }

  /** Keeps the origin, the store and what it is compared with; returns where. */
  async keep(): Promise<string> {
    return this.#volume.keep()
  }

  async #live(faults: Faults, isKilledAtRandom: boolean): Promise<void> {
    this.#volume.variables = { ...faults.variables, BYGONE_SEGMENT_BYTES: String(segmentBytes) }
    this.#tell(`a life with ${JSON.stringify(faults.variables['BYGONE_FAULTS'])}`)
    this.#stage = 'mounting'
    this.counts.mounts++
    let isKilledNow = false
    const isKilled = () => isKilledNow || faults.hasKilled
    const kill = () => {
      isKilledNow = true
      this.#volume.kill()
    }
    const mounted = await this.#volume.tryMount()
    if (mounted.code === 0) {
      this.#stage = 'running'
      await this.#survive(isKilled, () => this.#work(isKilled, isKilledAtRandom ? kill : undefined))
      if (!isKilled()) {
        this.#stage = 'unmounting'
        const { code, stderr } = await this.#volume.bygone('unmount', this.#volume.live)
        if (code === 0) this.#stage = 'unmounted'
        else if (!isKilled()) throw new Error(`unmount: ${stderr}`)
      }
    } else if (!isKilled()) throw new Error(`mount: exit ${mounted.code}, ${mounted.stderr}`)
    if (isKilled()) await this.#bury()
    else if (this.#random.isLikely(0.5)) await this.#crew.drift()
    this.#count()
  }

  /** What the kill leaves, and may leave besides. */
  async #bury(): Promise<void> {
    this.counts['crashes survived']++
    this.#volume.kill()
    await this.#volume.hasDied()
    damageStore(this.#volume.store, {
      // Neither can be done without room: more of the journal, the index made anew.
      isTorn: !this.#isFull && this.#stage === 'running' && this.#random.isLikely(0.3),
      isIndexLost: !this.#isFull && this.#random.isLikely(0.15),
    })
  }

  /** The store's disk is full, or has room again. */
  #fill(isFull: boolean): void {
    if (this.#disk === undefined || isFull === this.#isFull) return
    this.#tell(isFull ? 'the disk of the store is full' : 'it has room again')
    if (isFull) this.#disk.fill()
    else this.#disk.free()
    this.#isFull = isFull
    if (isFull) this.counts['full disks']++
  }

  async #work(isKilled: () => boolean, kill: (() => void) | undefined): Promise<void> {
    const oracle = await this.#begin()
    this.#crew.start()
    this.#killer?.start(200, 1500)
    const timer = kill && setTimeout(kill, this.#random.between(0, 3000))
    const end = Date.now() + this.#random.between(500, 3000)
    try {
      while (Date.now() < end && !isKilled()) {
        const steps = this.#steps(oracle)
        if (await oracle.runUntilKilled(steps, isKilled)) break
        if (!isKilled()) await this.#survive(isKilled, () => oracle.verifyOne())
        if (this.#random.isLikely(0.3)) await this.#workOnFullDisk(oracle, isKilled)
      }
      // Whoever was killed may be noticed a moment later.
      if (kill !== undefined && !isKilled()) kill()
      if (!isKilled()) await oracle.runUntilKilled(oracle.closings(), isKilled)
    } finally {
      clearTimeout(timer)
      await this.#killer?.stop()
      await this.#crew.stop(isKilled)
    }
  }

  /** The crew is refused what needs space; snapshots are cut and read, and may be deleted. */
  async #workOnFullDisk(oracle: Oracle, isKilled: () => boolean): Promise<void> {
    if (this.#disk === undefined || isKilled()) return
    this.#fill(true)
    const steps: Step[] = this.#random.isLikely(0.3) ? ['snapshot', 'delete'] : ['snapshot']
    await oracle.runUntilKilled(steps, isKilled)
    if (!isKilled()) await this.#survive(isKilled, () => oracle.verifyOne())
    // Who is killed now may have to recover on a full disk.
    if (!isKilled()) this.#fill(false)
  }

  /** Compares what the life before has left; in the first one makes what all work on. */
  async #begin(): Promise<Oracle> {
    if (this.#oracle !== undefined) {
      await this.#oracle.recover(() => Promise.resolve(), verifiedMax)
      this.#fill(false)
      await this.#crew.recover(await this.#snapshots.snapshots())
      return this.#oracle
    }
    await this.#crew.prepare()
    const part = new OracleSubtree(this.#volume, this.#snapshots, this.#crew)
    await this.#volume.actor.python("os.makedirs(given['path'], exist_ok=True)", {
      path: part.live,
    })
    this.#oracle = new Oracle(part, {
      seed: this.#random.below(2 ** 31),
      chunkBytes: 4096,
      directory: this.#volume.directory,
    })
    return this.#oracle
  }

  /** Work that may fail in any way once the daemon is killed: then the next life sees what is left. */
  async #survive(isKilled: () => boolean, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      // The kill is noted before the kernel lets anybody notice it.
      if (error instanceof Mismatch || !isKilled()) throw error
    }
  }

  *#steps(oracle: Oracle): Iterable<Step> {
    yield* oracle.someSteps(this.#random.between(5, 60))
    if (this.#random.isLikely(0.4)) yield 'delete'
    if (this.#random.isLikely(0.1)) yield 'sweep'
  }

  #planToDie(): string {
    const pass = this.#random.weighted([
      [1, 6],
      [2, 2],
      [this.#random.between(3, 20), 2],
      [this.#random.between(20, 200), 1],
    ])
    return `${this.#random.pick(points)}=kill@${pass}`
  }

  #delays(): string {
    if (this.#random.isLikely(0.6)) return ''
    const group = this.#random.pick(groups)
    return `${group}.*=delay:${group === 'snapshot' ? 30 : 2}`
  }

  #count(): void {
    const { operations = 0, bytesCompared = 0 } = this.#oracle ?? {}
    const crew = this.#crew.counts
    this.counts.operations = operations + crew.operations
    this.counts.snapshots = crew.snapshots
    this.counts['snapshots deleted'] = crew.deleted
    this.counts['bytes compared'] = bytesCompared + crew.bytes
  }

  #tell(line: string): void {
    if (process.env['BYGONE_TRACE'] === '1') console.log(`${new Date().toISOString()} ${line}`)
  }
}

/** The oracle's part of the tree; the crew looks at each snapshot too. */
class OracleSubtree implements VolumeUnderTest {
  readonly hiddenInRoot = []
  readonly #volume: TestVolume
  readonly #whole: OracleVolume
  readonly #crew: StampedCrew

  constructor(volume: TestVolume, whole: OracleVolume, crew: StampedCrew) {
    this.#volume = volume
    this.#whole = whole
    this.#crew = crew
  }

  get live(): string {
    return join(this.#volume.live, 'oracle')
  }

  get plain(): string {
    return join(this.#volume.plain, 'oracle')
  }

  snapshot(random: Random): Promise<string> {
    return this.#crew.snapshot(() => this.#whole.snapshot(random))
  }

  snapshots(): Promise<string[]> {
    return this.#whole.snapshots()
  }

  deleteSnapshot(name: string): Promise<void> {
    this.#crew.forget(name)
    return this.#whole.deleteSnapshot(name)
  }

  sweep(): Promise<void> {
    return this.#whole.sweep()
  }

  snapshotPath(name: string): string {
    return join(this.#volume.snapshotPath(name), 'oracle')
  }

  remount(): Promise<void> {
    return this.#whole.remount()
  }

  kill(): void {
    this.#whole.kill()
  }

  mountAgain(): Promise<void> {
    return this.#whole.mountAgain()
  }

  newActor(): Actor {
    return this.#whole.newActor()
  }
}
