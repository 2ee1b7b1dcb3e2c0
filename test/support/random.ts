/** A seeded source of randomness (mulberry32): the same seed tells the same story. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  isLikely(probability: number): boolean {
    return this.next() < probability
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  /** Picks by weight. */
  weighted<Item>(items: readonly (readonly [Item, number])[]): Item {
    let at = this.next() * items.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [item, weight] of items) {
      at -= weight
      if (at < 0) return item
    }
    return this.pick(items)[0]
  }
}

/** An integer at random in [0, below). */
export type Choose = (below: number) => number

/** The same seed gives the same choices for ever. */
export function seededChoose(seed: number): Choose {
  const random = new Random(seed)
  return (below) => random.below(below)
}

/**
 * From BYGONE_SEED; in a whole run (scripts/test.sh) what follows from the code under test, so that it can be had again;
 * else new at each run. Whoever draws one prints it.
 */
export function seedOfThisRun(): number {
  const given = process.env['BYGONE_SEED'] ?? process.env['BYGONE_RUN_SEED']
  return given === undefined ? (Date.now() ^ (process.pid << 16)) >>> 0 : Number(given)
}
