import { Failure } from '../base/failure.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { VolumeSummary } from './control-protocol.js'
import type { MountedVolume } from './mounted-volume.js'
import type { StoreDirectory } from './store-directory.js'
import { volumeSummary } from './summaries.js'

/** The volumes of a daemon's store: those that it has mounted, and what the catalog knows of all. */
export class VolumeBook {
  /** By id. */
  readonly mounted = new Map<string, MountedVolume>()
  readonly #store: StoreDirectory

  constructor(store: StoreDirectory) {
    this.#store = store
  }

  volume(id: string): MountedVolume {
    const volume = this.mounted.get(id)
    if (volume === undefined) throw new Failure('missing', 'the volume is not mounted any more')
    return volume
  }

  record(id: string): VolumeRecord {
    const record = this.#store.catalog.volumeById(id)
    if (record === undefined) throw new Failure('missing', `the store has no volume ${id}`)
    return record
  }

  records(): readonly VolumeRecord[] {
    return this.#store.catalog.volumes()
  }

  /** For people. */
  nameOf(id: string): string {
    return this.#store.catalog.volumeById(id)?.name ?? id
  }

  summary(record: VolumeRecord): VolumeSummary {
    const volume = this.mounted.get(record.id)
    const mount =
      volume === undefined
        ? undefined
        : { mountPoint: volume.order.mountPoint, device: volume.entry.device }
    return volumeSummary(record, this.#store.path, mount)
  }

  /** Ids of those that are mounted; the volumes of a group are ready when all of them are. */
  readyForSchedules(): string[] {
    const mounted = [...this.mounted.values()]
    const origins = new Set(mounted.map(({ order }) => order.origin))
    return mounted
      .filter(({ order }) => order.together?.every((origin) => origins.has(origin)) ?? true)
      .map(({ id }) => id)
  }
}
