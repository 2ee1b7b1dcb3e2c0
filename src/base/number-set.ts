/** A set of positive numbers in 16 bytes or less each, for millions of them. */
export class NumberSet {
  /** 0: free. */
  #slots = new Float64Array(1024)
  #size = 0

  add(number: number): void {
    if ((this.#size + 1) * 2 > this.#slots.length) this.#grow()
    const slot = this.#slotOf(number)
    if (this.#slots[slot] === 0) this.#size++
    this.#slots[slot] = number
  }

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): Generator<number> {
    for (const number of this.#slots) if (number !== 0) yield number
  }

  has(number: number): boolean {
    return this.#slots[this.#slotOf(number)] === number
  }

  /** Where it is, or would be. */
  #slotOf(number: number): number {
    const mask = this.#slots.length - 1
    const mixed = Math.imul(number | 0, 0x9e3779b1) ^ Math.floor(number / 2 ** 32)
    let slot = (mixed ^ (mixed >>> 15)) & mask
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== number) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Float64Array(before.length * 2)
    for (const number of before) if (number !== 0) this.#slots[this.#slotOf(number)] = number
  }
}
