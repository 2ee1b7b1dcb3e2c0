import { setTimeout as sleep } from 'node:timers/promises'
import type { Label } from '../base/ids.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import { sharesOf, surveyOf } from './snapshot-shares.js'
import type { Share, Survey } from './snapshot-shares.js'
import type { SweepHow, SweepProgress } from './thread-protocol.js'
import type { VolumeThread } from './volume-thread.js'

/** In the background: short pieces that live requests do not feel, with four times as long between. */
const pieceMs = 4
const pauseMs = 16

/** Others may have made room. */
const pauseOnFullDiskMs = 30_000

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
  #use: Survey | undefined
  #deletions = 0
  #running: Promise<void> | undefined

  constructor(thread: Pick<VolumeThread, 'sweep'>, noteSwept: () => void, log: Log) {
    this.#thread = thread
    this.#noteSwept = noteSwept
    this.#log = log
  }

  /** There is something to sweep. */
  start(): void {
    this.#deletions++
    this.#goOnInBackground()
  }

  /** What is swept in the background is, or the sweep was broken off. */
  async settled(): Promise<void> {
    await this.#running
  }

  /** A piece for somebody who waits; he asks until it is the end. */
  async goOn(): Promise<SweepProgress> {
    const { progress } = await this.#piece(longPieceMs, 'thoroughly')
    return progress
  }

  /**
   * Sees to it that `shares` is up to date, for about so long, with requests between; then the rest is done in the
   * background.
   */
  async count(msMax: number): Promise<Pick<SweepProgress, 'isEnd' | 'isCurrent'>> {
    const end = performance.now() + msMax
    do {
      const { progress } = await this.#piece(pieceMs, 'if-new')
      if (progress.isEnd) return progress
    } while (performance.now() < end)
    this.#goOnInBackground()
    return { isEnd: false, isCurrent: false }
  }

  /**
   * The share of each of these snapshots, the ones there are, oldest first, as of the last pass; null where that
   * can't tell. `isCurrent`: as `count` has just said.
   */
  shares(labels: readonly Label[], isCurrent: boolean): Share[] {
    return sharesOf(labels, this.#use, isCurrent)
  }

  /** What would be freed by deleting these, as of the last pass. */
  freedBy(labels: ReadonlySet<Label>): number {
    if (this.#use === undefined) return 0
    const { labels: all, bytes } = this.#use
    return bytes.freedBy((index) => labels.has(all[index] ?? (0 as Label)), all.length)
  }

  #goOnInBackground(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        while (!(await this.#piece(pieceMs, 'steadily')).isDone) await sleep(pauseMs)
        return
      } catch (error) {
        const failure = failureOf(error, 'the sweep was broken off')
        this.#log(failure.message)
        // The volume was unmounted, or its store is failing: the next mount goes on.
        if (failure.kind !== 'full') return
      }
      await sleep(pauseOnFullDiskMs, undefined, { ref: false })
    }
  }

  /** `isDone`: and nothing was deleted meanwhile. */
  async #piece(
    msMax: number,
    how: SweepHow,
  ): Promise<{ progress: SweepProgress; isDone: boolean }> {
    const deletions = this.#deletions
    const progress = await this.#thread.sweep(msMax, how)
    if (!progress.isEnd) return { progress, isDone: false }
    const { use } = progress
    // There was nothing to look for.
    if (use === undefined) return { progress, isDone: true }
    this.#use = surveyOf(use)
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
