import type { Clock } from '../base/clock.js'
import { faultPoint } from '../base/fault-point.js'
import type { Catalog } from '../store/catalog.js'
import type { RetentionPolicy } from '../version/retention-policy.js'
import type { ControlRequest } from './control-protocol.js'
import type { Log } from './daemon-log.js'
import { lockKeys, type KeyLocks } from './key-locks.js'
import { applyEdit, type SnapshotEdit } from './snapshot-edit.js'
import type { VolumeBook } from './volume-book.js'
import { applyVolumeEdit } from './volume-edit.js'

export interface CatalogEditsOptions {
  catalog: Catalog
  book: VolumeBook
  locks: KeyLocks
  clock: Clock
  log: Log
  /** The schedules of a volume are others. */
  onSchedules: () => void
}

/** Changes of what the catalog says of volumes and snapshots, carried out also where those are mounted. */
export class CatalogEdits {
  readonly #options: CatalogEditsOptions
  readonly #catalog: Catalog
  readonly #book: VolumeBook
  readonly #locks: KeyLocks
  readonly #clock: Clock
  readonly #log: Log

  constructor(options: CatalogEditsOptions) {
    this.#options = options
    this.#catalog = options.catalog
    this.#book = options.book
    this.#locks = options.locks
    this.#clock = options.clock
    this.#log = options.log
  }

  /** Memos, tags, holds; of a volume that is not mounted, too. */
  async edit(id: string, edit: SnapshotEdit): Promise<void> {
    // A volume that is just being mounted has its snapshots as they were before.
    await this.#locks.run([lockKeys.mounting, lockKeys.catalog], () => {
      const records = applyEdit(this.#catalog, id, edit)
      this.#book.mounted.get(id)?.thread.noteChanged(records)
      return Promise.resolve()
    })
    this.#log(`${edit.change.kind} ${edit.snapshots.join(' ')} of ${this.#book.nameOf(id)}`)
  }

  async setPolicy(id: string, policy: RetentionPolicy | null): Promise<void> {
    await this.#locks.run([lockKeys.catalog], () => {
      this.#catalog.setPolicy(id, policy)
      return Promise.resolve()
    })
    this.#log(`policy of ${this.#book.nameOf(id)}: ${JSON.stringify(policy)}`)
  }

  async editSchedules(
    edit: Extract<ControlRequest, { command: 'add-schedule' | 'remove-schedules' }>,
  ): Promise<void> {
    await this.#locks.run([lockKeys.catalog], () => {
      applyVolumeEdit(this.#catalog, edit, this.#clock.now())
      return Promise.resolve()
    })
    const what = edit.command === 'add-schedule' ? JSON.stringify(edit.rule) : edit.names.join(' ')
    this.#log(`${edit.command} of ${this.#book.nameOf(edit.volume)}: ${what}`)
    this.#options.onSchedules()
  }

  /** The snapshots are gone from the mount when it resolves; what only they needed is freed in the background. */
  async delete(id: string, names: readonly string[], isForced: boolean): Promise<void> {
    const isDone = await this.#removeUnmounted(id, names, isForced)
    if (!isDone) await this.remove(id, () => names, isForced)
    this.#log(`deleted ${names.join(' ')} of ${this.#book.nameOf(id)}`)
  }

  /** Swept by a command, of a volume that was not mounted. */
  async noteSwept(edit: Extract<ControlRequest, { command: 'swept' }>): Promise<void> {
    await this.#locks.run([lockKeys.catalog], () => {
      applyVolumeEdit(this.#catalog, edit, this.#clock.now())
      return Promise.resolve()
    })
  }

  /** Chosen when nobody else is about to change the catalog. */
  async remove(id: string, choose: () => readonly string[], isForced: boolean): Promise<void> {
    await this.#locks.run([id, lockKeys.catalog], async () => {
      const volume = this.#book.volume(id)
      const names = choose()
      if (names.length === 0) return
      const removed = this.#catalog.removeSnapshots(id, names, isForced)
      faultPoint('delete.gone')
      await volume.thread.remove(removed)
      volume.sweeper.start()
    })
  }

  /** False: it is mounted. */
  async #removeUnmounted(
    id: string,
    names: readonly string[],
    isForced: boolean,
  ): Promise<boolean> {
    if (this.#book.mounted.has(id)) return false
    // One that is just being mounted has its snapshots as they were before.
    return this.#locks.run([lockKeys.mounting, lockKeys.catalog], () => {
      const isUnmounted = !this.#book.mounted.has(id)
      if (isUnmounted) this.#catalog.removeSnapshots(id, names, isForced)
      return Promise.resolve(isUnmounted)
    })
  }
}
