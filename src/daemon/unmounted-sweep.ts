import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { checked, fsErrorOf, FsError } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Label } from '../base/ids.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { Catalog } from '../store/catalog.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import { codeOf } from '../store/durable-file.js'
import { Pairing } from '../store/pairing.js'
import { realDisk } from '../store/real-disk.js'
import { VolumeStore } from '../store/volume-store.js'
import { TreeVolume } from '../volume/tree-volume.js'
import { failureOf } from './failure-of.js'
import { OriginDirectory } from './origin-directory.js'
import { ownDirectory } from './origin-marker.js'
import { Sweeping } from './sweeping.js'
import type { SweepProgress } from './thread-protocol.js'
import { Undo } from './undo.js'
import type { VolumePlace } from './volume-check-run.js'

/** The progress that is shown, and what comes from a terminal, wait for so long. */
const pieceMs = 100

export interface UnmountedSweep {
  progress: SweepProgress
  /** Of the snapshots that it was about, oldest first. */
  labels: Label[]
  /** Removed files that have other names in the origin: only a mount can take theirs away. */
  filesLeft: number
}

/**
 * A thorough sweep of a volume that nobody has mounted, in this process, under the locks that a mount takes: so
 * nobody mounts, checks or sweeps it meanwhile. The store's other volumes may have a daemon; the catalog is only read.
 *
 * It is no session: whoever works in the plain origin meanwhile does so unseen, which the next mount has to notice. So
 * sessions.json stays as it is, and the sweep changes nothing but the store and the retired directory.
 */
export async function sweepUnmounted(
  native: Native,
  place: VolumePlace,
  onProgress: (progress: SweepProgress) => void,
): Promise<UnmountedSweep> {
  const undo = new Undo()
  try {
    const origin = OriginDirectory.open(native, place.origin, undo)
    const directory = openStore(native, place.store, undo)
    const record = recordOf(place, directory, origin)
    const outcome = await sweepVolume(native, join(directory, 'volumes', place.id), {
      record,
      origin,
      onProgress,
    })
    // What is removed stays removed, or the store would not know of it after a power failure.
    syncOrigin(native, origin)
    return outcome
  } catch (error) {
    if (error instanceof Failure) throw error
    if (!(error instanceof FsError) && codeOf(error) === undefined) throw error
    throw failureOf(error, `can't sweep ${place.origin}`)
  } finally {
    await undo.run(() => undefined)
  }
}

/** A path that leads there whatever is mounted later. */
function openStore(native: Native, store: string, undo: Undo): string {
  const fd = native.openStraight(store, O.PATH | O.DIRECTORY)
  if (fd < 0) throw failureOf(fsErrorOf(fd, store), "can't open the store")
  undo.add(() => {
    native.close(fd)
  })
  return `/proc/self/fd/${fd}`
}

/** Read under the origin's lock: nobody adds snapshots any more. One that is deleted from now on is left for another time. */
function recordOf(place: VolumePlace, directory: string, origin: OriginDirectory): VolumeRecord {
  const catalog = Catalog.open(directory, { create: false })
  const marker = origin.readMarker()
  const record = catalog.volumeById(place.id)
  if (record === undefined || marker?.volumeId !== place.id || marker.storeId !== catalog.storeId) {
    const advice = '`bygone check` tells more'
    const { store } = place
    throw new Failure('damaged', `the store ${store} does not know ${place.origin}: ${advice}`)
  }
  return record
}

async function sweepVolume(
  native: Native,
  directory: string,
  work: {
    record: VolumeRecord
    origin: OriginDirectory
    onProgress: (progress: SweepProgress) => void
  },
): Promise<UnmountedSweep> {
  const { record, origin, onProgress } = work
  const { snapshots, chunkBytes } = record
  const store = VolumeStore.open({
    directory,
    durability: 'ordered',
    hasPast: snapshots.length > 0,
    shownAs: `the store's volume ${record.name}`,
  })
  try {
    const pairing = Pairing.open(realDisk, directory, join(origin.root, ownDirectory))
    const volume = TreeVolume.open({
      originFd: origin.duplicate(),
      store,
      chunkBytes,
      snapshots,
    })
    try {
      // A copy of before lacks nothing that is about to be removed: it is of another time from now on.
      pairing.renew()
      const sweeping = new Sweeping(volume, undefined)
      for (;;) {
        const progress = sweeping.goOn(pieceMs, 'thoroughly')
        if (progress.isEnd) {
          faultPoint('gc.swept')
          const filesLeft = progress.counts['linksLeft'] ?? 0
          return { progress, labels: snapshots.map(({ label }) => label), filesLeft }
        }
        onProgress(progress)
        await nextTurn()
      }
    } finally {
      volume.close()
    }
  } finally {
    store.close()
  }
}

function syncOrigin(native: Native, origin: OriginDirectory): void {
  // syncfs(2) refuses O_PATH descriptors.
  const fd = checked(native.openPath(origin.root, O.RDONLY | O.DIRECTORY, 0), 'open the origin')
  try {
    checked(native.syncfs(fd), 'sync the origin')
  } finally {
    native.close(fd)
  }
}
