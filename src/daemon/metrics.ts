import { parseSnapshotName } from '../store/snapshot-name.js'
import type { DaemonStatus, VolumeStatus } from './control-protocol.js'
import { Exposition, type Sample } from './exposition.js'
import { ageMaxSec, healthLevels, healthOf } from './health.js'

/** For Prometheus: all that an operator wants to see or be woken by, of some volumes and the daemons that serve them. */
export function metricsOf(volumes: readonly VolumeStatus[], nowMs: number): string {
  const text = new Exposition()
  const each = (
    name: string,
    type: 'gauge' | 'counter',
    help: string,
    valueOf: (volume: VolumeStatus) => number | undefined,
  ) => {
    text.family(
      name,
      type,
      help,
      volumes.flatMap((volume) => sampleOf(volume, valueOf(volume))),
    )
  }
  each('bygone_volume_mounted', 'gauge', 'Whether the volume is mounted.', ({ state }) =>
    state === 'mounted' ? 1 : 0,
  )
  each(
    'bygone_volume_health',
    'gauge',
    'What bygone check --quick says: 0 OK, 1 WARNING, 2 CRITICAL.',
    (volume) => healthLevels.indexOf(healthOf(volume, nowMs).level),
  )
  each('bygone_snapshots', 'gauge', 'Snapshots that there are.', ({ snapshots }) => snapshots)
  each('bygone_snapshots_held', 'gauge', 'Snapshots that are held.', ({ held }) => held)
  each(
    'bygone_snapshot_newest_timestamp_seconds',
    'gauge',
    'When the newest snapshot was taken.',
    ({ newest }) => timeOf(newest),
  )
  each(
    'bygone_snapshot_oldest_timestamp_seconds',
    'gauge',
    'When the oldest snapshot was taken.',
    ({ oldest }) => timeOf(oldest),
  )
  each(
    'bygone_snapshot_age_max_seconds',
    'gauge',
    'How old the newest snapshot may get by the schedules of the volume.',
    ageMaxSec,
  )
  each(
    'bygone_store_bytes',
    'gauge',
    'What its part of the store takes.',
    (volume) => volume.storeBytes,
  )
  each(
    'bygone_sweep_pending',
    'gauge',
    'Whether something is left of deleted snapshots that is to be freed.',
    ({ isUnswept }) => (isUnswept ? 1 : 0),
  )
  disks(text, volumes)
  schedules(text, volumes)
  for (const [gauge, name, type, help] of ofThreads) {
    each(name, type, help, ({ gauges }) => gauges?.[gauge])
  }
  summary(
    text,
    'bygone_journal_sync_seconds',
    'Syncs of the journal that a change or fsync waited for.',
    volumes,
    ({ gauges }) => {
      const { journalSyncs: count, journalSyncSeconds: seconds } = gauges ?? {}
      return count === undefined || seconds === undefined ? undefined : { count, seconds }
    },
  )
  summary(
    text,
    'bygone_snapshot_seconds',
    'Snapshots taken by the daemon, from the request to the catalog.',
    volumes,
    ({ cuts }) => cuts,
  )
  daemons(text, volumes)
  return text.toString()
}

/** What the thread of a mounted volume counts, by the names of its gauges. */
const ofThreads: [gauge: string, name: string, type: 'gauge' | 'counter', help: string][] = [
  [
    'requests',
    'bygone_requests_total',
    'counter',
    'Requests of the kernel, those for data that was there included.',
  ],
  [
    'readsServed',
    'bygone_direct_reads_total',
    'counter',
    'Reads that were served without asking JavaScript.',
  ],
  [
    'writesServed',
    'bygone_direct_writes_total',
    'counter',
    'Writes that were served without asking JavaScript.',
  ],
  [
    'repliesRefused',
    'bygone_replies_refused_total',
    'counter',
    'Replies that the kernel refused: bugs.',
  ],
  [
    'changesRefused',
    'bygone_changes_refused_total',
    'counter',
    'Changes refused because the store had no space for what a snapshot needs.',
  ],
  ['recordsWritten', 'bygone_journal_records_total', 'counter', 'Records written to the journal.'],
  [
    'chunksPreserved',
    'bygone_chunks_preserved_total',
    'counter',
    'Chunks preserved before they were overwritten.',
  ],
  [
    'indexEntriesAdded',
    'bygone_elements_added_total',
    'counter',
    'Elements preserved: chunks, names and attributes.',
  ],
  [
    'journalBytes',
    'bygone_journal_bytes',
    'gauge',
    'Length of the journal, with the holes of what was freed.',
  ],
  [
    'reserveBytes',
    'bygone_journal_reserve_bytes',
    'gauge',
    'What the journal can still take on a full disk.',
  ],
  [
    'indexEntriesPending',
    'bygone_elements_pending',
    'gauge',
    'Elements in the journal that are not in the index yet.',
  ],
  [
    'retired',
    'bygone_retired_files',
    'gauge',
    'Removed files that snapshots need, as far as they are known.',
  ],
  ['nodes', 'bygone_nodes', 'gauge', 'Files and directories that the kernel knows.'],
  ['handles', 'bygone_open_handles', 'gauge', 'Files and directories that are open.'],
]

