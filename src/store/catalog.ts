import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { LowSync } from 'lowdb'
import { Failure } from '../base/failure.js'
import type { Label } from '../base/ids.js'
import { checkedSnapshot, checkedVolume } from './catalog-check.js'
import type { CatalogData, VolumeRecord } from './catalog-data.js'
import { catalogFile } from './catalog-adapter.js'
import { catalogCopyFile } from './catalog-copy.js'
import { newId, openCatalogFile, restoreCatalogFile } from './catalog-file.js'
import type { Disk } from './disk.js'
import { checkedPolicy } from './policy-check.js'
import { realDisk } from './real-disk.js'
import type { RetentionPolicy } from '../version/retention-policy.js'
import type { Schedule, ScheduleState } from '../version/schedule.js'
import { checkedSchedule } from './schedule-check.js'
import type { SnapshotRecord } from './snapshot-record.js'
import { failureOfSystem, renamedFailure } from './store-failure.js'
import { mayRepeat } from './tag-rules.js'

export { catalogCopyFile, catalogFile }

/**
 * The one truth about which volumes a store has and which snapshots exist. Belongs to the daemon's
 * main thread; whoever writes it holds the store's lock. What a method has added is on the disk
 * when it returns; if it throws, nothing has changed.
 */
export class Catalog {
  readonly storeDirectory: string
  readonly #file: LowSync<CatalogData>
  /** Something is noted that is not on the disk. */
  #isAhead = false

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

  /**
   * Writes one that is damaged or missing anew, from its copy; returns how many snapshots that has. Undefined: nothing was
   * wrong. The caller holds the store's lock. Throws Failure if there is no copy.
   */
  static restore(storeDirectory: string, disk: Disk = realDisk): number | undefined {
    try {
      return restoreCatalogFile(disk, storeDirectory)
    } catch (error) {
      throw failureOfSystem(error, `restore the catalog of ${storeDirectory}`)
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
    const past = {
      labelLast: 0 as const,
      timeLastSec: 0,
      isUnswept: false,
      policy: null,
      schedules: [],
      snapshots: [],
    }
    const record = { id: newId(), ...volume, ...past }
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
   * volume. `schedules`: the names of those that it is a run of; they are noted with it.
   */
  addSnapshots(
    added: readonly { volumeId: string; record: SnapshotRecord; schedules?: readonly string[] }[],
  ): void {
    const runs = new Map(added.map(({ volumeId, schedules }) => [volumeId, schedules ?? []]))
    const byVolume = new Map(
      added.map(({ volumeId, record }) => [
        volumeId,
        checkedSnapshot('snapshot', structuredClone(record)),
      ]),
    )
    for (const [volumeId, record] of byVolume) assertNew(this.#volume(volumeId), record)
    this.#write(
      this.volumes().map((volume) => {
        const record = byVolume.get(volume.id)
        if (record === undefined) return volume
        const last = { labelLast: record.label, timeLastSec: record.timeSec }
        const names = runs.get(volume.id) ?? []
        const schedules = changedSchedules(volume, names, () => stateAfter(record))
        return { ...volume, ...last, schedules, snapshots: [...volume.snapshots, record] }
      }),
    )
  }

  /** All or none; held ones only if it is forced. What only they needed is to be swept. */
  removeSnapshots(
    volumeId: string,
    names: readonly string[],
    isForced: boolean,
  ): readonly SnapshotRecord[] {
    const volume = this.#volume(volumeId)
    const removed = volume.snapshots.filter(({ name }) => names.includes(name))
    const missing = names.find((name) => !removed.some((record) => record.name === name))
    if (missing !== undefined) {
      throw new Failure('missing', `${volume.name} has no snapshot ${missing}`)
    }
    const held = removed.find(({ isHeld }) => isHeld)
    if (held !== undefined && !isForced) {
      const advice = '`bygone release` it first, or delete with --force'
      throw new Failure('failed', `${held.name} of ${volume.name} is held: ${advice}`)
    }
    const snapshots = volume.snapshots.filter((record) => !removed.includes(record))
    this.#replace({ ...volume, snapshots, isUnswept: true })
    return removed
  }

  /** Nothing is left of the snapshots deleted so far; with `labels`, if there are just those now. */
  noteSwept(volumeId: string, labels?: readonly number[]): void {
    const volume = this.#volume(volumeId)
    const now = volume.snapshots.map(({ label }) => label as number)
    if (labels !== undefined && !isDeepStrictEqual(now, labels)) return
    if (volume.isUnswept) this.#replace({ ...volume, isUnswept: false })
  }

  /** Others' memos, tags and holds for snapshots that there are, told by their labels. */
  changeSnapshots(
    volumeId: string,
    changes: readonly Pick<SnapshotRecord, 'label' | 'memo' | 'tags' | 'isHeld'>[],
  ): void {
    const volume = this.#volume(volumeId)
    const byLabel = new Map(changes.map((change) => [change.label, change]))
    const snapshots = volume.snapshots.map((snapshot) => {
      const change = byLabel.get(snapshot.label)
      if (change === undefined) return snapshot
      byLabel.delete(snapshot.label)
      const { memo, tags, isHeld } = change
      return checkedSnapshot('snapshot', { ...snapshot, memo, tags: [...tags], isHeld })
    })
    for (const label of byLabel.keys()) throw missing(volume, label)
    for (const [at, snapshot] of snapshots.entries()) {
      const before = volume.snapshots[at]?.tags ?? []
      const added = snapshot.tags.filter((tag) => !before.includes(tag))
      assertTagsFree({ ...volume, snapshots }, { ...snapshot, tags: added })
    }
    this.#replace({ ...volume, snapshots })
  }

  setPolicy(volumeId: string, policy: RetentionPolicy | null): void {
    const volume = this.#volume(volumeId)
    this.#replace({ ...volume, policy: policy && checkedPolicy('policy', structuredClone(policy)) })
  }

  /** `isReplacing`: one of that name is there, and may be. */
  addSchedule(volumeId: string, schedule: Schedule, isReplacing: boolean): void {
    const volume = this.#volume(volumeId)
    const added = checkedSchedule('schedule', structuredClone(schedule))
    const others = volume.schedules.filter(({ name }) => name !== added.name)
    if (others.length < volume.schedules.length && !isReplacing) {
      const advice = 'remove it first, or --replace it'
      throw new Failure('exists', `${volume.name} has a schedule ${added.name} already: ${advice}`)
    }
    this.#replace({ ...volume, schedules: [...others, added] })
  }

  /** All or none. */
  removeSchedules(volumeId: string, names: readonly string[]): void {
    const volume = this.#volume(volumeId)
    const missing = names.find((name) => !volume.schedules.some((each) => each.name === name))
    if (missing !== undefined) {
      throw new Failure('missing', `${volume.name} has no schedule ${missing}`)
    }
    const schedules = volume.schedules.filter(({ name }) => !names.includes(name))
    this.#replace({ ...volume, schedules })
  }

  /**
   * How runs went that took no snapshot. Unless it is `durable` it goes to the disk with what is written next: what a
   * crash takes of it makes the run come again.
   */
  noteRuns(
    volumeId: string,
    names: readonly string[],
    change: (schedule: Schedule) => Partial<ScheduleState>,
    { durable }: { durable: boolean },
  ): void {
    const volume = this.#volume(volumeId)
    const schedules = changedSchedules(volume, names, change)
    const changed = { ...volume, schedules: schedules.map((each) => checkedSchedule('run', each)) }
    if (durable) this.#replace(changed)
    else {
      this.#file.data = { ...this.#file.data, volumes: this.#with(changed) }
      this.#isAhead = true
    }
  }

  /** Brings to the disk what was noted and is not there yet. */
  writeNotes(): void {
    if (this.#isAhead) this.#write(this.volumes())
  }

  #replace(changed: VolumeRecord): void {
    this.#write(this.#with(changed))
  }

  #with(changed: VolumeRecord): VolumeRecord[] {
    return this.volumes().map((volume) => (volume.id === changed.id ? changed : volume))
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
      this.#isAhead = false
    } catch (error) {
      this.#file.data = before
      throw failureOfSystem(error, `write ${join(this.storeDirectory, catalogFile)}`)
    }
  }
}

