import { statSync } from 'node:fs'
import { Failure } from '../base/failure.js'
import { faultPoint } from '../base/fault-point.js'
import type { Native } from '../base/native.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { Bequest } from './bequest.js'
import type { Log } from './daemon-log.js'
import type { MountOrder } from './mount-order.js'
import { MountedVolume, type MountedVolumeParts } from './mounted-volume.js'
import { OriginDirectory } from './origin-directory.js'
import { linkMountSocket } from './runtime-directory.js'
import { SpaceWatch, type WatchedPlace } from './space-watch.js'
import type { StoreDirectory } from './store-directory.js'
import type { VolumeEstate } from './succession.js'
import { Sweeper } from './sweeper.js'
import type { Wanted } from './thread-protocol.js'
import { VolumeThread, type Opened } from './volume-thread.js'

export interface VolumeOpeningOptions {
  native: Native
  store: StoreDirectory
  runtimeDirectory: string
  log: Log
  now: () => Date
  bequest: Bequest
  /** So many bytes are free where the store is. */
  onFree: (id: string, bytes: number) => void
  /** Somebody in the mount wants a snapshot, or one deleted; the thread waits for an answer. */
  onWanted: (id: string, thread: VolumeThread, what: Wanted, name: string) => void
}

/** Brings a volume into its thread, and its mount to life; or goes on with one that a predecessor has left. */
export class VolumeOpening {
  readonly #options: VolumeOpeningOptions

  constructor(options: VolumeOpeningOptions) {
    this.#options = options
  }

  async open(
    record: VolumeRecord,
    order: MountOrder,
    origin: OriginDirectory,
    cancel: AbortSignal | undefined,
  ): Promise<MountedVolume> {
    const sessionFd = this.#options.bequest.newSession(order)
    const { thread, partsOf } = this.#startThread(record, order, origin, sessionFd, false)
    try {
      const opened = await thread.opened()
      faultPoint('mount.opened')
      refuseCancelled(cancel)
      const volume = await MountedVolume.mount(partsOf(opened), () => {
        refuseCancelled(cancel)
      })
      this.#options.bequest.remember(volume, sessionFd)
      return volume
    } catch (error) {
      await thread.discard()
      this.#options.bequest.discard(sessionFd)
      throw error
    }
  }

  /** `sessionFd`: where it keeps on record what a successor needs, or, at a takeover, finds what a predecessor has left. */
  #startThread(
    record: VolumeRecord,
    order: MountOrder,
    origin: OriginDirectory,
    sessionFd: number | undefined,
    isTakeover: boolean,
  ): { thread: VolumeThread; partsOf: (opened: Opened) => MountedVolumeParts } {
    const { native, store, log, now } = this.#options
    const { id, chunkBytes } = record
    const data = {
      session: this.#options.bequest.threadData(sessionFd, isTakeover),
      originFd: origin.duplicate(),
      storeDirectory: store.volumeDirectory(id),
      snapshots: [...record.snapshots],
      chunkBytes,
      durability: order.durability,
      transport: order.transport,
      isMountedOver: order.mountPoint === order.origin,
    }
    const volumeLog: Log = (line) => {
      log(`${record.name}: ${line}`)
    }
    const space = new SpaceWatch({
      places: watchedPlaces(store, origin),
      mark: order.lowWater,
      log: volumeLog,
      onLook: ({ store: found }) => {
        if (found !== undefined) this.#options.onFree(id, found.bytesFree)
      },
    })
    const thread: VolumeThread = new VolumeThread(native, data, {
      log: volumeLog,
      onIdle: () => {
        space.lookSometimes()
      },
      onWanted: (what, name) => {
        this.#options.onWanted(id, thread, what, name)
      },
    })
    const noteSwept = () => {
      store.catalog.noteSwept(id)
    }
    const sweeper = new Sweeper(thread, noteSwept, volumeLog)
    const { letGo, isOwn } = this.#options.bequest
    const parts = { native, id, order, origin, thread, sweeper, space, log, now, letGo, isOwn }
    return { thread, partsOf: (opened) => ({ ...parts, opened }) }
  }

  /** What a predecessor has left of one; `serve` is for when it is known which descriptors all of them need. */
  async reopen(
    record: VolumeRecord,
    left: VolumeEstate,
  ): Promise<{ descriptors: number[]; serve: () => MountedVolume }> {
    const { order, entry, sessionFd } = left
    const { native, runtimeDirectory, store } = this.#options
    const origin = OriginDirectory.adopt(native, order.origin, left.originFd, left.originLockFd)
    const { thread, partsOf } = this.#startThread(record, order, origin, sessionFd, true)
    try {
      const opened = await thread.opened()
      const serve = () => {
        // Somebody may have taken it for a dead daemon's meanwhile.
        linkMountSocket(runtimeDirectory, entry.device, store.key)
        const volume = MountedVolume.takeOver(partsOf(opened), left)
        this.#options.bequest.remember(volume, sessionFd)
        return volume
      }
      return { descriptors: opened.descriptors, serve }
    } catch (error) {
      await thread.discard()
      throw error
    }
  }
}

/** By paths that lead there whatever is mounted later. */
function watchedPlaces(store: StoreDirectory, origin: OriginDirectory): WatchedPlace[] {
  const place = (kind: WatchedPlace['kind'], { root, path }: { root: string; path: string }) => ({
    kind,
    root,
    path,
    device: statSync(root).dev,
  })
  return [place('store', store), place('origin', origin)]
}

function refuseCancelled(cancel: AbortSignal | undefined): void {
  if (cancel?.aborted === true) throw new Failure('failed', 'the mount was cancelled: try it again')
}
