import type { Log } from './daemon-log.js'
import { lowWaterBytes, shortageOf, SpaceProbe } from './space.js'
import type { LowWaterMark, Space } from './space.js'

/** What `status` says of a file system. */
export interface SpaceReport extends Space {
  lowWaterBytes: number
}

export type SpaceReports = Partial<Record<WatchedPlace['kind'], SpaceReport>>

/** A place that must not run out of space. */
export interface WatchedPlace {
  kind: 'store' | 'origin'
  /** Leads there. */
  root: string
  /** Its name for people. */
  path: string
  /** Of its file system: what two places share is spoken of once. */
  device: number
}

export interface SpaceWatchOptions {
  places: readonly WatchedPlace[]
  mark: LowWaterMark | undefined
  log: Log
  /** What each look has found. */
  onLook?: (reports: SpaceReports) => void
}

/** A shortage is over when there is this much more than the mark: a line each time it wavers would fill the log. */
const recoveredFactor = 1.1

/** Where there is plenty it can't be gone in moments: every tenth look is enough. */
const plentyFactor = 4
const restfulLooks = 9

/**
 * Warns when the disk of a volume's store or origin runs full, once each time.
 *
 * It has no timer of its own, so that it never wakes a machine: whoever owns it calls when he is awake anyway.
 */
export class SpaceWatch {
  readonly #places: readonly { place: WatchedPlace; probe: SpaceProbe }[]
  readonly #mark: LowWaterMark | undefined
  readonly #log: Log
  readonly #warnings = new Map<number, string>()
  readonly #onLook: (reports: SpaceReports) => void
  #looksToRest = 0

  constructor({ places, mark, log, onLook }: SpaceWatchOptions) {
    this.#onLook = onLook ?? (() => undefined)
    this.#places = places.map((place) => ({ place, probe: new SpaceProbe(place.root) }))
    this.#mark = mark
    this.#log = log
  }

  /** What ran low by the last look, a line each: what, how much is left, and what to do. */
  get warnings(): string[] {
    return [...this.#warnings.values()]
  }

  /** To be called every few seconds. */
  lookSometimes(): void {
    if (this.#looksToRest-- <= 0) void this.look()
  }

  /** Looks now, and says in the log what has changed. Never rejects. */
  async look(): Promise<SpaceReports> {
    const reports: SpaceReports = {}
    const seen = new Set<number>()
    let isPlenty = true
    for (const { place, probe } of this.#places) {
      const space = await probe.ask()
      if (space === undefined) continue
      reports[place.kind] = { ...space, lowWaterBytes: lowWaterBytes(space, this.#mark) }
      if (seen.has(place.device)) continue
      seen.add(place.device)
      this.#note(place, space)
      isPlenty &&= shortageOf(space, this.#mark, plentyFactor) === undefined
    }
    this.#looksToRest = isPlenty ? restfulLooks : 0
    this.#onLook(reports)
    return reports
  }

  /** Asked now, and said to nobody else; undefined: the file system does not answer. */
  async freeBytes(kind: WatchedPlace['kind']): Promise<number | undefined> {
    const watched = this.#places.find(({ place }) => place.kind === kind)
    return (await watched?.probe.ask())?.bytesFree
  }

  #note(place: WatchedPlace, space: Space): void {
    const { device, path } = place
    const wasLow = this.#warnings.has(device)
    const shortage = shortageOf(space, this.#mark, wasLow ? recoveredFactor : 1)
    if (shortage === undefined) {
      if (this.#warnings.delete(device)) this.#log(`the disk of ${path} has free space again`)
      return
    }
    const warning = warningOf(place, shortage)
    this.#warnings.set(device, warning)
    if (!wasLow) this.#log(warning)
  }
}

function warningOf({ kind, path }: WatchedPlace, shortage: string): string {
  const low = `the disk of ${path} is nearly full: ${shortage}`
  const advice =
    'make room on it, or delete snapshots: what one holds is not freed by removing the live file'
  if (kind === 'origin') return `${low}: ${advice}`
  return `${low}: when it is full, changes that a snapshot needs something kept for are refused; ${advice}`
}