function assertNew(volume: VolumeRecord, record: SnapshotRecord): void {
  if (volume.snapshots.some(({ name }) => name === record.name)) {
    throw taken(volume, record.name)
  }
  assertTagsFree(volume, record)
  const isNext = record.label > volume.labelLast
  if (!isNext) throw new Error(`label ${record.label} was given before`)
  if (record.timeSec <= (volume.snapshots.at(-1)?.timeSec ?? -1)) {
    throw new Error(`${record.name} is not newer than the newest`)
  }
}

/** Of no other snapshot, unless several may have them. */
function assertTagsFree(volume: VolumeRecord, { label, tags }: SnapshotRecord): void {
  for (const tag of tags.filter((each) => !mayRepeat(each, volume))) {
    const isTaken = (other: SnapshotRecord) => other.label !== label && other.tags.includes(tag)
    if (volume.snapshots.some(isTaken)) throw taken(volume, `tagged ${tag}`)
  }
}

function changedSchedules(
  { schedules }: VolumeRecord,
  names: readonly string[],
  change: (schedule: Schedule) => Partial<ScheduleState>,
): readonly Schedule[] {
  if (names.length === 0) return schedules
  return schedules.map((each) => (names.includes(each.name) ? { ...each, ...change(each) } : each))
}

function stateAfter({ cutAtMs, name }: SnapshotRecord): Partial<ScheduleState> {
  return { doneMs: cutAtMs, goodMs: cutAtMs, lastSnapshot: name, failures: 0 }
}

function taken(volume: VolumeRecord, text: string): Failure {
  return new Failure('exists', `the volume ${volume.name} has a snapshot ${text} already`)
}

function missing(volume: VolumeRecord, label: Label): Failure {
  return new Failure('missing', `the volume ${volume.name} has no snapshot with the label ${label}`)
}
