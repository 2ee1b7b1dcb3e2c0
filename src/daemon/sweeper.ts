import { setTimeout as sleep } from 'node:timers/promises'
import type { Label } from '../base/ids.js'
import { SpaceUse } from '../store/space-use.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import type { SweepProgress } from './thread-protocol.js'
import type { VolumeThread } from './volume-thread.js'

/** In the background: short pieces that live requests do not feel, with four times as long between. */
const pieceMs = 4
const pauseMs = 16

/** In the foreground: somebody waits for it. */
const longPieceMs = 100

/**
 * Frees what deleted snapshots have left, on the main thread's side: it decides when the volume's thread sweeps. One
 * pass at a time; a deletion during one has the thread begin it anew.
 */
export class Sweeper {
  readonly #thread: Pick<VolumeThread, 'sweep'>
  readonly #log: Log
  /** The catalog's: nothing is left of what was deleted. */
  readonly #noteSwept: () => void
  /** As of the last pass. */
  #use: { labels: readonly Label[]; bytes: SpaceUse } | undefined
  #deletions = 0
  #isRunning = false

  constructor(thread: Pick<VolumeThread, 'sweep'>, noteSwept: () => void, log: Log) {
    this.#thread = thread
    this.#noteSwept = noteSwept
    this.#log = log
  }

  /** There is something to sweep. */
  start(): void {
    this.#deletions++
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#run().finally(() => {
      this.#isRunning = false
    })
  }

  /** A piece for somebody who waits; he asks until it is the end. */
  async goOn(): Promise<SweepProgress> {
    const { progress } = await this.#piece(longPieceMs)
    return progress
  }

  /** What was kept for this snapshot alone, in bytes; undefined: no pass has been through since it was taken. */
  uniqueBytes(label: Label): number | undefined {
    return this.#use?.labels.includes(label) === true ? this.freedBy(new Set([label])) : undefined
  }

  /** What would be freed by deleting these, as of the last pass. */
  freedBy(labels: ReadonlySet<Label>): number {
    if (this.#use === undefined) return 0
    const { labels: all, bytes } = this.#use
    return bytes.freedBy((index) => labels.has(all[index] ?? (0 as Label)), all.length)
  }

  async #run(): Promise<void> {
    try {
      while (!(await this.#piece(pieceMs)).isDone) await sleep(pauseMs)
    } catch (error) {
      // The volume was unmounted, or its store is full or failing: the next mount goes on.
      this.#log(failureOf(error, 'the sweep was broken off').message)
    }
  }

  /** `isDone`: and nothing was deleted meanwhile. */
  async #piece(msMax: number): Promise<{ progress: SweepProgress; isDone: boolean }> {
    const deletions = this.#deletions
    const progress = await this.#thread.sweep(msMax)
    if (!progress.isEnd) return { progress, isDone: false }
    const { use } = progress
    if (use !== undefined) this.#use = { labels: use.labels, bytes: SpaceUse.of(use.entries) }
    const isDone = deletions === this.#deletions
    if (isDone) this.#noteSwept()
    const { elementsFreed, bytesFreed, filesRemoved } = progress.counts
    if (elementsFreed || filesRemoved) {
      this.#log(
        `swept: ${elementsFreed} elements, ${bytesFreed} bytes of data, ${filesRemoved} files`,
      )
    }
    return { progress, isDone }
  }
}
