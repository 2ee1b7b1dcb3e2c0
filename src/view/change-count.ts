import type { Label } from '../base/ids.js'

/**
 * Whether the live tree has changed since a snapshot, without looking at it. Each change that a program makes is
 * counted before it is made: also one that preserves nothing, since the chunk or the attributes are safe already, or the
 * file is new. One too many may be counted (what then fails), never one too few.
 */
export class ChangeCount {
  readonly #elsewhere: () => number
  readonly #atCut = new Map<Label, number>()
  #changes = 0

  /** `elsewhere`: those that never come here, since the transport carries them out by itself. */
  constructor(elsewhere: () => number = () => 0) {
    this.#elsewhere = elsewhere
  }

  add(): void {
    this.#changes++
  }

  cut(label: Label): void {
    this.#atCut.set(label, this.#total)
  }

  remove(labels: Iterable<Label>): void {
    for (const label of labels) this.#atCut.delete(label)
  }

  /** Null: the snapshot is older than this mount, and nobody knows what was changed while there was none. */
  since(label: Label): number | null {
    const before = this.#atCut.get(label)
    return before === undefined ? null : this.#total - before
  }

  get #total(): number {
    return this.#changes + this.#elsewhere()
  }
}
