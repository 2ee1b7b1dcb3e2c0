import type { ElementIndex } from '../element-index.js'
import type { JournalPosition } from '../journal.js'
import { putHeaderBytes } from '../puts.js'

/** How much goes into one transaction: LMDB holds what it changes in memory until the commit. */
const batchBytes = 4 << 20

/** Puts on their way into an index, many in one transaction. */
export class PutBatch {
  readonly #index: ElementIndex
  #puts = Buffer.allocUnsafe(batchBytes)
  #bytes = 0

  constructor(index: ElementIndex) {
    this.#index = index
  }

  /** The run of puts at [start, end) of `from`, which ends at `position` of the journal. */
  add(from: Buffer, start: number, end: number, position: JournalPosition): void {
    const bytes = end - start
    if (this.#bytes + bytes > this.#puts.length) this.finish(position)
    if (bytes > this.#puts.length) this.#puts = Buffer.allocUnsafe(bytes)
    from.copy(this.#puts, this.#bytes, start, end)
    this.#bytes += bytes
  }

  finish(position: JournalPosition): void {
    if (this.#bytes === 0) return
    const size = { entries: this.#bytes / putHeaderBytes, bytes: this.#bytes }
    this.#index.apply(size, (put) => {
      put(this.#puts, 0, this.#bytes)
      return position
    })
    this.#bytes = 0
  }
}
