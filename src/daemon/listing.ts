import { join } from 'node:path'
import { Failure } from '../base/failure.js'
import { Catalog } from '../store/catalog.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { SnapshotSummary, VolumeStatus, VolumeSummary } from './control-protocol.js'
import { directoryBytes, snapshotSummary, volumeSummary } from './summaries.js'
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

/** Oldest first. */
export async function listSnapshots(text: string): Promise<SnapshotSummary[]> {
  const found = await findVolume(text)
  switch (found.state) {
    case 'mounted':
      try {
        const { id } = found.summary
        return await found.client.request<'snapshots'>({ command: 'snapshots', volume: id })
      } finally {
        found.client.close()
      }
    case 'unmounted':
      return recordOf(found).snapshots.map(snapshotSummary)
    case 'stale':
      throw staleFailure(found.entry)
  }
}

export async function volumeStatus(text: string | undefined): Promise<VolumeStatus> {
  const found = await findVolume(text)
  switch (found.state) {
    case 'mounted':
      try {
        const { id } = found.summary
        return await found.client.request<'status'>({ command: 'status', volume: id })
      } finally {
        found.client.close()
      }
    case 'unmounted': {
      const record = recordOf(found)
      const { chunkBytes } = record
      const storeBytes = directoryBytes(join(found.store, 'volumes', found.id))
      return { ...volumeSummary(record, found.store), state: 'unmounted', chunkBytes, storeBytes }
    }
    case 'stale':
      throw staleFailure(found.entry)
  }
}

type Unmounted = Extract<FoundVolume, { state: 'unmounted' }>

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
