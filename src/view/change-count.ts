import type { Label } from '../base/ids.js'

/**
 * Whether the live tree has changed since a snapshot, without looking at it. Each change that a program makes is
 * counted before it is made: also one that preserves nothing, since the chunk or the attributes are safe already, or the
 * file is new. One too many may be counted (what then fails), never one too few: the writes that the transport carries
 * out by itself all follow one to the same file that came here, and since the same cut (see Guards).
 */
export class ChangeCount {
  readonly #atCut = new Map<Label, number>()
  #changes = 0

  add(): void {
    this.#changes++
  }

  cut(label: Label): void {
    this.#atCut.set(label, this.#changes)
  }

  remove(labels: Iterable<Label>): void {
    for (const label of labels) this.#atCut.delete(label)
  }

  /** Null: the snapshot is older than this mount, and nobody knows what was changed while there was none. */
  since(label: Label): number | null {
    const before = this.#atCut.get(label)
    return before === undefined ? null : this.#changes - before
  }
}
