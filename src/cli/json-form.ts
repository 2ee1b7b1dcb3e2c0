import type { SnapshotSummary, VolumeSummary } from '../daemon/control-protocol.js'

/*
 * What --json prints, drawn in JSON.md. A field may be added at any time; if one goes or changes its meaning,
 * the version of its form goes up.
 */

export function volumesForm(volumes: readonly VolumeSummary[]) {
  return { format: 'bygone-volumes', version: 1, volumes: volumes.map(volumeForm) }
}

export function snapshotsForm(volume: VolumeSummary, snapshots: readonly SnapshotSummary[]) {
  return {
    format: 'bygone-snapshots',
    version: 1,
    volume: volumeForm(volume),
    snapshots: snapshots.map(snapshotForm),
  }
}

export function volumeForm(summary: VolumeSummary) {
  const { id, name, origin, store, mountPoint, device, snapshots, newest } = summary
  return { id, name, origin, store, mountPoint, device, snapshots, newest }
}

export function snapshotForm({ name, plainName, time, memo, tags, isHeld }: SnapshotSummary) {
  return { name, plainName, time, memo, tags, held: isHeld }
}
