import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Label } from '../base/ids.js'
import type { Catalog } from '../store/catalog.js'
import { formatSnapshotName, nextSnapshotTime } from '../store/snapshot-name.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import { mayRepeat } from '../store/tag-rules.js'
import { cutAtOnce } from './cut.js'
import { checkMemo, checkTags } from './snapshot-words.js'
import type { VolumeThread } from './volume-thread.js'

/** What is said of a snapshot when it is taken. */
export interface SnapshotWords {
  memo: string
  tags: readonly string[]
}

export interface CutVolume {
  id: string
  /** Of a run of schedules of this volume; instead of what is said of all. */
  run?: SnapshotWords & { schedules: readonly string[] }
  thread: Pick<VolumeThread, 'hold' | 'release' | 'cut'>
  /** Has the kernel hand over what programs changed through shared mappings. */
  flush: () => Promise<void>
  /** While it is held: snapshot `label` and those before can't rely on what others may be changing behind the mount. */
  doubt?: (label: Label) => Promise<void>
}

/**
 * Takes a snapshot of each volume, all at one instant and with one name. In the order of `volumes`.
 * Nobody else may add to the catalog meanwhile.
 */
export async function takeSnapshots(
  catalog: Catalog,
  volumes: readonly CutVolume[],
  words: SnapshotWords,
  now: () => Date,
): Promise<readonly SnapshotRecord[]> {
  if (volumes.length === 0) throw new Failure('usage', 'no volume to take a snapshot of: name one')
  if (new Set(volumes.map(({ id }) => id)).size < volumes.length) {
    throw new Failure('usage', 'a volume is named twice: name it once')
  }
  // Before anything is held: what can be refused is refused at no cost to those who write.
  for (const { id, run = words } of volumes) {
    checkMemo(run.memo)
    checkTags(run.tags)
    refuseTaken(catalog, id, run.tags)
  }
  faultPoint('snapshot.begun')
  await Promise.all(volumes.map(({ flush }) => flush()))
  faultPoint('snapshot.flushed')
  return cutAtOnce(
    volumes.map(({ thread }) => thread),
    async () => {
      const records = newRecords(catalog, volumes, words, now().getTime())
      // Before it exists: a snapshot that shows what was changed later must not be found after a crash.
      await Promise.all(records.map(async ({ label }, at) => volumes[at]?.doubt?.(label)))
      catalog.addSnapshots(
        records.map((record, at) => ({
          volumeId: volumes[at]?.id ?? '',
          record,
          schedules: volumes[at]?.run?.schedules ?? [],
        })),
      )
      return records
    },
  )
}

function newRecords(
  catalog: Catalog,
  volumes: readonly Pick<CutVolume, 'id' | 'run'>[],
  words: SnapshotWords,
  cutAtMs: number,
): SnapshotRecord[] {
  const times = volumes.map(({ id }) =>
    nextSnapshotTime(cutAtMs, catalog.volumeById(id)?.timeLastSec ?? 0),
  )
  const timeSec = Math.max(...times)
  const name = formatSnapshotName(timeSec)
  return volumes.map(({ id, run }) => {
    const label = catalog.nextLabel(id)
    const { memo, tags } = run ?? words
    return { name, label, timeSec, cutAtMs, memo, tags: [...new Set(tags)], isHeld: false }
  })
}

function refuseTaken(catalog: Catalog, id: string, tags: readonly string[]): void {
  const volume = catalog.volumeById(id)
  if (volume === undefined) throw new Failure('missing', `the store has no volume ${id}`)
  const names = tags.filter((tag) => !mayRepeat(tag, volume))
  for (const snapshot of volume.snapshots) {
    const tag = snapshot.tags.find((each) => names.includes(each))
    if (tag === undefined) continue
    const advice = 'choose another tag'
    throw new Failure('exists', `${snapshot.name} of ${volume.name} is tagged ${tag}: ${advice}`)
  }
}
