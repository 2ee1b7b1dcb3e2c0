import type { Label } from '../base/ids.js'

/** The snapshots that there are, by label: who still needs an element. */
export class LiveLabels {
  /** Its owner's: grows at the end when a snapshot is cut. */
  readonly #ascending: readonly Label[]

  constructor(ascending: readonly Label[]) {
    this.#ascending = ascending
  }

  /**
   * The snapshots above `lower`, up to `label`: those that see an element with that label, if `lower` is the next
   * lower one of its address, or a snapshot that knew nothing of it. As indices [first, end).
   */
  between(lower: number, label: number): { first: number; end: number } {
    return { first: this.#above(lower), end: this.#above(label) }
  }

  isNeeded(lower: number, label: number): boolean {
    const first = this.#ascending[this.#above(lower)]
    return first !== undefined && first <= label
  }

  /** How many are at or below `label`. */
  #above(label: number): number {
    let low = 0
    let high = this.#ascending.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ascending[middle] ?? 0) <= label) low = middle + 1
      else high = middle
    }
    return low
  }
}
