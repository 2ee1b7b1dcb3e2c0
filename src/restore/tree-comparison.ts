import type { ByteString } from '../base/bytes.js'
import { FileType } from '../base/attributes.js'
import { FsError, fsErrorOf, isErrno } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { attributeDifferences, isDirectory } from './facts.js'
import type { AttributeName, Facts } from './facts.js'
import { changesContent, dataChanges } from './file-data.js'
import { LinkGroups } from './link-groups.js'
import type { RestorePlan } from './restore-plan.js'
import type { Path, TreeSide } from './tree-side.js'
import { areEqualXattrs, xattrsOf } from './xattrs.js'

/** What says nothing about one file: nothing else would work either. */
export const fatalCodes: ReadonlySet<string> = new Set(['ENOTCONN', 'EMFILE', 'ENFILE'])

/** A change within so short a time after the one before may not show in the change time. */
const clockTickNs = 2_000_000_000n

export interface ComparisonOptions {
  /** Only this and what is below it; none: all. It must be in the snapshot. */
  selection: Path
  /** When the snapshot was cut. */
  cutAtMs: number
  /** Whether a file of the snapshot is the live one with that number, whatever became of it. */
  isSameObject: (pastIno: bigint, liveIno: bigint) => boolean
  isStopped: () => boolean
}

/** Finds all that must be done to make the live tree equal to a snapshot. Changes nothing. */
export class TreeComparison {
  readonly #native: Native
  readonly #past: TreeSide
  readonly #live: TreeSide
  readonly #options: ComparisonOptions
  readonly #links: LinkGroups
  readonly #plan: RestorePlan = { steps: [], problems: [] }

  constructor(native: Native, past: TreeSide, live: TreeSide, options: ComparisonOptions) {
    this.#native = native
    this.#past = past
    this.#live = live
    this.#options = options
    this.#links = new LinkGroups(options.isSameObject, options.selection.length > 0)
  }

  run(): RestorePlan {
    const { selection } = this.#options
    if (selection.length === 0) this.#directory([])
    else this.#selected(selection)
    for (const group of this.#links.resolve()) {
      const { home, others } = group
      const isKept =
        home.live !== undefined &&
        this.#attempt(home.path, () => this.#change(home.path, home.past, home.live))
      if (!isKept) this.#create(home.path, home.hasOld)
      for (const { path, live, hasOld } of others) {
        if (isKept && live !== undefined && live.stat.ino === home.live?.stat.ino) continue
        this.#plan.steps.push({ kind: 'link', path, to: home.path, replaces: hasOld })
      }
    }
    return this.#plan
  }

