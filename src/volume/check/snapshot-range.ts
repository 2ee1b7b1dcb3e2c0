import type { Label } from '../../base/ids.js'
import type { SnapshotRecord } from '../../store/snapshot-record.js'

/** Snapshots [from, to) of a volume, oldest first. */
export interface SnapshotRange {
  readonly from: number
  readonly to: number
}

/** A volume's snapshots, and which of them see what. */
export class SnapshotList {
  readonly #snapshots: readonly SnapshotRecord[]

  constructor(snapshots: readonly SnapshotRecord[]) {
    this.#snapshots = snapshots
  }

  get all(): SnapshotRange {
    return { from: 0, to: this.#snapshots.length }
  }

  labelAt(index: number): Label {
    return this.#snapshots[index]?.label ?? (0 as Label)
  }

  names({ from, to }: SnapshotRange): string[] {
    return this.#snapshots.slice(from, to).map(({ name }) => name)
  }

  /** Those of the range with a label above `after` and at most `upTo`. */
  between(range: SnapshotRange, after: number, upTo: number): SnapshotRange {
    const from = Math.max(range.from, this.#countUpTo(after))
    return { from, to: Math.max(from, Math.min(range.to, this.#countUpTo(upTo))) }
  }

  /** How many have a label of at most `label`. */
  #countUpTo(label: number): number {
    let low = 0
    let high = this.#snapshots.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.labelAt(middle) <= label) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function isEmptyRange({ from, to }: SnapshotRange): boolean {
  return from >= to
}
