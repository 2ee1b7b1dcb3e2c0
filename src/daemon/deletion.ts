import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import type { Label } from '../base/ids.js'
import type { ControlClient } from './control-client.js'
import type { SnapshotSummary, SweepReport } from './control-protocol.js'
import { snapshotRecords, volumePast, withVolume } from './listing.js'
import { chooseSnapshots } from './revision-choice.js'
import { surveyOf } from './snapshot-shares.js'
import { sweepReport } from './summaries.js'
import { editVolume } from './volume-edit.js'
import { staleFailure } from './volume-finder.js'

export interface Deletion {
  names: string[]
  /** Nobody has the volume mounted, who would free what only they needed. */
  isSpaceLeft: boolean
}

/** Deletes what the revisions stand for; returns the names. All or none. */
export async function deleteSnapshots(
  volume: string | undefined,
  revisions: readonly string[],
  isForced: boolean,
): Promise<Deletion> {
  return withVolume(volume, async (found) => {
    const { volume: summary, snapshots } = await volumePast(found)
    const names = chosen(snapshots, revisions)
    const edit = { volume: summary.id, names, force: isForced }
    await editVolume(native(), found, { command: 'delete', ...edit })
    return { names, isSpaceLeft: found.state !== 'mounted' }
  })
}

/** The names, and how many bytes would be free without them. Looks through all that is kept. */
export async function previewDeletion(
  volume: string | undefined,
  revisions: readonly string[],
): Promise<{ names: string[]; bytes: number }> {
  return withVolume(volume, async (found) => {
    const { volume: summary, snapshots } = await volumePast(found)
    const names = chosen(snapshots, revisions)
    switch (found.state) {
      case 'mounted': {
        const { client } = found
        await sweepToEnd(client, summary.id, () => undefined)
        const request = { command: 'freed', volume: summary.id, names } as const
        return { names, ...(await client.request<'freed'>(request)) }
      }
      case 'unmounted': {
        const records = snapshotRecords(found).filter(({ name }) => names.includes(name))
        const { sweepHere } = await unmountedGc()
        const { progress } = await sweepHere(found, () => undefined)
        const survey = surveyOf(progress.use)
        const labels = new Set<Label | undefined>(records.map(({ label }) => label))
        const isIn = (at: number) => labels.has(survey?.labels[at])
        return { names, bytes: survey?.bytes.freedBy(isIn, survey.labels.length) ?? 0 }
      }
      case 'stale':
        throw staleFailure(found.entry)
    }
  })
}

export interface Collection extends SweepReport {
  /** Removed files with other names in the origin, which only a mount can let go of. */
  filesLeft: number
}

/** Frees what deleted snapshots have left, and returns when that is done. */
export async function collectGarbage(
  volume: string | undefined,
  onProgress: (report: SweepReport) => void,
): Promise<Collection> {
  return withVolume(volume, async (found) => {
    switch (found.state) {
      case 'mounted': {
        const report = await sweepToEnd(found.client, found.summary.id, onProgress)
        return { ...report, filesLeft: 0 }
      }
      case 'unmounted': {
        const { sweepHere } = await unmountedGc()
        const { progress, filesLeft } = await sweepHere(found, (piece) => {
          onProgress(sweepReport(piece))
        })
        return { ...sweepReport(progress), filesLeft }
      }
      case 'stale':
        throw staleFailure(found.entry)
    }
  })
}

/** Much of the store and the volume: other commands shall not wait for it to load. */
function unmountedGc() {
  return import('./unmounted-gc.js')
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

/** Oldest first. */
function chosen(history: readonly SnapshotSummary[], revisions: readonly string[]): string[] {
  const names = chooseSnapshots(revisions, history, new Date()).map(({ name }) => name)
  if (names.length === 0) throw new Failure('missing', 'no snapshot is meant: see `bygone list`')
  return names.sort()
}
