import { Failure } from '../base/failure.js'
import type { Catalog } from '../store/catalog.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import { mayRepeat } from '../store/tag-rules.js'
import { checkMemo, checkTagCount, checkTags } from './snapshot-words.js'

/** What a user says of snapshots after they were taken. Their names are looked up by the client. */
export interface SnapshotEdit {
  snapshots: readonly string[]
  change: SnapshotChange
}

export type SnapshotChange =
  /** `expect`: each has just these tags before, or nothing is changed. */
  | { kind: TagAction; tags: readonly string[]; expect: readonly string[] | null }
  | { kind: 'memo'; memo: string }
  | { kind: 'hold' | 'release' }

export const tagActions = ['add', 'remove', 'set'] as const
export type TagAction = (typeof tagActions)[number]

/** Returns the records that it has changed, on the disk. Whoever writes the catalog holds the store. */
export function applyEdit(
  catalog: Catalog,
  volumeId: string,
  edit: SnapshotEdit,
): SnapshotRecord[] {
  const volume = catalog.volumeById(volumeId)
  if (volume === undefined) throw new Failure('missing', `the store has no volume ${volumeId}`)
  const records = editedSnapshots(volume, edit)
  catalog.changeSnapshots(volumeId, records)
  return records
}

/** The records as they are after the edit: all of them, or a Failure and none. */
export function editedSnapshots(volume: VolumeRecord, edit: SnapshotEdit): SnapshotRecord[] {
  const { change } = edit
  const records = recordsNamed(volume, edit.snapshots)
  switch (change.kind) {
    case 'memo':
      checkMemo(change.memo)
      return records.map((record) => ({ ...record, memo: change.memo }))
    case 'hold':
    case 'release':
      return records.map((record) => ({ ...record, isHeld: change.kind === 'hold' }))
    case 'add':
    case 'remove':
    case 'set':
      return withTags(volume, records, change)
  }
}

/** None of them is held, or all of them may go all the same. */
export function checkNotHeld(records: readonly SnapshotRecord[], isForced: boolean): void {
  const held = records.find(({ isHeld }) => isHeld)
  if (held === undefined || isForced) return
  const advice = '`bygone release` it first, or --force'
  throw new Failure('failed', `${held.name} is held: ${advice}`)
}

/** In the order of the names, each once. */
function recordsNamed(volume: VolumeRecord, names: readonly string[]): SnapshotRecord[] {
  const byName = new Map(volume.snapshots.map((record) => [record.name, record]))
  return [...new Set(names)].map((name) => {
    const record = byName.get(name)
    if (record !== undefined) return record
    throw new Failure('missing', `the volume ${volume.name} has no snapshot ${name}`)
  })
}

function withTags(
  volume: VolumeRecord,
  records: readonly SnapshotRecord[],
  { kind, tags, expect }: Extract<SnapshotChange, { kind: TagAction }>,
): SnapshotRecord[] {
  if (expect !== null) checkExpected(records, expect)
  // One that is no tag for new ones can still be taken away.
  if (kind === 'remove') checkThere(records, tags)
  else checkTags(tags)
  const edited = records.map((record) => ({ ...record, tags: editedTags(record.tags, kind, tags) }))
  if (kind === 'add')
    edited.forEach((record) => {
      checkTagCount(record.tags)
    })
  if (kind !== 'remove') checkUnique(volume, edited, tags)
  return edited
}

function editedTags(
  before: readonly string[],
  action: TagAction,
  tags: readonly string[],
): string[] {
  switch (action) {
    case 'add':
      return [...new Set([...before, ...tags])]
    case 'remove':
      return before.filter((tag) => !tags.includes(tag))
    case 'set':
      return [...new Set(tags)]
  }
}

function checkExpected(records: readonly SnapshotRecord[], expect: readonly string[]): void {
  const expected = [...new Set(expect)].sort().join(', ')
  for (const { name, tags } of records) {
    const found = [...tags].sort().join(', ')
    if (found === expected) continue
    const instead = expected === '' ? 'none' : expected
    throw new Failure(
      'failed',
      `${name} has the tags ${found === '' ? 'none' : found}, not ${instead}: nothing was changed`,
    )
  }
}

function checkThere(records: readonly SnapshotRecord[], tags: readonly string[]): void {
  const missing = tags.find((tag) => !records.some((record) => record.tags.includes(tag)))
  if (missing === undefined) return
  const [first] = records
  const whose =
    records.length === 1 && first !== undefined ? `${first.name} has` : 'none of them has'
  throw new Failure('missing', `${whose} the tag ${missing}: nothing was changed`)
}

/** Said in words of the user's; the catalog would refuse it too. */
function checkUnique(
  volume: VolumeRecord,
  edited: readonly SnapshotRecord[],
  tags: readonly string[],
): void {
  const byLabel = new Map(edited.map((record) => [record.label, record]))
  const after = volume.snapshots.map((record) => byLabel.get(record.label) ?? record)
  for (const tag of tags.filter((each) => !mayRepeat(each, volume))) {
    const [first, second] = after.filter((record) => record.tags.includes(tag))
    if (first === undefined || second === undefined) continue
    const advice = 'choose another one, or a manual: one, or give it a rule by `bygone policy`'
    const names = `${first.name} and ${second.name}`
    throw new Failure('exists', `${names} can't both have the tag ${tag}: ${advice}`)
  }
}
