export type SpaceEntry = [first: number, end: number, bytes: number, elements: number]

interface Amount {
  bytes: number
  elements: number
}

/** What a snapshot is answerable for. */
export interface SnapshotShare {
  /** Kept for it alone: what deleting it, and no other, would free. */
  uniqueBytes: number
  /** Kept since what it, or the live files, show is no longer what the snapshot before it shows. */
  changedBytes: number
  changedElements: number
}

/**
 * How much of what the store and the retired directory keep is for whom: bytes by the first and the last of the
 * snapshots that need them, which are all those between.
 */
export class SpaceUse {
  readonly #amounts = new Map<number, Map<number, Amount>>()

  /** For the snapshots [first, end), by index. */
  add(first: number, end: number, bytes: number, elements: number): void {
    let byEnd = this.#amounts.get(first)
    if (byEnd === undefined) {
      byEnd = new Map()
      this.#amounts.set(first, byEnd)
    }
    const amount = byEnd.get(end)
    if (amount === undefined) byEnd.set(end, { bytes, elements })
    else {
      amount.bytes += bytes
      amount.elements += elements
    }
  }

  /** As plain data, for another thread. */
  entries(): SpaceEntry[] {
    return [...this.#amounts].flatMap(([first, byEnd]) =>
      [...byEnd].map(([end, { bytes, elements }]): SpaceEntry => [first, end, bytes, elements]),
    )
  }

  static of(entries: readonly SpaceEntry[]): SpaceUse {
    const use = new SpaceUse()
    for (const entry of entries) use.add(...entry)
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
    for (const [first, byEnd] of this.#amounts) {
      for (const [end, { bytes }] of byEnd) if ((keptFrom[first] ?? Infinity) >= end) sum += bytes
    }
    return sum
  }

  /**
   * The share of each of the `count` snapshots, if only those are there that `isThere` says; and behind them that of
   * the live files, of which only what has changed means something.
   */
  shares(isThere: (index: number) => boolean, count: number): SnapshotShare[] {
    // Of each index: how many are there below it, the newest of them, and the first from it on.
    const below = [0]
    const newestBelow = [-1]
    const from = new Array<number>(count + 1).fill(count)
    for (let index = 0; index < count; index++) {
      below[index + 1] = (below[index] ?? 0) + (isThere(index) ? 1 : 0)
      newestBelow[index + 1] = isThere(index) ? index : (newestBelow[index] ?? -1)
    }
    for (let index = count - 1; index >= 0; index--) {
      from[index] = isThere(index) ? index : (from[index + 1] ?? count)
    }
    const shares = from.map(() => ({ uniqueBytes: 0, changedBytes: 0, changedElements: 0 }))
    for (const [first, byEnd] of this.#amounts) {
      for (const [end, { bytes, elements }] of byEnd) {
        const needing = (below[end] ?? 0) - (below[first] ?? 0)
        if (needing === 0) continue
        const newest = newestBelow[end] ?? -1
        const needed = shares[newest]
        if (needing === 1 && needed !== undefined) needed.uniqueBytes += bytes
        const next = shares[from[newest + 1] ?? count]
        if (next === undefined) continue
        next.changedBytes += bytes
        next.changedElements += elements
      }
    }
    return shares
  }
}
