import type { Instant } from '../../base/instant.js'
import { isLater } from '../../base/instant.js'

/** Bytes of a segment where records should be, of which none can be read. */
export interface LostStretch {
  readonly segment: number
  readonly start: number
  /** Equal to `start`: the segment ends too early, or is missing. */
  readonly end: number
  /** The number of the last record before. */
  readonly sequenceBefore: number
  /** How many records are lost. 0: the bytes are nothing that belongs there. */
  readonly count: number
  /** The newest label that any record before bears, 0 if none does: no lost one bears an older. */
  readonly labelBefore: number
  /** The first label that a record behind bears: no lost one bears a newer. Undefined: none does. */
  readonly labelAfter: number | undefined
  /** No lost record is from before; by the clock of the origin. Undefined: nothing tells. */
  readonly after: Instant | undefined
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Keeps the account of what a walk over the journal does not find. */
export class LostStretches {
  readonly all: LostStretch[] = []
  readonly #onLost: (lost: LostStretch) => void
  /** How many are lost in all of these the next sound record will tell. */
  #open: Writable<LostStretch>[] = []
  readonly #withoutLabel: Writable<LostStretch>[] = []
  #sequence = 0
  #label = 0
  #ctime: Instant | undefined

  constructor(onLost: (lost: LostStretch) => void) {
    this.#onLost = onLost
  }

  /** Number of the last record that was read, or is known to be lost. */
  get sequence(): number {
    return this.#sequence
  }

  /** There are stretches of which nobody knows yet how many records they had. */
  get hasOpen(): boolean {
    return this.#open.length > 0
  }

  get label(): number {
    return this.#label
  }

  /** No record can be read in [start, end), the stretch behind the last one that could. */
  add(segment: number, start: number, end: number): void {
    this.#open.push({
      segment,
      start,
      end,
      sequenceBefore: this.#sequence,
      count: 0,
      labelBefore: this.#label,
      labelAfter: undefined,
      after: this.#ctime,
    })
  }

  /**
   * The next record has number `sequence`; if some are missing of which no trace is left, they would be at
   * `offset` of `segment`.
   */
  resolve(sequence: number, segment: number, offset: number): void {
    const count = Math.max(0, sequence - 1 - this.#sequence)
    if (this.#open.length === 0 && count > 0) this.add(segment, offset, offset)
    for (const [at, lost] of this.#open.entries()) {
      // They can't be told apart, and need not be.
      if (at === 0) lost.count = count
      else lost.sequenceBefore += count
      this.all.push(lost)
      this.#withoutLabel.push(lost)
      this.#onLost(lost)
    }
    this.#open = []
    this.#sequence = Math.max(this.#sequence, sequence - 1)
  }

  /** A sound record with the number that `resolve` was told. */
  noteRecord(): void {
    this.#sequence++
  }

  /** A record that stands for those up to `sequence`: a repair knew that they were lost, or they were freed. */
  noteAll(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence)
  }

  noteLabel(label: number): void {
    this.#label = Math.max(this.#label, label)
    for (const lost of this.#withoutLabel) lost.labelAfter = label
    this.#withoutLabel.length = 0
  }

  noteCtime(ctime: Instant): void {
    if (this.#ctime === undefined || isLater(ctime, this.#ctime)) this.#ctime = ctime
  }
}
