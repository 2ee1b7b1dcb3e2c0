import { join } from 'node:path'
import type { LowSync } from 'lowdb'
import { Failure } from '../base/failure.js'
import type { Label } from '../base/ids.js'
import { checkedSnapshot, checkedVolume } from './catalog-check.js'
import type { CatalogData, VolumeRecord } from './catalog-data.js'
import { catalogFile, newId, openCatalogFile } from './catalog-file.js'
import type { Disk } from './disk.js'
import { realDisk } from './real-disk.js'
import type { SnapshotRecord } from './snapshot-record.js'
import { failureOfSystem, renamedFailure } from './store-failure.js'

export { catalogFile }

/**
 * The one truth about which volumes a store has and which snapshots exist. Belongs to the daemon's
 * main thread; whoever writes it holds the store's lock. What a method has added is on the disk
 * when it returns; if it throws, nothing has changed.
 */
export class Catalog {
  readonly storeDirectory: string
  readonly #file: LowSync<CatalogData>

  private constructor(storeDirectory: string, file: LowSync<CatalogData>) {
    this.storeDirectory = storeDirectory
    this.#file = file
  }

  /**
   * Reads a store's catalog; `create`: makes the store, in a missing or empty directory, if it is
   * none yet. `shownAs`: the directory's name in messages. Throws Failure.
   */
  static open(
    storeDirectory: string,
    options: { create: boolean; shownAs?: string; disk?: Disk },
  ): Catalog {
    const { disk = realDisk, create } = options
    try {
      return new Catalog(storeDirectory, openCatalogFile(disk, storeDirectory, create))
    } catch (error) {
      const failure = failureOfSystem(error, `open the store ${storeDirectory}`)
      throw renamedFailure(failure, storeDirectory, options.shownAs)
    }
  }

  get storeId(): string {
    return this.#file.data.storeId
  }

  volumes(): readonly VolumeRecord[] {
    return this.#file.data.volumes
  }

  volumeById(id: string): VolumeRecord | undefined {
    return this.volumes().find((volume) => volume.id === id)
  }

  volumeByName(name: string): VolumeRecord | undefined {
    return this.volumes().find((volume) => volume.name === name)
  }

  volumeByOrigin(origin: string): VolumeRecord | undefined {
    return this.volumes().find((volume) => volume.origin === origin)
  }

  addVolume(
    volume: Pick<VolumeRecord, 'name' | 'origin' | 'kind' | 'chunkBytes' | 'createdAtMs'>,
  ): VolumeRecord {
    for (const key of ['name', 'origin'] as const) {
      if (this.volumes().some((other) => other[key] === volume[key])) {
        throw new Failure('exists', `the store has a volume with the ${key} ${volume[key]} already`)
      }
    }
    const record = { id: newId(), ...volume, labelLast: 0 as const, snapshots: [] }
    this.#write([...this.volumes(), checkedVolume('volume', record)])
    return record
  }

  /** Its origin was moved, or it shall have another name. */
  changeVolume(id: string, change: Partial<Pick<VolumeRecord, 'name' | 'origin'>>): VolumeRecord {
    const changed = checkedVolume('volume', { ...this.#volume(id), ...change })
    for (const key of ['name', 'origin'] as const) {
      if (this.volumes().some((other) => other.id !== id && other[key] === changed[key])) {
        throw new Failure(
          'exists',
          `the store has a volume with the ${key} ${changed[key]} already`,
        )
      }
    }
    this.#write(this.volumes().map((volume) => (volume.id === id ? changed : volume)))
    return changed
  }

  /** Forgets a volume that has no past: its first mount failed. */
  removeVolume(id: string): void {
    if (this.#volume(id).labelLast !== 0) throw new Error(`the volume ${id} has a past`)
    this.#write(this.volumes().filter((volume) => volume.id !== id))
  }

  /** The label for the volume's next snapshot. */
  nextLabel(volumeId: string): Label {
    return (this.#volume(volumeId).labelLast + 1) as Label
  }

  addSnapshot(volumeId: string, record: SnapshotRecord): void {
    this.addSnapshots([{ volumeId, record }])
  }

  /**
   * All or none: snapshots of several volumes that were cut at one instant. At most one for each
   * volume.
   */
  addSnapshots(added: readonly { volumeId: string; record: SnapshotRecord }[]): void {
    const byVolume = new Map(added.map(({ volumeId, record }) => [volumeId, record]))
    for (const [volumeId, record] of byVolume) assertNew(this.#volume(volumeId), record)
    this.#write(
      this.volumes().map((volume) => {
        const record = byVolume.get(volume.id)
        if (record === undefined) return volume
        const snapshot = checkedSnapshot('snapshot', structuredClone(record))
        const snapshots = [...volume.snapshots, snapshot]
        return checkedVolume('volume', { ...volume, labelLast: record.label, snapshots })
      }),
    )
  }

  #volume(id: string): VolumeRecord {
    const volume = this.volumeById(id)
    if (volume === undefined) throw new Failure('missing', `the store has no volume ${id}`)
    return volume
  }

  #write(volumes: readonly VolumeRecord[]): void {
    const before = this.#file.data
    this.#file.data = { ...before, volumes }
    try {
      this.#file.write()
    } catch (error) {
      this.#file.data = before
      throw failureOfSystem(error, `write ${join(this.storeDirectory, catalogFile)}`)
    }
  }
}

function assertNew(volume: VolumeRecord, record: SnapshotRecord): void {
  const taken = (text: string): Failure =>
    new Failure('exists', `the volume ${volume.name} has a snapshot ${text} already`)
  if (volume.snapshots.some(({ name }) => name === record.name)) throw taken(record.name)
  for (const tag of record.tags) {
    if (volume.snapshots.some(({ tags }) => tags.includes(tag))) throw taken(`tagged ${tag}`)
  }
  const isNext = record.label > volume.labelLast
  if (!isNext) throw new Error(`label ${record.label} was given before`)
}
