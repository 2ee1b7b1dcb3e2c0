import type { StoreFinding } from '../store/check/finding.js'
import type { ByteRange, FileProblem } from '../volume/check/file-problem.js'

export type { ByteRange, FileProblem, StoreFinding }

/** What `bygone check` finds, as it comes: first all of the store, then all of the files. */
export interface CheckSink {
  begin(head: CheckHead): void
  finding(finding: StoreFinding): void
  problem(problem: FileProblem): void
  /** What a repair has done, a line each: before anything is found. */
  repaired(line: string): void
  /** `all` is 0 where that is not known. */
  progress(what: string, done: number, all: number): void
}

export interface CheckHead {
  id: string
  /** Null: the catalog can't tell. */
  name: string | null
  origin: string
  store: string
  mounted: boolean
  /** Every preserved chunk was read too. */
  data: boolean
}

export interface CheckCounts {
  snapshots: number
  /** Paths of files and directories, each once for all snapshots in a row that see it there. */
  files: number
  records: number
  journalBytes: number
  retiredFiles: number
  /** Of these, those that no snapshot sees any more. */
  retiredUnneeded: number
  /** What the store holds of objects that no snapshot sees. */
  unreachableElements: number
}

export interface CheckOutcome {
  counts: CheckCounts
  /** What could not be looked at, and why; a line each. */
  unchecked: string[]
}
