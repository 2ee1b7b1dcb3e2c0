import { faultPoint } from '../base/fault-point.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { VolumeThread } from './volume-thread.js'

/**
 * Cuts volumes at one instant: all are held, `commit` makes the snapshots exist (the catalog is where
 * they do), and each goes on with its own. If anything fails before that, all go on as if nothing had been.
 *
 * What write(2) had accepted before is in the snapshot: without a writeback cache the threads have
 * carried it out. What begins after this has resolved is not.
 */
export async function cutAtOnce(
  threads: readonly Pick<VolumeThread, 'hold' | 'release' | 'cut'>[],
  commit: () => Promise<readonly SnapshotRecord[]>,
): Promise<readonly SnapshotRecord[]> {
  let records: readonly SnapshotRecord[]
  try {
    await allSettledOrThrow(threads.map((thread) => thread.hold()))
    faultPoint('snapshot.held')
    records = await commit()
    faultPoint('snapshot.exists')
  } catch (error) {
    for (const thread of threads) thread.release()
    throw error
  }
  const pairs = threads.map((thread, at) => ({ thread, record: records[at] }))
  await allSettledOrThrow(
    pairs.map(({ thread, record }) => {
      if (record === undefined) throw new Error('a snapshot record is missing')
      return thread.cut(record)
    }),
  )
  return records
}

/** Waits for all even if one fails: what is released must not be held afterwards. */
async function allSettledOrThrow(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
