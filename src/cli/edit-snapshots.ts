import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { volumePast, withVolume } from '../daemon/listing.js'
import { chooseSnapshots } from '../daemon/revision-choice.js'
import type { SnapshotChange } from '../daemon/snapshot-edit.js'
import { editVolume } from '../daemon/volume-edit.js'

/** Changes what is said of the snapshots that REVs stand for: at least one, and all of them or none. */
export async function editSnapshots(
  volume: string | undefined,
  revs: readonly string[],
  change: SnapshotChange,
): Promise<void> {
  await withVolume(volume, async (found) => {
    const past = await volumePast(found)
    const chosen = chooseSnapshots(revs, past.snapshots, new Date())
    if (chosen.length === 0) {
      throw new Failure(
        'missing',
        `no snapshot is meant by ${revs.map((rev) => `'${rev}'`).join(' ')}`,
      )
    }
    const snapshots = chosen.map(({ name }) => name)
    await editVolume(native(), found, {
      command: 'edit',
      volume: past.volume.id,
      snapshots,
      change,
    })
  })
}
