import { isAbsolute } from 'node:path'
import type { Label } from '../base/ids.js'
import {
  catalogFormat,
  catalogVersion,
  chunkBytesMax,
  chunkBytesMin,
  type CatalogData,
  type VolumeRecord,
} from './catalog-data.js'
import { labelMax } from './element-keys.js'
import { FieldCheck, FieldError } from './field-check.js'
import { checkedPolicy } from './policy-check.js'
import { checkedSchedule } from './schedule-check.js'
import { parseSnapshotName, snapshotTimeMaxSec } from './snapshot-name.js'
import type { SnapshotRecord } from './snapshot-record.js'
import { isTag } from './tag-rules.js'

/*
 * Every field of the catalog is checked when it is read, and what is added before it is written:
 * each function returns what it was given, as its type, or throws a FieldError.
 */

export function checkedCatalog(value: unknown): CatalogData {
  const fields = new FieldCheck('', value)
  fields.text('format', (text) => text === catalogFormat)
  fields.integer('version', catalogVersion, catalogVersion)
  const storeId = fields.text('storeId', isId)
  const volumes = fields.list('volumes', checkedVolume)
  fields.end()
  for (const key of ['id', 'name', 'origin'] as const) {
    const seen = new Set(volumes.map((volume) => volume[key]))
    if (seen.size < volumes.length) throw new FieldError(`two volumes have the same ${key}`)
  }
  return { format: catalogFormat, version: catalogVersion, storeId, volumes }
}

export function checkedVolume(where: string, value: unknown): VolumeRecord {
  const fields = new FieldCheck(where, value)
  const volume = {
    id: fields.text('id', isId),
    name: fields.text('name', isVolumeName),
    origin: fields.text('origin', (path) => isAbsolute(path) && !path.includes('\0')),
    kind: fields.text('kind', (kind) => kind === 'tree') as 'tree',
    chunkBytes: fields.integer('chunkBytes', chunkBytesMin, chunkBytesMax),
    createdAtMs: fields.integer('createdAtMs', 0),
    labelLast: fields.integer('labelLast', 0, labelMax - 1) as Label | 0,
    timeLastSec: fields.integer('timeLastSec', 0, snapshotTimeMaxSec),
    isUnswept: fields.boolean('isUnswept'),
    policy: fields.objectOrNull('policy', checkedPolicy),
    schedules: fields.list('schedules', checkedSchedule),
    snapshots: fields.list('snapshots', checkedSnapshot),
  }
  fields.end()
  if (!Number.isInteger(Math.log2(volume.chunkBytes))) throw fields.wrong('chunkBytes')
  const scheduleNames = new Set(volume.schedules.map(({ name }) => name))
  if (scheduleNames.size < volume.schedules.length) throw fields.wrong('schedules')
  checkOrder(where, volume)
  return volume
}

export function checkedSnapshot(where: string, value: unknown): SnapshotRecord {
  const fields = new FieldCheck(where, value)
  const snapshot = {
    name: fields.text('name'),
    label: fields.integer('label', 1, labelMax - 1) as Label,
    timeSec: fields.integer('timeSec', 0, snapshotTimeMaxSec),
    cutAtMs: fields.integer('cutAtMs', 0),
    memo: fields.text('memo'),
    tags: fields.list('tags', checkedTag),
    isHeld: fields.flag('isHeld'),
  }
  fields.end()
  if (parseSnapshotName(snapshot.name) !== snapshot.timeSec) throw fields.wrong('name')
  if (new Set(snapshot.tags).size < snapshot.tags.length) throw fields.wrong('tags')
  return snapshot
}

function checkedTag(where: string, value: unknown): string {
  if (typeof value !== 'string' || !isTag(value)) throw new FieldError(`${where} is wrong`)
  return value
}

function checkOrder(where: string, { snapshots, labelLast, timeLastSec }: VolumeRecord): void {
  let label = 0
  let timeSec = -1
  for (const [at, snapshot] of snapshots.entries()) {
    if (snapshot.label <= label || snapshot.timeSec <= timeSec) {
      throw new FieldError(`${where}.snapshots[${at}] is out of order`)
    }
    label = snapshot.label
    timeSec = snapshot.timeSec
  }
  if (labelLast < label) throw new FieldError(`${where}.labelLast is wrong`)
  if (timeLastSec < timeSec) throw new FieldError(`${where}.timeLastSec is wrong`)
}

function isId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}

/** A name is shown in lists and typed in commands. */
export function isVolumeName(text: string): boolean {
  return text.length > 0 && text.length <= 255 && !/[/\p{Cc}]/u.test(text)
}
