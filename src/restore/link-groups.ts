import type { Facts } from './facts.js'
import type { Path } from './tree-side.js'

/** One of the names of a file that has several in the snapshot. */
export interface LinkedName {
  path: Path
  past: Facts
  /** What is there live, if it is of the same type. */
  live: Facts | undefined
  /** Whether anything is. */
  hasOld: boolean
}

/** Names that shall be of one file: `home` is made or changed to be that, the others are linked to it. */
export interface LinkGroup {
  home: LinkedName
  others: LinkedName[]
}

/**
 * Which live file is to become which file of the snapshot, where either has several names: each live one becomes one of
 * them at most.
 */
export class LinkGroups {
  readonly #isSameObject: (pastIno: bigint, liveIno: bigint) => boolean
  readonly #isSelection: boolean
  /** Live inodes with several names, and what they become. */
  readonly #claims = new Map<bigint, bigint>()
  readonly #names = new Map<bigint, LinkedName[]>()

  /** `isSelection`: there may be names that nobody has asked to change. */
  constructor(isSameObject: (pastIno: bigint, liveIno: bigint) => boolean, isSelection: boolean) {
    this.#isSameObject = isSameObject
    this.#isSelection = isSelection
  }

  /** Whether the live file may become that one. Of files with one name in the snapshot it is settled at once. */
  claim(past: Facts, live: Facts): boolean {
    if (live.stat.nlink === 1n) return true
    if (this.#isSelection) {
      const isAllOfIt = past.stat.nlink >= live.stat.nlink
      if (!isAllOfIt || !this.#isSameObject(past.stat.ino, live.stat.ino)) return false
    }
    // Which of its names decides is seen when all are known.
    if (past.stat.nlink > 1n) return true
    return this.#take(past, live)
  }

  add(path: Path, past: Facts, live: Facts | undefined, hasOld: boolean): void {
    const names = this.#names.get(past.stat.ino) ?? []
    names.push({ path, past, live, hasOld })
    this.#names.set(past.stat.ino, names)
  }

  *resolve(): Generator<LinkGroup> {
    for (const names of this.#names.values()) {
      const usable = names.filter(
        ({ past, live }) => live !== undefined && this.#isFree(past, live),
      )
      const same = usable.find(
        ({ past, live }) => live !== undefined && this.#isSameObject(past.stat.ino, live.stat.ino),
      )
      const [first] = names
      const home =
        same ?? usable[0] ?? (first === undefined ? undefined : { ...first, live: undefined })
      if (home === undefined) continue
      if (home.live !== undefined) this.#claims.set(home.live.stat.ino, home.past.stat.ino)
      yield { home, others: names.filter(({ path }) => path !== home.path) }
    }
  }

  #take(past: Facts, live: Facts): boolean {
    if (!this.#isFree(past, live)) return false
    this.#claims.set(live.stat.ino, past.stat.ino)
    return true
  }

  #isFree(past: Facts, live: Facts): boolean {
    const claimed = this.#claims.get(live.stat.ino)
    return claimed === undefined || claimed === past.stat.ino
  }
}
