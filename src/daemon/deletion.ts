import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { Catalog } from '../store/catalog.js'
import type { ControlClient } from './control-client.js'
import type { SnapshotSummary, SweepReport } from './control-protocol.js'
import { chooseSnapshots } from './revision-choice.js'
import { StoreDirectory } from './store-directory.js'
import { snapshotSummary } from './summaries.js'
import { Undo } from './undo.js'
import { findMounted, findVolume, staleFailure } from './volume-finder.js'

/** Deletes what the revisions stand for; returns the names. All or none. */
export async function deleteSnapshots(
  volume: string | undefined,
  revisions: readonly string[],
  isForced: boolean,
): Promise<string[]> {
  const found = await findVolume(volume)
  switch (found.state) {
    case 'mounted':
      try {
        const names = await namesOf(found.client, found.summary.id, revisions)
        const request = { volume: found.summary.id, names, force: isForced }
        await found.client.request<'delete'>({ command: 'delete', ...request })
        return names
      } finally {
        found.client.close()
      }
    case 'unmounted':
      return deleteUnmounted(found.store, found.id, revisions, isForced)
    case 'stale':
      throw staleFailure(found.entry)
  }
}

/** The names, and how many bytes would be free without them. Looks through all that is kept. */
export async function previewDeletion(
  volume: string | undefined,
  revisions: readonly string[],
): Promise<{ names: string[]; bytes: number }> {
  const { client, summary } = await findMounted(volume)
  try {
    const names = await namesOf(client, summary.id, revisions)
    await sweepToEnd(client, summary.id, () => undefined)
    const request = { command: 'freed', volume: summary.id, names } as const
    return { names, ...(await client.request<'freed'>(request)) }
  } finally {
    client.close()
  }
}

/** Frees what deleted snapshots have left, and returns when that is done. */
export async function collectGarbage(
  volume: string | undefined,
  onProgress: (report: SweepReport) => void,
): Promise<SweepReport> {
  const { client, summary } = await findMounted(volume)
  try {
    return await sweepToEnd(client, summary.id, onProgress)
  } finally {
    client.close()
  }
}

async function sweepToEnd(
  client: ControlClient,
  id: string,
  onProgress: (report: SweepReport) => void,
): Promise<SweepReport> {
  for (;;) {
    const report = await client.request<'sweep'>({ command: 'sweep', volume: id })
    if (report.isEnd) return report
    onProgress(report)
  }
}

async function namesOf(
  client: ControlClient,
  id: string,
  revisions: readonly string[],
): Promise<string[]> {
  const history = await client.request<'snapshots'>({ command: 'snapshots', volume: id })
  return chosen(history, revisions)
}

/** Nobody serves the store: it is ours for the moment. The next mount frees what is left. */
async function deleteUnmounted(
  path: string,
  id: string,
  revisions: readonly string[],
  isForced: boolean,
): Promise<string[]> {
  // A store is not made by a look at it.
  Catalog.open(path, { create: false })
  const undo = new Undo()
  try {
    const store = StoreDirectory.open(native(), path, undo)
    const snapshots = store.catalog.volumeById(id)?.snapshots ?? []
    const names = chosen(snapshots.map(snapshotSummary), revisions)
    store.catalog.removeSnapshots(id, names, isForced)
    store.log.write(`deleted ${names.join(' ')} of ${id}`)
    return names
  } finally {
    await undo.run(() => undefined)
  }
}

/** Oldest first. */
function chosen(history: readonly SnapshotSummary[], revisions: readonly string[]): string[] {
  const names = chooseSnapshots(revisions, history, new Date()).map(({ name }) => name)
  if (names.length === 0) throw new Failure('missing', 'no snapshot is meant: see `bygone list`')
  return names.sort()
}
