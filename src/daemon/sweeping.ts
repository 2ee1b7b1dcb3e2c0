import type { OriginNode } from '../volume/origin-node.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import type { VolumeSweep } from '../volume/volume-sweep.js'
import type { SweepHow, SweepProgress } from './thread-protocol.js'

interface Pass {
  sweep: VolumeSweep
  countAtStart: number
  changesAtStart: number
  sequenceAtStart: number
}

/** A volume's sweep, on its thread: in pieces, with requests between. */
export class Sweeping {
  readonly #volume: TreeVolume
  readonly #onTouched: ((node: OriginNode) => void) | undefined
  #pass: Pass | undefined
  /** How much had been kept when the last whole pass began. */
  #changesCounted: number | undefined

  /** `onTouched`: the live file's attributes have changed; undefined: the volume is not mounted, none may be. */
  constructor(volume: TreeVolume, onTouched: ((node: OriginNode) => void) | undefined) {
    this.#volume = volume
    this.#onTouched = onTouched
  }

  /** Other snapshots are needed now: what has been looked at is to be looked at again. */
  restart(): void {
    this.#pass = undefined
    this.#changesCounted = undefined
  }

  /** For about so long: at least a step. */
  goOn(msMax: number, how: SweepHow): SweepProgress {
    if (how === 'if-new' && this.#pass === undefined && this.#isCurrent) {
      return { isEnd: true, isCurrent: true, counts: {} }
    }
    const pass = (this.#pass ??= this.#begin())
    const { sweep } = pass
    const end = performance.now() + msMax
    try {
      do {
        sweep.step(how === 'thoroughly')
      } while (!sweep.isEnd && performance.now() < end)
    } catch (error) {
      this.restart()
      throw error
    }
    for (const node of sweep.touched.splice(0)) this.#onTouched?.(node)
    if (!sweep.isEnd) return { isEnd: false, isCurrent: false, counts: sweep.counts }
    this.#pass = undefined
    this.#changesCounted = pass.changesAtStart
    const { countAtStart } = pass
    const use = { labels: [...sweep.labels], countAtStart, entries: sweep.use.entries() }
    const { store } = this.#volume
    // Where nobody can change anything meanwhile, what it has written itself does not make it older.
    const isAlone = this.#onTouched === undefined
    store.noteSurvey({ ...use, sequence: isAlone ? store.sequence : pass.sequenceAtStart })
    return { isEnd: true, isCurrent: this.#isCurrent, counts: sweep.counts, use }
  }

  #begin(): Pass {
    const sweep = this.#volume.sweep({ inSession: this.#onTouched !== undefined })
    const sequenceAtStart = this.#volume.store.sequence
    const countAtStart = sweep.labels.length
    return { sweep, countAtStart, changesAtStart: this.#changes, sequenceAtStart }
  }

  get #isCurrent(): boolean {
    return this.#changesCounted === this.#changes
  }

  /** What is kept is written to the journal first: as long as nothing is, it stays the same. */
  get #changes(): number {
    return this.#volume.store.stats().recordsWritten
  }
}
