import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import type { Bequest } from './bequest.js'
import type {
  DaemonStatus,
  SharesReport,
  SnapshotSummary,
  VolumeStatus,
  VolumeSummary,
} from './control-protocol.js'
import { metricsOf } from './metrics.js'
import { scheduleReports } from './schedule-report.js'
import type { StoreDirectory } from './store-directory.js'
import { directoryBytes, recordStatus, snapshotSummary } from './summaries.js'
import type { VolumeBook } from './volume-book.js'

/** How long a listing may take to count what snapshots hold. */
const countMsMax = 100

/** What a daemon tells of its volumes and of itself; changes nothing. */
export class DaemonReports {
  /** How many commands have failed, by kind. */
  readonly failures: DaemonStatus['failures'] = {}
  readonly #store: StoreDirectory
  readonly #book: VolumeBook
  readonly #bequest: Bequest
  readonly #clock: Clock

  constructor(store: StoreDirectory, book: VolumeBook, bequest: Bequest, clock: Clock) {
    this.#store = store
    this.#book = book
    this.#bequest = bequest
    this.#clock = clock
  }

  /** In bytes, as the last whole sweep has found it. */
  freedBy(id: string, names: readonly string[]): number {
    const chosen = this.#book.record(id).snapshots.filter(({ name }) => names.includes(name))
    return this.#book.volume(id).sweeper.freedBy(new Set(chosen.map(({ label }) => label)))
  }

  /** What each snapshot is answerable for, as far as it can be known in a moment. */
  async shares(id: string): Promise<SharesReport> {
    const { sweeper } = this.#book.volume(id)
    const { isEnd, isCurrent } = await sweeper.count(countMsMax)
    const { snapshots } = this.#book.record(id)
    const labels = snapshots.map(({ label }) => label)
    const shares = sweeper.shares(labels, isCurrent)
    return {
      isEnd,
      snapshots: shares.map((share, at) => ({ name: snapshots[at]?.name ?? '', ...share })),
    }
  }

  volumes(): VolumeSummary[] {
    return this.#book.records().map((record) => this.#book.summary(record))
  }

  snapshots(id: string): SnapshotSummary[] {
    return this.#book.record(id).snapshots.map(snapshotSummary)
  }

  async status(id: string): Promise<VolumeStatus> {
    const record = this.#book.record(id)
    const volume = this.#book.volume(id)
    const { order, mountedAt, opened, thread, space, cuts } = volume
    const { negotiated, gauges, changesSinceSnapshot } = await thread.status()
    const spaceReports = await space.look()
    return {
      ...this.#book.summary(record),
      ...recordStatus(record),
      state: 'mounted',
      chunkBytes: record.chunkBytes,
      storeBytes: directoryBytes(this.#store.volumeDirectory(id)),
      space: spaceReports,
      warnings: space.warnings,
      pid: process.pid,
      supervisor: this.#bequest.status(volume),
      transport: order.transport,
      durability: order.durability,
      mountedAt: mountedAt.toISOString(),
      log: join(this.#store.path, 'daemon.log'),
      negotiated,
      recovery: opened.recovery,
      gauges,
      changesSinceSnapshot,
      schedules: scheduleReports(record, this.#clock.now()),
      cuts: { count: cuts.count, seconds: cuts.seconds },
      daemon: {
        pid: process.pid,
        residentBytes: process.memoryUsage.rss(),
        startedMs: Math.round(performance.timeOrigin),
        failures: this.failures,
      },
    }
  }

  async metrics(): Promise<string> {
    const statuses = [...this.#book.mounted.keys()].map((id) => this.status(id))
    return metricsOf(await Promise.all(statuses), this.#clock.now())
  }
}