function disks(text: Exposition, volumes: readonly VolumeStatus[]): void {
  const ofDisks = (
    name: string,
    help: string,
    field: 'bytes' | 'bytesFree' | 'lowWaterBytes' | 'filesFree',
  ) => {
    const samples = volumes.flatMap((volume) =>
      Object.entries(volume.space).map(([disk, report]) => ({
        labels: { ...labelsOf(volume), disk },
        value: report[field],
      })),
    )
    text.family(name, 'gauge', help, samples)
  }
  ofDisks('bygone_disk_bytes', 'Size of the file system of the store or the origin.', 'bytes')
  ofDisks('bygone_disk_free_bytes', 'Free for ordinary users there.', 'bytesFree')
  ofDisks('bygone_disk_low_water_bytes', 'Below so much bygone warns.', 'lowWaterBytes')
  ofDisks('bygone_disk_free_files', 'Free inodes there; 0 if it makes them as needed.', 'filesFree')
}

function schedules(text: Exposition, volumes: readonly VolumeStatus[]): void {
  const ofSchedules = (
    name: string,
    help: string,
    valueOf: (schedule: VolumeStatus['schedules'][number]) => number | undefined,
  ) => {
    const samples = volumes.flatMap((volume) =>
      volume.schedules.flatMap((schedule) =>
        sampleOf(volume, valueOf(schedule), { schedule: schedule.name }),
      ),
    )
    text.family(name, 'gauge', help, samples)
  }
  ofSchedules(
    'bygone_schedule_failures',
    'Failed runs since the last good one.',
    (each) => each.failures,
  )
  ofSchedules(
    'bygone_schedule_last_good_timestamp_seconds',
    'When it last did what it should.',
    (each) => secondsOf(each.lastGood),
  )
  ofSchedules('bygone_schedule_next_timestamp_seconds', 'When it is to run next.', (each) =>
    secondsOf(each.next),
  )
}

function summary(
  text: Exposition,
  name: string,
  help: string,
  volumes: readonly VolumeStatus[],
  valueOf: (volume: VolumeStatus) => { count: number; seconds: number } | undefined,
): void {
  const samples = volumes.flatMap((volume): Sample[] => {
    const value = valueOf(volume)
    if (value === undefined) return []
    const labels = labelsOf(volume)
    return [
      { suffix: '_sum', labels, value: value.seconds },
      { suffix: '_count', labels, value: value.count },
    ]
  })
  text.family(name, 'summary', help, samples)
}

/** Of each process once, however many of the volumes it serves. */
function daemons(text: Exposition, volumes: readonly VolumeStatus[]): void {
  const byPid = new Map<number, DaemonStatus & { store: string }>()
  for (const { daemon, store } of volumes) if (daemon) byPid.set(daemon.pid, { ...daemon, store })
  const all = [...byPid.values()]
  const ofDaemons = (
    name: string,
    type: 'gauge' | 'counter',
    help: string,
    valueOf: (daemon: DaemonStatus) => number,
  ) => {
    text.family(
      name,
      type,
      help,
      all.map((daemon) => ({ labels: { store: daemon.store }, value: valueOf(daemon) })),
    )
  }
  ofDaemons(
    'bygone_daemon_resident_memory_bytes',
    'gauge',
    'Memory of the daemon.',
    (each) => each.residentBytes,
  )
  ofDaemons(
    'bygone_daemon_start_time_seconds',
    'gauge',
    'When the daemon was started.',
    (each) => each.startedMs / 1000,
  )
  const failures = all.flatMap(({ store, failures }) =>
    Object.entries(failures).map(([kind, value]) => ({ labels: { store, kind }, value })),
  )
  text.family(
    'bygone_command_failures_total',
    'counter',
    'Commands that the daemon could not carry out.',
    failures,
  )
}

function sampleOf(volume: VolumeStatus, value: number | undefined, labels = {}): Sample[] {
  return value === undefined ? [] : [{ labels: { ...labelsOf(volume), ...labels }, value }]
}

function labelsOf({ name, origin }: VolumeStatus): Record<string, string> {
  return { volume: name, origin }
}

function timeOf(snapshot: string | null): number | undefined {
  return snapshot === null ? undefined : parseSnapshotName(snapshot)
}

function secondsOf(time: string | null): number | undefined {
  return time === null ? undefined : Date.parse(time) / 1000
}
