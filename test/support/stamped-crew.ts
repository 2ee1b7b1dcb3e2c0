import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Actor } from './actor.js'
import { Mismatch } from './oracle.js'
import type { Random } from './random.js'
import type { TestVolume } from './test-volume.js'

export interface CrewOptions {
  /** Of `blocks` blocks of 4 KiB each. */
  files: number
  blocks: number
  writers: number
  churners: number
  readers: number
  /** Writers also store through shared mappings; a kill then ends them by SIGBUS. */
  isMapped: boolean
}

const deleting = '.deleting'

interface Work {
  count: number
  /** The mount died under it. */
  gone?: string
  bytes?: number
  wrong?: string[]
}

interface Look {
  bytes: number
  wrong: string[]
}

/**
 * Processes that write, rename and look at snapshots all at the same time (see stamped.py): each block
 * says when it was written, so every snapshot can be judged, whatever went on around its cut.
 */
export class StampedCrew {
  /** What the names of files begin with that `drift` changes, below the root of the volume. */
  readonly drifting = 'drift/'
  /** Operations, bytes of snapshots that were compared, snapshots that were taken and deleted. */
  readonly counts = { operations: 0, bytes: 0, snapshots: 0, deleted: 0 }
  readonly #volume: TestVolume
  readonly #random: Random
  readonly #options: CrewOptions
  readonly #looks: string
  readonly #stop: string
  readonly #actors = new Map<string, Actor>()
  /** A snapshot that was asked for, with what had been written before. */
  #asked: { after: number[] } | undefined
  #working: Promise<Work>[] = []

  constructor(volume: TestVolume, random: Random, options: CrewOptions) {
    this.#volume = volume
    this.#random = random
    this.#options = options
    this.#looks = volume.beside('looks')
    this.#stop = volume.beside('stop')
    mkdirSync(this.#looks)
  }

  /** Makes what is written to, on the mount. */
  async prepare(): Promise<void> {
    await this.#run('prepare', 'prepare', {})
  }

  start(): void {
    rmSync(this.#stop, { force: true })
    const { writers, churners, readers } = this.#options
    const begin = (does: string, count: number) =>
      Array.from({ length: count }, (_, number) =>
        this.#run<Work>(`${does} ${number}`, does, {
          seed: this.#random.below(2 ** 31),
          writer: number,
        }),
      )
    this.#working = [
      ...begin('write', writers),
      ...begin('churn', churners),
      ...begin('read', readers),
    ]
    // Whoever stops them sees how they ended.
    for (const work of this.#working) work.catch(() => undefined)
  }

  /** Waits until all have come to rest, because they were told to, or the mount is gone. */
  async stop(isKilled: () => boolean = () => false): Promise<void> {
    writeFileSync(this.#stop, '')
    const ends = await Promise.allSettled(this.#working.splice(0))
    for (const end of ends) {
      if (end.status === 'rejected') {
        if (isKilled()) continue
        throw end.reason
      }
      const { count, gone, bytes = 0, wrong = [] } = end.value
      if (gone !== undefined && !isKilled()) throw new Error(`the mount said ${gone}`)
      refuse(wrong, 'a snapshot has changed')
      this.counts.operations += count
      this.counts.bytes += bytes
    }
  }

  /** Takes a snapshot while all go on, and looks at it. */
  async snapshot(take: () => Promise<string>): Promise<string> {
    this.#asked = { after: await this.#run<number[]>('conductor', 'acks_of', {}) }
    const name = await take()
    const until = process.hrtime.bigint()
    await this.#judge(name, until, this.#asked.after)
    this.#asked = undefined
    this.counts.snapshots++
    return name
  }

  /** After a kill, while nobody writes: what was answered is there, and a snapshot that came to be is right. */
  async recover(snapshots: readonly string[]): Promise<void> {
    const after = await this.#run<number[]>('conductor', 'acks_of', {})
    const now = process.hrtime.bigint()
    await this.#look(this.#volume.live, { until: now, after, keep: '' })
    this.#settle(snapshots)
    for (const name of snapshots) {
      if (!existsSync(this.#keptOf(name))) await this.#judge(name, now, this.#asked?.after ?? after)
    }
    this.#asked = undefined
  }

  /** Nobody looks at it any more: it is about to be deleted. */
  forget(name: string): void {
    const kept = this.#keptOf(name)
    if (existsSync(kept)) renameSync(kept, kept + deleting)
    this.counts.deleted++
  }

  /** While nothing is mounted: changes a file behind the back of all. Older snapshots may say EIO of it. */
  async drift(): Promise<void> {
    const given = { root: this.#volume.plain, seed: this.#random.below(2 ** 31) }
    await this.#run('conductor', 'drift', given)
  }

  /** Every snapshot, once more. */
  async reread(): Promise<void> {
    const { bytes, wrong } = await this.#run<Look>('conductor', 'reread', {})
    this.counts.bytes += bytes
    refuse(wrong, 'a snapshot has changed')
  }

  /** Snapshots whose deletion was cut off are there, and then as they were, or not. */
  #settle(snapshots: readonly string[]): void {
    for (const name of snapshots) {
      const kept = this.#keptOf(name)
      if (existsSync(kept + deleting)) renameSync(kept + deleting, kept)
    }
  }

  async #judge(name: string, until: bigint, after: number[]): Promise<void> {
    const path = this.#volume.snapshotPath(name)
    await this.#look(path, { until, after, keep: this.#keptOf(name) })
  }

  async #look(
    root: string,
    given: { until: bigint; after: number[]; keep: string },
  ): Promise<void> {
    const stamps = { ...given, until: Number(given.until) }
    const { bytes, wrong } = await this.#run<Look>('conductor', 'look', { ...stamps, root })
    this.counts.bytes += bytes
    refuse(wrong, root)
  }

  #keptOf(name: string): string {
    return join(this.#looks, `${name}.json`)
  }

  async #run<Result>(who: string, does: string, given: object): Promise<Result> {
    const { files, blocks, writers, isMapped } = this.#options
    const { live } = this.#volume
    const common = {
      ...{
        root: live,
        live,
        looks: this.#looks,
        stop: this.#stop,
        acks: this.#volume.beside('acks'),
      },
      ...{ files, blocks, writers, mapped: isMapped },
    }
    const lines = `import stamped\nresult = stamped.${does}(given)`
    const { ok, errno } = await this.#actor(who).python(lines, { ...common, ...given }, 120_000)
    if (errno !== undefined) throw new Error(`${does}: ${errno}`)
    return ok as Result
  }

  #actor(who: string): Actor {
    const known = this.#actors.get(who)
    if (known !== undefined && !known.isGone) return known
    const actor = this.#volume.newActor()
    this.#actors.set(who, actor)
    return actor
  }
}

function refuse(wrong: readonly string[], what: string): void {
  if (wrong.length > 0) throw new Mismatch(`${what}:\n${wrong.join('\n')}`)
}