  /** What is above it is made where it is missing, and else left alone. */
  #selected(selection: Path): void {
    for (let depth = 1; depth < selection.length; depth++) {
      const above = selection.slice(0, depth)
      const live = this.#live.facts(above)
      if (isDirectory(live)) continue
      this.#plan.steps.push({ kind: 'create', path: above, replaces: live !== undefined })
      this.#entry(selection, this.#past.facts(selection), undefined)
      return
    }
    this.#entry(selection, this.#past.facts(selection), this.#live.facts(selection))
  }

  #directory(path: Path): void {
    if (this.#options.isStopped()) return
    // A directory that is not whole any more says so: then what else is there live is left alone.
    this.#attempt(path, () => {
      const past = this.#past.names(path)
      const live = new Set(this.#live.names(path))
      const wanted = new Set(past)
      for (const name of live) {
        if (!wanted.has(name)) this.#plan.steps.push({ kind: 'remove', path: [...path, name] })
      }
      for (const name of past) this.#child([...path, name], live.has(name))
      return true
    })
    if (path.length === 0) this.#attempt(path, () => this.#rootAttributes())
  }

  #child(path: Path, hasLive: boolean): void {
    this.#attempt(path, () => {
      this.#entry(path, this.#past.facts(path), hasLive ? this.#live.facts(path) : undefined)
      return true
    })
  }

  #entry(path: Path, past: Facts | undefined, live: Facts | undefined): void {
    if (past === undefined) throw new FsError('EIO', 'it is in the listing only')
    if (isDirectory(past)) {
      if (live !== undefined && isDirectory(live)) {
        this.#noteChange(path, this.#attributes(path, past, live))
        this.#directory(path)
      } else {
        this.#create(path, live !== undefined)
        this.#contents(path)
      }
      return
    }
    const isSameKind = live?.type === past.type
    const isTaken = isSameKind && !this.#links.claim(past, live)
    const kept = isSameKind && !isTaken ? live : undefined
    const hasOld = live !== undefined
    if (past.stat.nlink > 1n) this.#links.add(path, past, kept, hasOld)
    else if (kept === undefined || !this.#change(path, past, kept)) this.#create(path, hasOld)
  }

  /** Of a directory that is not there yet. */
  #contents(path: Path): void {
    if (this.#options.isStopped()) return
    this.#attempt(path, () => {
      for (const name of this.#past.names(path)) this.#child([...path, name], false)
      return true
    })
  }

  /** False: it can't be made that file, another must take its place. */
  #change(path: Path, past: Facts, live: Facts | undefined): boolean {
    if (past.type !== live?.type) return false
    if (past.stat.rdev !== live.stat.rdev) return false
    if (this.#isUntouched(past, live)) return true
    if (
      past.type === FileType.symlink &&
      this.#target(this.#past, path) !== this.#target(this.#live, path)
    ) {
      return false
    }
    const what: (AttributeName | 'content')[] = this.#attributes(path, past, live)
    if (past.type === FileType.regular && this.#hasOtherData(path, past, live)) {
      what.unshift('content')
    }
    this.#noteChange(path, what)
    return true
  }

  /** The same file, and since before the snapshot nothing about it was changed: whatever does moves this time. */
  #isUntouched(past: Facts, live: Facts): boolean {
    if (past.stat.ctimeNs !== live.stat.ctimeNs || past.stat.size !== live.stat.size) return false
    if (!this.#options.isSameObject(past.stat.ino, live.stat.ino)) return false
    return past.stat.ctimeNs < BigInt(this.#options.cutAtMs) * 1_000_000n - clockTickNs
  }

  #attributes(path: Path, past: Facts, live: Facts): AttributeName[] {
    if (this.#isUntouched(past, live)) return []
    const names = attributeDifferences(past, live)
    const [pastXattrs, liveXattrs] = [this.#past, this.#live].map((side) =>
      side.with(path, O.PATH, (fd) => xattrsOf(this.#native, fd)),
    )
    if (pastXattrs === undefined || liveXattrs === undefined) return names
    return areEqualXattrs(pastXattrs, liveXattrs) ? names : [...names, 'xattrs']
  }

  #rootAttributes(): boolean {
    const [past, live] = [this.#past, this.#live].map((side) => side.rootFacts())
    if (past === undefined || live === undefined) return false
    this.#noteChange([], this.#attributes([], past, live))
    return true
  }

  #hasOtherData(path: Path, past: Facts, live: Facts): boolean {
    const flags = O.RDONLY | O.NONBLOCK
    return this.#past.with(path, flags, (from) => {
      const to = this.#openLive(path, flags)
      if (to === undefined) return true
      try {
        const changes = dataChanges(
          this.#native,
          { fd: from, size: Number(past.stat.size) },
          { fd: to, size: Number(live.stat.size) },
        )
        for (const change of changes) if (changesContent(this.#native, to, change)) return true
        return false
      } finally {
        this.#native.close(to)
      }
    })
  }

  /** Undefined: its owner has taken the right from himself, and must take it back to change it. */
  #openLive(path: Path, flags: number): number | undefined {
    try {
      return this.#live.open(path, flags)
    } catch (error) {
      if (isErrno(error, 'EACCES')) return undefined
      throw error
    }
  }

  #target(side: TreeSide, path: Path): ByteString {
    return side.with(path, O.PATH, (fd) => {
      const target = this.#native.readlinkAt(fd, '' as ByteString)
      if (typeof target === 'number') throw fsErrorOf(target, 'read a link')
      return target
    })
  }

  #create(path: Path, replaces: boolean): void {
    this.#plan.steps.push({ kind: 'create', path, replaces })
  }

  #noteChange(path: Path, what: readonly (AttributeName | 'content')[]): void {
    if (what.length > 0) this.#plan.steps.push({ kind: 'change', path, what })
  }

  /** True on a problem too: then it stays as it is. */
  #attempt(path: Path, work: () => boolean): boolean {
    try {
      return work()
    } catch (error) {
      // That is no answer about one file.
      const isOfOne = error instanceof FsError && !fatalCodes.has(error.code)
      if (!isOfOne) throw error
      this.#plan.problems.push({ path, message: error.message })
      return true
    }
  }
}
