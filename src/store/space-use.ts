export type SpaceEntry = [first: number, end: number, bytes: number]

/**
 * How much of what the store and the retired directory keep is for whom: bytes by the first and the last of the
 * snapshots that need them, which are all those between.
 */
export class SpaceUse {
  readonly #bytes = new Map<number, Map<number, number>>()

  /** For the snapshots [first, end), by index. */
  add(first: number, end: number, bytes: number): void {
    let byEnd = this.#bytes.get(first)
    if (byEnd === undefined) {
      byEnd = new Map()
      this.#bytes.set(first, byEnd)
    }
    byEnd.set(end, (byEnd.get(end) ?? 0) + bytes)
  }

  /** As plain data, for another thread: first, end, bytes. */
  entries(): SpaceEntry[] {
    return [...this.#bytes].flatMap(([first, byEnd]) =>
      [...byEnd].map(([end, bytes]): SpaceEntry => [first, end, bytes]),
    )
  }

  static of(entries: readonly SpaceEntry[]): SpaceUse {
    const use = new SpaceUse()
    for (const [first, end, bytes] of entries) use.add(first, end, bytes)
    return use
  }

  /** What would be freed if all of these, and no others, were deleted. `isIn`: by index. */
  freedBy(isIn: (index: number) => boolean, count: number): number {
    // For each index the first from there on that is not among them.
    const keptFrom: number[] = []
    keptFrom[count] = Infinity
    for (let index = count - 1; index >= 0; index--) {
      keptFrom[index] = isIn(index) ? (keptFrom[index + 1] ?? Infinity) : index
    }
    let sum = 0
    for (const [first, byEnd] of this.#bytes) {
      for (const [end, bytes] of byEnd) if ((keptFrom[first] ?? Infinity) >= end) sum += bytes
    }
    return sum
  }
}
