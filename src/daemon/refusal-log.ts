import type { Log } from './daemon-log.js'

/** So many quiet looks, some ten seconds, and the next refusal is news again. */
const quietLooksMax = 5

/** Tells the log that changes are refused for want of space: once when it begins, and how many it were. */
export class RefusalLog {
  readonly #log: Log
  #countBefore = 0
  #countSeen = 0
  #quietLooks = quietLooksMax

  constructor(log: Log) {
    this.#log = log
  }

  /** Every few seconds: `count` since the start. */
  look(count: number): void {
    const isQuiet = this.#quietLooks >= quietLooksMax
    if (count > this.#countSeen) {
      if (isQuiet) {
        this.#countBefore = this.#countSeen
        this.#log(
          'the disk of the store is full: changes that a snapshot needs something kept for are refused (ENOSPC); make room on it, or delete snapshots',
        )
      }
      this.#quietLooks = 0
    } else if (!isQuiet && ++this.#quietLooks === quietLooksMax) {
      this.#log(
        `${count - this.#countBefore} changes were refused because the disk of the store was full`,
      )
    }
    this.#countSeen = count
  }
}
