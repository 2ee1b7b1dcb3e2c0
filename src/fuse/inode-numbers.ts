import { LRUCache } from 'lru-cache'

/** Hard links are told by their numbers within one run of a program, which holds on to fewer than this. */
const numbersMax = 100_000

const firstMade = 2 ** 31

/**
 * Inode numbers in 32 bits: the file's own where it fits 31, else one made up, which stays the same while
 * it is remembered. Two files never show one number at a time, for programs would take them for one.
 */
export class InodeNumbers {
  readonly #made = new LRUCache<string, number>({ max: numbersMax })
  #last = firstMade - 1

  of(high: number, low: number): number {
    if (high === 0 && low < firstMade) return low
    const key = `${high}:${low}`
    const known = this.#made.get(key)
    if (known !== undefined) return known
    this.#last = this.#last === 2 ** 32 - 1 ? firstMade : this.#last + 1
    this.#made.set(key, this.#last)
    return this.#last
  }
}
