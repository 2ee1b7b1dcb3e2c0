import { Failure } from '../../../src/base/failure.js'
import { isErrno } from '../../../src/base/errno.js'
import type { Label } from '../../../src/base/ids.js'
import type { Durability } from '../../../src/store/journal.js'
import { Random } from '../random.js'
import { damages, newestSegment, type Ending } from './damages.js'
import { LiveChanges } from './live-changes.js'
import { differenceOfPast } from './past-check.js'
import { SimDisk } from './sim-disk.js'
import { SimVolume, type SimSetup, type TreeImage } from './sim-volume.js'

const steps = 60
const knownSteps = 54
const bootId = 'boot'
const none: ReadonlySet<string> = new Set()

/** The store believed what was damaged, or made more of the damage than it was. */
export class NotNoticed extends Error {
  override readonly name = 'NotNoticed'
}

/**
 * A random history of one volume, whose store is then damaged in one place, in many copies: each time what is hit must
 * be an error, or the volume not open, and all else be right. What is derived (index/) may cost nothing at all.
 */
export class DamageStory {
  /** How many times something was damaged, and how often the volume still opened. */
  trials = 0
  opened = 0
  readonly #random: Random
  readonly #setup: SimSetup
  readonly #ending: Ending
  #known = { path: '', bytes: 0 }
  readonly #snapshots = new Map<Label, TreeImage>()
  readonly #disk = SimDisk.empty()

  constructor({ seed, durability }: { seed: number; durability: Durability }) {
    const random = new Random(seed)
    this.#random = random
    this.#ending = random.pick(['closed', 'killed', 'restarted'])
    this.#setup = {
      durability,
      chunkBytes: random.pick([4096, 8192]),
      segmentBytesMax: random.pick([3_000, 9_000, 60_000]),
    }
  }

  /** Throws NotNoticed. */
  run(trials: number): void {
    this.#makeHistory()
    const target = { ending: this.#ending, directory: this.#directory, known: this.#known }
    while (this.trials < trials) {
      const damage = this.#random.pick(damages)
      const disk = this.#disk.copy()
      const where = damage.inflict(disk, target, this.#random)
      // With the index there, not much of the journal is read.
      if (this.#random.isLikely(0.5)) disk.remove(`${target.directory}/index/data.mdb`)
      this.trials++
      if (where !== undefined) this.#look(disk, damage.mayFail, `${this.#ending}, ${where}`)
    }
  }

  #makeHistory(): void {
    const random = this.#random
    const changes = new LiveChanges(random)
    SimVolume.makeOrigin(this.#disk)
    let volume = this.#open(this.#disk, bootId)
    for (let step = 0; step < steps; step++) {
      if (step % 12 === 5) {
        const image = volume.image()
        volume.snapshot((label) => this.#snapshots.set(label, image))
      } else if (random.isLikely(0.1)) volume.store.indexPending()
      else if (random.isLikely(0.03)) {
        volume.close(step)
        volume = this.#open(this.#disk, bootId)
      } else changes.next(this.#disk).act(volume)
      // What is written from now on knows that all of this is on the disk.
      if (step === knownSteps) {
        volume.store.flush()
        this.#known = newestSegment(this.#disk, this.#directory)
      }
    }
    if (this.#ending === 'closed') volume.close(steps)
    else volume.store.flush()
  }

  get #directory(): string {
    return `/store/volumes/${this.#disk.list('/store/volumes')[0] ?? ''}`
  }

  #open(disk: SimDisk, boot: string): SimVolume {
    const volume = SimVolume.open(disk, this.#setup, boot)
    if (disk === this.#disk) volume.beginSession(1)
    return volume
  }

  #look(disk: SimDisk, mayFail: boolean, where: string): void {
    let volume
    try {
      volume = this.#open(disk, this.#ending === 'killed' ? bootId : 'another boot')
    } catch (error) {
      const isRefusal =
        mayFail && ((error instanceof Failure && error.kind === 'damaged') || isErrno(error, 'EIO'))
      if (isRefusal) return
      throw new NotNoticed(`${where}: does not open: ${String(error)}`, { cause: error })
    }
    this.opened++
    for (const [label, image] of this.#snapshots) {
      const difference = differenceOfPast(volume, label, image, none, mayFail)
      if (difference !== undefined) throw new NotNoticed(`${where}: ${label}: ${difference}`)
    }
  }
}
