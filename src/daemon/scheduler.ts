import type { Clock } from '../base/clock.js'
import { faultPoint } from '../base/fault-point.js'
import type { Catalog } from '../store/catalog.js'
import { failureCharactersMax } from '../store/schedule-check.js'
import { dueMs, mendedBy, type Schedule } from '../version/schedule.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import type { CutVolume } from './snapshots.js'

/** A run of some schedules of a volume: one snapshot, whatever the number of them. */
export interface ScheduledCut {
  id: string
  run: Required<CutVolume>['run']
}

export interface SchedulerOptions {
  catalog: Pick<Catalog, 'volumeById' | 'noteRuns'>
  clock: Clock
  /** The ids of the volumes that are mounted now. */
  mounted: () => readonly string[]
  /** Volumes of one unit have snapshots together or not at all; without it each is one. */
  unitOf?: (id: string) => string
  /** Whether anything may have changed since the volume's newest snapshot. */
  isChanged: (id: string) => Promise<boolean>
  /** Takes the snapshots, at one instant, and notes the runs with them; all or none. */
  take: (cuts: readonly ScheduledCut[]) => Promise<unknown>
  log: Log
}

/**
 * Takes the snapshots of the mounted volumes' schedules when they are due.
 *
 * What is due at one time is one run: of a volume one snapshot with all of the tags, of several volumes
 * snapshots of one instant. What was missed, for whatever reason, is caught up by one run. A volume has one run at a time;
 * slots that pass meanwhile are done with it.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #running = new Set<string>()
  #cancelAlarm: () => void = () => undefined
  #isStopped = false

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** Volumes or schedules are others now: looks at them, soon. */
  wake(): void {
    this.#wakeAt(this.#options.clock.now())
  }

  /** Begins nothing any more, and notes nothing: the catalog is another daemon's soon. */
  stop(): void {
    this.#isStopped = true
    this.#cancelAlarm()
  }

  #wakeAt(atMs: number): void {
    this.#cancelAlarm()
    if (this.#isStopped) return
    this.#cancelAlarm = this.#options.clock.alarm(atMs, () => {
      this.#look()
    })
  }

  #look(): void {
    const nowMs = this.#options.clock.now()
    const due = new Map<string, Schedule[]>()
    let nextMs = Infinity
    for (const id of this.#options.mounted()) {
      if (this.#running.has(id)) continue
      for (const schedule of this.#mended(id, nowMs)) {
        const atMs = dueMs(schedule) ?? Infinity
        if (atMs <= nowMs) due.set(id, [...(due.get(id) ?? []), schedule])
        else nextMs = Math.min(nextMs, atMs)
      }
    }
    if (due.size > 0) void this.#runDue(due)
    if (nextMs < Infinity) this.#wakeAt(nextMs)
    else this.#cancelAlarm()
  }

  #mended(id: string, nowMs: number): readonly Schedule[] {
    const { catalog } = this.#options
    const schedules = catalog.volumeById(id)?.schedules ?? []
    const wrong = schedules.filter((schedule) => mendedBy(schedule, nowMs) !== schedule)
    if (wrong.length === 0) return schedules
    const names = wrong.map(({ name }) => name)
    catalog.noteRuns(id, names, (each) => mendedBy(each, nowMs), { durable: false })
    return catalog.volumeById(id)?.schedules ?? []
  }

  /** Never rejects. */
  async #runDue(due: ReadonlyMap<string, readonly Schedule[]>): Promise<void> {
    for (const id of due.keys()) this.#running.add(id)
    try {
      faultPoint('schedule.due')
      const found = await Promise.all([...due].map(([id, each]) => this.#cutOf(id, each)))
      await this.#take(found.filter((cut) => cut !== undefined))
    } catch (error) {
      this.#options.log(`schedules: ${failureOf(error, 'a run failed').message}`)
    } finally {
      for (const id of due.keys()) this.#running.delete(id)
      this.wake()
    }
  }

  /** Undefined: there is nothing to take, which is noted. */
  async #cutOf(id: string, schedules: readonly Schedule[]): Promise<ScheduledCut | undefined> {
    const names = schedules.map(({ name }) => name)
    const startMs = this.#options.clock.now()
    try {
      const isNeeded = schedules.some(({ isIfChanged }) => !isIfChanged)
      if (!isNeeded && !(await this.#options.isChanged(id))) {
        this.#note(id, names, () => ({ doneMs: startMs, goodMs: startMs, failures: 0 }), false)
        return undefined
      }
    } catch (error) {
      this.#noteFailure({ id, run: { memo: '', tags: [], schedules: names } }, error)
      return undefined
    }
    const tags = [...new Set(schedules.flatMap((schedule) => schedule.tags))]
    const memos = new Set(schedules.map(({ memo }) => memo).filter((memo) => memo !== ''))
    return { id, run: { memo: [...memos].join('; '), tags, schedules: names } }
  }

  /** All at one instant; if that fails each unit alone, so that one can't keep the others from having theirs. */
  async #take(cuts: readonly ScheduledCut[]): Promise<void> {
    if (cuts.length === 0 || this.#isStopped) return
    try {
      await this.#options.take(cuts)
    } catch (error) {
      const units = new Map<string, ScheduledCut[]>()
      for (const cut of cuts) {
        const unit = this.#options.unitOf?.(cut.id) ?? cut.id
        units.set(unit, [...(units.get(unit) ?? []), cut])
      }
      if (units.size === 1) for (const cut of cuts) this.#noteFailure(cut, error)
      else for (const unit of units.values()) await this.#take(unit)
    }
  }

  #noteFailure({ id, run }: ScheduledCut, error: unknown): void {
    const message = failureOf(error, 'the snapshot failed').message.slice(0, failureCharactersMax)
    // One that is being unmounted has no failure: its run is caught up at the next mount.
    if (this.#isStopped || !this.#options.mounted().includes(id)) return
    const atMs = this.#options.clock.now()
    const change = ({ failures }: Schedule) => ({
      failures: failures + 1,
      lastFailure: { atMs, message },
    })
    this.#options.log(
      `scheduled snapshot ${run.schedules.join(' ')} of ${this.#nameOf(id)} failed: ${message}`,
    )
    this.#note(id, run.schedules, change, true)
    faultPoint('schedule.failed')
  }

  #nameOf(id: string): string {
    return this.#options.catalog.volumeById(id)?.name ?? id
  }

  #note(
    id: string,
    names: readonly string[],
    change: Parameters<Catalog['noteRuns']>[2],
    durable: boolean,
  ): void {
    if (this.#isStopped) return
    this.#options.catalog.noteRuns(id, names, change, { durable })
  }
}
