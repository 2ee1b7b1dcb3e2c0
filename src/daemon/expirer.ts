import { byteSizeText } from '../base/byte-size.js'
import type { Clock } from '../base/clock.js'
import type { Catalog } from '../store/catalog.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import { decideRetention, evictionOrder } from '../version/retention.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'

/** Rules that go by age delete also where no snapshot is taken any more. */
const dayMs = 24 * 60 * 60 * 1000

export interface ExpirerOptions {
  catalog: Pick<Catalog, 'volumeById'>
  clock: Clock
  /** The ids of the volumes that are mounted now. */
  mounted: () => readonly string[]
  /** Deletes the snapshots that `choose` names; nobody else changes the catalog from the choice on. All or none. */
  remove: (id: string, choose: () => readonly string[]) => Promise<void>
  /** Nothing is left of what was deleted before. */
  swept: (id: string) => Promise<void>
  /** On the disk of the store; undefined: it does not say. */
  freeBytes: (id: string) => Promise<number | undefined>
  log: Log
}

/**
 * Deletes by itself what the policies of the mounted volumes do not keep: after each snapshot, at mount, and once a day;
 * and, while less than `freeBytesMin` is free, one snapshot after the other, until there is enough.
 */
export class Expirer {
  readonly #options: ExpirerOptions
  readonly #running = new Set<string>()
  /** To be looked at again when the look that is under way has ended. */
  readonly #again = new Set<string>()
  /** Less is free than they ask for, and nothing is left that may go: said once. */
  readonly #helpless = new Set<string>()
  #cancelAlarm: () => void
  #isStopped = false

  constructor(options: ExpirerOptions) {
    this.#options = options
    this.#cancelAlarm = this.#setAlarm()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelAlarm()
  }

  /** Something may have to go: looks, in the background. */
  look(id: string): void {
    this.#again.add(id)
    if (this.#running.has(id)) return
    this.#running.add(id)
    void this.#run(id).finally(() => {
      this.#running.delete(id)
    })
  }

  /** What is free by somebody's last look. */
  noteFree(id: string, freeBytes: number): void {
    const freeBytesMin = this.#record(id)?.policy?.freeBytesMin ?? null
    if (freeBytesMin === null) return
    if (freeBytes < freeBytesMin) this.look(id)
    else this.#helpless.delete(id)
  }

  #setAlarm(): () => void {
    const { clock, mounted } = this.#options
    return clock.alarm(clock.now() + dayMs, () => {
      for (const id of mounted()) this.look(id)
      this.#cancelAlarm = this.#setAlarm()
    })
  }

  async #run(id: string): Promise<void> {
    try {
      while (this.#again.delete(id) && this.#isOurs(id)) {
        await this.#expire(id)
        await this.#evict(id)
      }
    } catch (error) {
      // It was unmounted meanwhile: the next mount looks again.
      if (!this.#isOurs(id)) return
      this.#options.log(`${this.#nameOf(id)}: ${failureOf(error, 'expiry failed').message}`)
    }
  }

  async #expire(id: string): Promise<void> {
    const { clock, log, remove } = this.#options
    let lines: string[] = []
    await remove(id, () => {
      const { name, policy, snapshots } = this.#record(id) ?? {}
      if (!policy || snapshots === undefined) return []
      const gone = decideRetention(snapshots, policy, clock.now() / 1000).filter(
        ({ isKept }) => !isKept,
      )
      lines = gone.map(
        ({ snapshot, reasons }) =>
          `expired ${snapshot.name} of ${name ?? id}: ${reasons.join(', ')}`,
      )
      return gone.map(({ snapshot }) => snapshot.name)
    })
    for (const line of lines) log(line)
  }

  async #evict(id: string): Promise<void> {
    const { log, remove, swept } = this.#options
    // What was deleted by now may be enough, once it is free.
    if ((await this.#shortage(id)) !== undefined) await swept(id)
    for (;;) {
      const shortage = await this.#shortage(id)
      if (shortage === undefined || !this.#isOurs(id)) return
      let evicted: string | undefined
      await remove(id, () => {
        const { policy, snapshots = [] } = this.#record(id) ?? {}
        const [first] = policy ? evictionOrder(snapshots, policy) : []
        evicted = first?.name
        return evicted === undefined ? [] : [evicted]
      })
      const name = this.#nameOf(id)
      if (evicted === undefined) {
        if (!this.#helpless.has(id))
          log(`${name}: ${shortage}, and no snapshot is left that may go`)
        this.#helpless.add(id)
        return
      }
      log(`evicted ${evicted} of ${name}: ${shortage}`)
      await swept(id)
    }
  }

  /** In words; undefined: there is enough. */
  async #shortage(id: string): Promise<string | undefined> {
    const freeBytesMin = this.#record(id)?.policy?.freeBytesMin ?? null
    if (freeBytesMin === null) return undefined
    const free = await this.#options.freeBytes(id)
    if (free === undefined || free >= freeBytesMin) return undefined
    return `${byteSizeText(free)} free, less than ${byteSizeText(freeBytesMin)}`
  }

  #isOurs(id: string): boolean {
    return !this.#isStopped && this.#options.mounted().includes(id)
  }

  #record(id: string): VolumeRecord | undefined {
    return this.#options.catalog.volumeById(id)
  }

  #nameOf(id: string): string {
    return this.#record(id)?.name ?? id
  }
}
