import type { FaultPoint } from '../../src/base/fault-points.js'
import { damageStore } from './damage-store.js'
import { Faults } from './faults.js'
import { killStory, segmentBytes } from './kill-story.js'
import { Oracle } from './oracle.js'
import { OracleVolume } from './oracle-volume.js'
import type { Random } from './random.js'
import { TestVolume, type TestVolumeOptions } from './test-volume.js'

/** How far a life got. */
export type Stage = 'mounting' | 'running' | 'unmounting' | 'unmounted'

/**
 * A volume that is killed at one fault point after the other. Each life is a mount, a story with
 * snapshots, and an unmount, as far as it gets; the oracle compares everything after each mount.
 */
export class KillSubject {
  readonly oracle: Oracle
  readonly #volume: TestVolume
  readonly #random: Random
  #stories = 0
  #stage: Stage = 'unmounted'

  constructor(options: TestVolumeOptions, random: Random) {
    this.#random = random
    this.#volume = new TestVolume({ chunkSize: '4K', ...options })
    this.oracle = new Oracle(new OracleVolume(this.#volume, 0), {
      seed: random.below(2 ** 31),
      chunkBytes: 4096,
      directory: this.#volume.directory,
    })
  }

  /** A whole life in which nothing is killed; returns how often each point was passed. */
  async live(): Promise<Map<FaultPoint, number>> {
    const faults = new Faults(this.#volume.directory, '*=trace')
    await this.#live(faults)
    if (this.#stage !== 'unmounted') throw new Error(`${this.#stage} failed`)
    return faults.passes()
  }

  /** A life that ends at the point's pass; by hand if the point is passed less often this time. */
  async dieAt(point: FaultPoint, pass: number): Promise<Stage> {
    const faults = new Faults(this.#volume.directory, `${point}=kill@${pass}`)
    try {
      await this.#live(faults)
    } catch (error) {
      throw new Error(`killed at pass ${pass} of ${point}`, { cause: error })
    }
    // What a sweep finds to do depends on which snapshots were deleted: that is drawn.
    const isChance = /^(sweep|compaction)\./.test(point)
    if (!faults.hasKilled && !isChance && !faults.passes().has(point)) {
      throw new Error(`${point} was never passed (${this.#stage})`)
    }
    this.#volume.kill()
    await this.#volume.hasDied()
    return this.#stage
  }

  /** What kill -9 may leave besides, and a lost index. */
  damage(what: { isTorn: boolean; isIndexLost: boolean }): void {
    // A volume that was closed, or is new, has no torn end.
    const isTorn = what.isTorn && this.#stage === 'running'
    damageStore(this.#volume.store, { ...what, isTorn })
  }

  /** After a last whole life nothing is amiss with what is kept. */
  async end(): Promise<void> {
    await this.live()
    await this.#volume.succeed('check', '--data', this.#volume.origin)
    await this.#volume.destroy()
  }

  async #live(faults: Faults): Promise<void> {
    const segments = { BYGONE_SEGMENT_BYTES: String(segmentBytes) }
    this.#volume.variables = { ...faults.variables, ...segments }
    this.#stage = 'mounting'
    const mounted = await this.#volume.tryMount()
    if (mounted.code !== 0) {
      if (faults.hasKilled) return
      throw new Error(`mount: exit ${mounted.code}, ${mounted.stderr}`)
    }
    this.#stage = 'running'
    try {
      await this.oracle.recover(() => Promise.resolve())
    } catch (error) {
      // A sweep goes on as soon as it is mounted.
      if (faults.hasKilled) return
      throw error
    }
    const story = killStory(++this.#stories, this.#random.below(2 ** 31))
    // A sweep comes by itself, sooner or later; one that is waited for takes a command.
    const steps = story.filter(
      (step) => step !== 'sweep' || faults.isOf('sweep.') || faults.isOf('compaction.'),
    )
    if (await this.oracle.runUntilKilled(steps, () => faults.hasKilled)) return
    this.#stage = 'unmounting'
    const { code, stderr } = await this.#volume.bygone('unmount', this.#volume.live)
    if (code === 0) this.#stage = 'unmounted'
    else if (!faults.hasKilled) throw new Error(`unmount: exit ${code}, ${stderr}`)
  }
}
