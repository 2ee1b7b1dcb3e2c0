/**
 * How many are remembered: more would slow down the search, and few trees have that many separate
 * changes.
 */
const rangesMax = 512

/**
 * Ranges of object numbers that are known to have no entry in one table of the index.
 *
 * Most objects were never changed since any snapshot. One seek that finds nothing for an object and
 * next the entry of a far one tells this of all between: their lookups need not ask the index at
 * all.
 */
export class EmptyRanges {
  /** Disjoint, ascending: range i is [#lows[i], #highs[i]). */
  readonly #lows: number[] = []
  readonly #highs: number[] = []

  get count(): number {
    return this.#lows.length
  }

  covers(object: number): boolean {
    const index = this.#lastAtOrBelow(object)
    return index >= 0 && object < (this.#highs[index] ?? 0)
  }

  /** [low, high) is empty. */
  add(low: number, high: number): void {
    if (low >= high) return
    // Those that it touches are merged into it.
    let first = this.#lastAtOrBelow(low)
    if (first < 0 || (this.#highs[first] ?? 0) < low) first++
    const last = this.#lastAtOrBelow(high)
    const count = last - first + 1
    const mergedLow = count > 0 ? Math.min(low, this.#lows[first] ?? 0) : low
    const mergedHigh = count > 0 ? Math.max(high, this.#highs[last] ?? 0) : high
    this.#lows.splice(first, count, mergedLow)
    this.#highs.splice(first, count, mergedHigh)
    if (this.#lows.length > rangesMax) this.clear()
  }

  /** The object has an entry now. */
  remove(object: number): void {
    const index = this.#lastAtOrBelow(object)
    if (index < 0) return
    const low = this.#lows[index] ?? 0
    const high = this.#highs[index] ?? 0
    if (object >= high) return
    this.#lows.splice(index, 1)
    this.#highs.splice(index, 1)
    this.#insertIfAny(index, object + 1, high)
    this.#insertIfAny(index, low, object)
  }

  clear(): void {
    this.#lows.length = 0
    this.#highs.length = 0
  }

  #insertIfAny(index: number, low: number, high: number): void {
    if (low >= high) return
    this.#lows.splice(index, 0, low)
    this.#highs.splice(index, 0, high)
  }

  /** The last range that starts at or below `object`; -1: none does. */
  #lastAtOrBelow(object: number): number {
    let low = 0
    let high = this.#lows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#lows[middle] ?? 0) <= object) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
