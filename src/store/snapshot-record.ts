import type { Label } from '../base/ids.js'

/** A snapshot as the catalog keeps it. */
export interface SnapshotRecord {
  /** `@GMT-YYYY.MM.DD-hh.mm.ss` (UTC); unique in its volume and growing with label. */
  name: string
  label: Label
  /** Seconds since 1970 that the name stands for, and when it was really cut (milliseconds). */
  timeSec: number
  cutAtMs: number
  memo: string
  /** Each once. Which ones several snapshots may have, tag-rules.ts says. */
  tags: string[]
  /** No policy may delete it, and nobody without being forced to. */
  isHeld: boolean
}
