import { rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Failure } from '../base/failure.js'
import { isVolumeName } from '../store/catalog-check.js'
import type { Catalog } from '../store/catalog.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import { chunkBytesDefault } from './mount-order.js'
import type { MountOrder } from './mount-order.js'
import type { OriginDirectory } from './origin-directory.js'
import type { StoreDirectory } from './store-directory.js'
import type { Undo } from './undo.js'
import { defaultStore, ownDirectory } from './origin-marker.js'

/** The store's volume of this origin, made at first use; brought up to what the order says of it. */
export function volumeFor(
  store: StoreDirectory,
  order: MountOrder,
  origin: OriginDirectory,
  undo: Undo,
): VolumeRecord {
  const { catalog } = store
  const marker = origin.readMarker()
  const known = marker === undefined ? undefined : catalog.volumeById(marker.volumeId)
  if (marker !== undefined && (known === undefined || marker.storeId !== catalog.storeId)) {
    const own = join(order.origin, ownDirectory)
    const advice = `bring its catalog back, or remove ${own} to begin without the past`
    throw new Failure('damaged', `the store ${store.path} does not know this volume: ${advice}`)
  }
  const record = known ?? unmarkedVolume(catalog, order) ?? newVolume(store, order, undo)
  if (order.chunkBytes !== undefined && order.chunkBytes !== record.chunkBytes) {
    const kib = record.chunkBytes / 1024
    const advice = 'leave --chunk-size out'
    throw new Failure('usage', `the chunk size of ${record.name} is ${kib}K for good: ${advice}`)
  }
  if (marker === undefined) {
    const { storeId } = catalog
    const storePath = order.store === join(order.origin, defaultStore) ? null : order.store
    origin.writeMarker({ volumeId: record.id, storeId, storePath }, undo)
  }
  return broughtUpToDate(catalog, record, order, undo)
}

/** A crash may have come between the catalog's entry and the marker. */
function unmarkedVolume(catalog: Catalog, order: MountOrder): VolumeRecord | undefined {
  const record = catalog.volumeByOrigin(order.origin)
  if (record === undefined || record.labelLast === 0) return record
  // What its snapshots need of the origin's own directory went with the marker.
  const advice = 'bring that directory back, or choose another --store to begin without the past'
  const own = join(order.origin, ownDirectory)
  throw new Failure('damaged', `the volume ${record.name} has lost ${own}: ${advice}`)
}

function newVolume(store: StoreDirectory, order: MountOrder, undo: Undo): VolumeRecord {
  const { catalog } = store
  const name = order.name ?? defaultName(order.origin)
  checkName(catalog, name, undefined)
  const record = catalog.addVolume({
    name,
    origin: order.origin,
    kind: 'tree',
    chunkBytes: order.chunkBytes ?? chunkBytesDefault,
    createdAtMs: Date.now(),
  })
  undo.add(() => {
    rmSync(join(store.root, 'volumes', record.id), { recursive: true, force: true })
    catalog.removeVolume(record.id)
  })
  return record
}

function broughtUpToDate(
  catalog: Catalog,
  record: VolumeRecord,
  order: MountOrder,
  undo: Undo,
): VolumeRecord {
  const { id, name, origin } = record
  const wanted = { name: order.name ?? name, origin: order.origin }
  if (wanted.name === name && wanted.origin === origin) return record
  checkName(catalog, wanted.name, id)
  undo.add(() => {
    catalog.changeVolume(id, { name, origin })
  })
  return catalog.changeVolume(id, wanted)
}

function checkName(catalog: Catalog, name: string, ownId: string | undefined): void {
  if (!isVolumeName(name) || name.startsWith('-') || name === '.' || name === '..') {
    const advice = 'use 1 to 255 characters without slashes and control characters'
    throw new Failure('usage', `'${name}' can't be the name of a volume: ${advice}`)
  }
  const taken = catalog.volumeByName(name)
  if (taken === undefined || taken.id === ownId) return
  const advice = 'choose another one by --name'
  throw new Failure(
    'exists',
    `the store has a volume '${name}' already, ${taken.origin}: ${advice}`,
  )
}

function defaultName(origin: string): string {
  return basename(origin)
    .replace(/\p{Cc}/gu, '_')
    .replace(/^-/, '_')
}
