import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { VolumeRecord } from '../store/catalog-data.js'
import { plainSnapshotName } from '../store/snapshot-name.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { SnapshotSummary, SweepReport, VolumeSummary } from './control-protocol.js'
import type { SweepProgress } from './thread-protocol.js'

/** A volume as the catalog knows it, and where it is mounted. */
export function volumeSummary(
  { id, name, origin, snapshots }: VolumeRecord,
  store: string,
  mount?: { mountPoint: string; device: string },
): VolumeSummary {
  return {
    id,
    name,
    origin,
    store,
    mountPoint: mount?.mountPoint ?? null,
    device: mount?.device ?? null,
    snapshots: snapshots.length,
    newest: snapshots.at(-1)?.name ?? null,
  }
}

/** What `status` tells of it whether it is mounted or not. */
export function recordStatus({ snapshots, isUnswept }: VolumeRecord) {
  return {
    oldest: snapshots[0]?.name ?? null,
    held: snapshots.filter(({ isHeld }) => isHeld).length,
    isUnswept,
  }
}

export function snapshotSummary({
  name,
  timeSec,
  cutAtMs,
  memo,
  tags,
  isHeld,
}: SnapshotRecord): SnapshotSummary {
  const time = new Date(timeSec * 1000).toISOString()
  return {
    name,
    time: time.replace('.000Z', 'Z'),
    timeSec,
    cutAtMs,
    plainName: plainSnapshotName(name),
    memo,
    tags,
    isHeld,
  }
}

export function sweepReport({ isEnd, counts }: SweepProgress): SweepReport {
  const { elementsFreed = 0, bytesFreed = 0, filesRemoved = 0, visited = 0 } = counts
  return { isEnd, elementsFreed, bytesFreed, filesRemoved, visited }
}

/** What the files in a directory take on the disk. Files may come and go meanwhile. */
export function directoryBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false }))
    .reduce((sum, stat) => sum + (stat?.blocks ?? 0) * 512, 0)
}
