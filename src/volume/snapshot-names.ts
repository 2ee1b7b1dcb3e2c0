import { plainSnapshotName } from '../store/snapshot-name.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'

/** Which snapshot a name stands for, however many there are: the kernel asks at each step into one. */
export class SnapshotNames {
  /** Its owner's, oldest first. */
  readonly #all: readonly SnapshotRecord[]
  readonly #byName = new Map<string, SnapshotRecord>()
  /** Plain names and tags. Where several have one it stands for the newest. */
  readonly #below = new Map<string, SnapshotRecord>()
  #isCurrent = false

  constructor(all: readonly SnapshotRecord[]) {
    this.#all = all
  }

  /** `@GMT-…`. */
  named(name: string): SnapshotRecord | undefined {
    this.#bringUpToDate()
    return this.#byName.get(name)
  }

  /** A plain name or a tag, as in `.snapshots`. */
  below(name: string): SnapshotRecord | undefined {
    this.#bringUpToDate()
    return this.#below.get(name)
  }

  /** It has been added as the newest. */
  noteAdded(record: SnapshotRecord): void {
    if (this.#isCurrent) this.#add(record)
  }

  noteChanged(): void {
    this.#isCurrent = false
  }

  #bringUpToDate(): void {
    if (this.#isCurrent) return
    this.#isCurrent = true
    this.#byName.clear()
    this.#below.clear()
    for (const record of this.#all) this.#add(record)
  }

  #add(record: SnapshotRecord): void {
    this.#byName.set(record.name, record)
    for (const name of [plainSnapshotName(record.name), ...record.tags]) {
      this.#below.set(name, record)
    }
  }
}
