import type { Clock } from '../base/clock.js'
import { Failure } from '../base/failure.js'
import type { CatalogEdits } from './catalog-edits.js'
import type { ControlRequest } from './control-protocol.js'
import { DaemonEnding } from './control-server.js'
import type { Daemon } from './daemon.js'
import type { Log } from './daemon-log.js'
import type { DaemonReports } from './daemon-reports.js'
import { failureOf } from './failure-of.js'
import { scheduleReports } from './schedule-report.js'
import type { StoreDirectory } from './store-directory.js'
import { sweepReport } from './summaries.js'
import type { VolumeBook } from './volume-book.js'

export interface RequestHandlerOptions {
  daemon: Pick<Daemon, 'mountAlone' | 'unmount' | 'snapshot' | 'reload'>
  edits: CatalogEdits
  reports: DaemonReports
  book: VolumeBook
  store: StoreDirectory
  clock: Clock
  log: Log
}

/** What comes over the control socket: whose it is, and what is answered. Counts what fails. */
export class RequestHandler {
  readonly #daemon: RequestHandlerOptions['daemon']
  readonly #edits: CatalogEdits
  readonly #reports: DaemonReports
  readonly #book: VolumeBook
  readonly #store: StoreDirectory
  readonly #clock: Clock
  readonly #log: Log

  constructor(options: RequestHandlerOptions) {
    this.#daemon = options.daemon
    this.#edits = options.edits
    this.#reports = options.reports
    this.#book = options.book
    this.#store = options.store
    this.#clock = options.clock
    this.#log = options.log
  }

  async handle(request: ControlRequest): Promise<unknown> {
    try {
      switch (request.command) {
        case 'mount':
          return await this.#daemon.mountAlone(request.order)
        case 'unmount':
          await this.#daemon.unmount(request.volume, request.force)
          return null
        case 'snapshot':
          return { names: await this.#daemon.snapshot(request.volumes, request.memo, request.tags) }
        case 'edit':
          await this.#edits.edit(request.volume, request)
          return null
        case 'set-policy':
          await this.#edits.setPolicy(request.volume, request.policy)
          return null
        case 'policy':
          return this.#book.record(request.volume).policy
        case 'add-schedule':
        case 'remove-schedules':
          await this.#edits.editSchedules(request)
          return null
        case 'schedules':
          return scheduleReports(this.#book.record(request.volume), this.#clock.now())
        case 'delete':
          await this.#edits.delete(request.volume, request.names, request.force)
          return null
        case 'swept':
          await this.#edits.noteSwept(request)
          return null
        case 'sweep':
          return sweepReport(await this.#book.volume(request.volume).sweeper.goOn())
        case 'freed':
          return { bytes: this.#reports.freedBy(request.volume, request.names) }
        case 'shares':
          return await this.#reports.shares(request.volume)
        case 'reload':
          await this.#daemon.reload()
          return { pid: process.pid }
        case 'volumes':
          return this.#reports.volumes()
        case 'snapshots':
          return this.#reports.snapshots(request.volume)
        case 'status':
          return await this.#reports.status(request.volume)
        case 'metrics':
          return await this.#reports.metrics()
      }
    } catch (error) {
      if (!(error instanceof DaemonEnding)) {
        const { kind } = failureOf(error, request.command)
        const { failures } = this.#reports
        failures[kind] = (failures[kind] ?? 0) + 1
      }
      if (error instanceof Failure) throw this.#store.named(error)
      if (error instanceof Error && !(error instanceof DaemonEnding)) {
        this.#log(error.stack ?? error.message)
      }
      throw error
    }
  }
}
