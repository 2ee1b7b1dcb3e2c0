import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.js'
import { Catalog } from '../store/catalog.js'
import { realDisk } from '../store/real-disk.js'
import { readSurvey } from '../store/survey-file.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { RetentionPolicy } from '../version/retention-policy.js'
import { clockOfProcess } from '../base/clock.js'
import { scheduleReports, type ScheduleReport } from './schedule-report.js'
import type { SnapshotSummary, VolumeStatus, VolumeSummary } from './control-protocol.js'
import { sharesOf, surveyOf, unknownShare } from './snapshot-shares.js'
import type { Share } from './snapshot-shares.js'
import { directoryBytes, recordStatus, snapshotSummary, volumeSummary } from './summaries.js'
import { metricsOf } from './metrics.js'
import { SpaceWatch } from './space-watch.js'
import { findDaemons, findUnmounted, findVolume, staleFailure } from './volume-finder.js'
import type { FoundVolume } from './volume-finder.js'

/** The volumes of every store that is in use, and the one around the working directory. */
export async function listVolumes(): Promise<VolumeSummary[]> {
  const daemons = await findDaemons()
  for (const { client } of daemons) client.close()
  const volumes = daemons.flatMap((daemon) => daemon.volumes)
  const here = unmountedHere()
  if (here !== undefined && !volumes.some(({ id }) => id === here.id)) {
    volumes.push(volumeSummary(recordOf(here), here.store))
  }
  return volumes.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** A volume and what is known of its past, for programs that only look. */
export interface VolumePast {
  volume: VolumeSummary
  /** Oldest first. */
  snapshots: SnapshotSummary[]
  policy: RetentionPolicy | null
}

export async function volumePast(found: FoundVolume): Promise<VolumePast> {
  switch (found.state) {
    case 'mounted': {
      const { client, summary: volume } = found
      const { id } = volume
      return {
        volume,
        snapshots: await client.request<'snapshots'>({ command: 'snapshots', volume: id }),
        policy: await client.request<'policy'>({ command: 'policy', volume: id }),
      }
    }
    case 'unmounted': {
      const record = recordOf(found)
      const volume = volumeSummary(record, found.store)
      return { volume, snapshots: record.snapshots.map(snapshotSummary), policy: record.policy }
    }
    case 'stale':
      throw staleFailure(found.entry)
  }
}

/**
 * By the names of the snapshots, what each is answerable for, as far as that is known in a moment; if `isComplete`, all
 * of it, which may take a while.
 */
export async function sharesOfSnapshots(
  found: FoundVolume,
  isComplete: boolean,
): Promise<Map<string, Share>> {
  if (found.state === 'unmounted') return sharesUnmounted(found, isComplete)
  if (found.state === 'stale') return new Map()
  const { client, summary } = found
  for (;;) {
    const report = await client.request<'shares'>({ command: 'shares', volume: summary.id })
    if (isComplete && !report.isEnd) continue
    return new Map(report.snapshots.map(({ name, ...share }) => [name, share]))
  }
}

/** As the last whole pass has found it; `isComplete`: a pass, unless nothing has been kept since the last one. */
async function sharesUnmounted(found: Unmounted, isComplete: boolean): Promise<Map<string, Share>> {
  const index = join(found.store, 'volumes', found.id, 'index')
  let last = readSurvey(realDisk, index)
  if (isComplete && last?.isCurrent !== true) {
    // Much of the store and the volume: other commands shall not wait for it to load.
    const { sweepHere } = await import('./unmounted-gc.js')
    await sweepHere(found, () => undefined)
    last = readSurvey(realDisk, index)
  }
  const { snapshots } = recordOf(found)
  const labels = snapshots.map(({ label }) => label)
  const shares = sharesOf(labels, surveyOf(last?.survey), last?.isCurrent === true)
  return new Map(snapshots.map(({ name }, at) => [name, shares[at] ?? unknownShare] as const))
}

export async function volumeSchedules(
  found: FoundVolume,
): Promise<{ volume: VolumeSummary; schedules: ScheduleReport[] }> {
  switch (found.state) {
    case 'mounted': {
      const { client, summary: volume } = found
      const request = { command: 'schedules', volume: volume.id } as const
      return { volume, schedules: await client.request<'schedules'>(request) }
    }
    case 'unmounted': {
      const record = recordOf(found)
      const schedules = scheduleReports(record, clockOfProcess().now())
      return { volume: volumeSummary(record, found.store), schedules }
    }
    case 'stale':
      throw staleFailure(found.entry)
  }
}

/** For Prometheus: of the volume that is meant, or all that are mounted. */
export async function volumeMetrics(text: string | undefined): Promise<string> {
  const nowMs = clockOfProcess().now()
  if (text !== undefined) return metricsOf([await volumeStatus(text)], nowMs)
  const daemons = await findDaemons()
  try {
    const statuses = daemons.map(async ({ client, volumes }) => {
      const found: VolumeStatus[] = []
      for (const { id, mountPoint } of volumes) {
        if (mountPoint === null) continue
        found.push(await client.request<'status'>({ command: 'status', volume: id }))
      }
      return found
    })
    return metricsOf((await Promise.all(statuses)).flat(), nowMs)
  } finally {
    for (const { client } of daemons) client.close()
  }
}

/** Finds a volume, and lets go of its daemon when `use` has ended. */
export async function withVolume<T>(
  text: string | undefined,
  use: (found: FoundVolume) => Promise<T>,
): Promise<T> {
  const found = await findVolume(text)
  try {
    return await use(found)
  } finally {
    if (found.state === 'mounted') found.client.close()
  }
}

export async function volumeStatus(text: string | undefined): Promise<VolumeStatus> {
  return withVolume(text, statusOf)
}

export async function statusOf(found: FoundVolume): Promise<VolumeStatus> {
  switch (found.state) {
    case 'mounted': {
      const { id } = found.summary
      return await found.client.request<'status'>({ command: 'status', volume: id })
    }
    case 'unmounted': {
      const record = recordOf(found)
      const { chunkBytes } = record
      const storeBytes = directoryBytes(join(found.store, 'volumes', found.id))
      const space = spaceUnmounted(found.store, record.origin)
      return {
        ...volumeSummary(record, found.store),
        ...recordStatus(record),
        state: 'unmounted',
        chunkBytes,
        storeBytes,
        space: await space.look(),
        warnings: space.warnings,
        schedules: scheduleReports(record, clockOfProcess().now()),
      }
    }
    case 'stale':
      throw staleFailure(found.entry)
  }
}

function spaceUnmounted(store: string, origin: string): SpaceWatch {
  const places = (
    [
      ['store', store],
      ['origin', origin],
    ] as const
  ).flatMap(([kind, path]) => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found === undefined ? [] : [{ kind, root: path, path, device: found.dev }]
  })
  return new SpaceWatch({ places, mark: undefined, log: () => undefined })
}

type Unmounted = Extract<FoundVolume, { state: 'unmounted' }>

/** Of a volume that is not mounted, oldest first. */
export function snapshotRecords(found: Unmounted): readonly SnapshotRecord[] {
  return recordOf(found).snapshots
}

/** Nobody has the store, or somebody has it for other volumes: the catalog is replaced whole, so it can be read at any time. */
function recordOf({ store, id }: Unmounted): VolumeRecord {
  const record = Catalog.open(store, { create: false }).volumeById(id)
  if (record === undefined)
    throw new Failure('damaged', `the store ${store} does not know volume ${id}`)
  return record
}

/** What can't be looked at from here (a dead mount, say) is in nobody's way: it was not asked for. */
function unmountedHere(): Unmounted | undefined {
  try {
    const found = findUnmounted(process.cwd())
    return found?.state === 'unmounted' ? found : undefined
  } catch {
    return undefined
  }
}
