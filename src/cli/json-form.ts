import type { SnapshotSummary, VolumeSummary } from '../daemon/control-protocol.js'
import type { Group } from '../daemon/group/group-file.js'
import type { GroupPast } from '../daemon/group/group-past.js'
import type { Share } from '../daemon/snapshot-shares.js'

/*
 * What --json prints, drawn in JSON.md. A field may be added at any time; if one goes or changes its meaning,
 * the version of its form goes up.
 */

export function volumesForm(volumes: readonly VolumeSummary[]) {
  return { format: 'bygone-volumes', version: 1, volumes: volumes.map(volumeForm) }
}

export function snapshotsForm<Snapshot extends SnapshotSummary>(
  volume: VolumeSummary,
  snapshots: readonly Snapshot[],
  formOf: (snapshot: Snapshot) => object = snapshotForm,
) {
  return {
    format: 'bygone-snapshots',
    version: 1,
    volume: volumeForm(volume),
    snapshots: snapshots.map((each) => formOf(each)),
  }
}

export function groupForm({ directory }: Group, { names, volumes }: GroupPast) {
  return {
    format: 'bygone-group-snapshots',
    version: 1,
    directory,
    volumes: volumes.map(({ volume: { id, path }, past }) => ({
      id,
      path,
      volume: volumeForm(past.volume),
      snapshots: past.snapshots.map(snapshotForm),
    })),
    names,
  }
}

export function volumeForm(summary: VolumeSummary) {
  const { id, name, origin, store, mountPoint, device, snapshots, newest } = summary
  return { id, name, origin, store, mountPoint, device, snapshots, newest }
}

export function snapshotForm({ name, plainName, time, memo, tags, isHeld }: SnapshotSummary) {
  return { name, plainName, time, memo, tags, held: isHeld }
}

export function sharedSnapshotForm(snapshot: SnapshotSummary & Share) {
  const { changedBytes, changedElements, uniqueBytes } = snapshot
  return { ...snapshotForm(snapshot), changedBytes, changedElements, uniqueBytes }
}
