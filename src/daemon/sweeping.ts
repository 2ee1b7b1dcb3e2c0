import type { OriginNode } from '../volume/origin-node.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import type { VolumeSweep } from '../volume/volume-sweep.js'
import type { SweepProgress } from './thread-protocol.js'

/** A volume's sweep, on its thread: in pieces, with requests between. */
export class Sweeping {
  readonly #volume: TreeVolume
  readonly #onTouched: (node: OriginNode) => void
  #pass: VolumeSweep | undefined

  /** `onTouched`: the live file's attributes have changed. */
  constructor(volume: TreeVolume, onTouched: (node: OriginNode) => void) {
    this.#volume = volume
    this.#onTouched = onTouched
  }

  /** Other snapshots are needed now: what has been looked at is to be looked at again. */
  restart(): void {
    this.#pass = undefined
  }

  /** For about so long: at least a step. */
  goOn(msMax: number): SweepProgress {
    const pass = (this.#pass ??= this.#volume.sweep())
    const end = performance.now() + msMax
    do {
      pass.step()
    } while (!pass.isEnd && performance.now() < end)
    for (const node of pass.touched.splice(0)) this.#onTouched(node)
    if (!pass.isEnd) return { isEnd: false, counts: pass.counts }
    this.#pass = undefined
    const use = { labels: [...pass.labels], entries: pass.use.entries() }
    return { isEnd: true, counts: pass.counts, use }
  }
}
