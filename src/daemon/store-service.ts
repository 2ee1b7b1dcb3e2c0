import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { Catalog, catalogFile } from '../store/catalog.js'
import type { VolumeRecord } from '../store/catalog-data.js'
import type { ControlRequest } from './control-protocol.js'
import type { Log } from './daemon-log.js'
import { runDaemon } from './daemon-run.js'
import { failureOf } from './failure-of.js'
import type { MountOrder } from './mount-order.js'
import { orderOf } from './mount-request.js'
import { readMarkerAt, storeOfMarker } from './origin-marker.js'
import type { ServiceManager } from './service-manager.js'
import { clearStaleMounts } from './stale-mounts.js'

export interface StoreServiceRequest {
  /** A store, or the origin of one volume of it. As typed. */
  path: string
  /** Of a store: those by name, perhaps with a mount point of their own; none: all. */
  volumes: readonly { name: string; mountPoint: string | undefined }[]
  /** The same for all of them. */
  how: Pick<
    MountOrder,
    'transport' | 'durability' | 'allowOther' | 'allowSuid' | 'allowDev' | 'lowWater'
  >
}

/**
 * Mounts the volumes of a store and serves them in this process, until it is told to end or nothing is mounted any more.
 * One that can't be mounted keeps no other from it, and is named. Resolves to whether all went well; throws if none could be mounted.
 */
export async function serveStore(
  native: Native,
  request: StoreServiceRequest,
  manager: ServiceManager,
  echo: Log,
): Promise<boolean> {
  await clearStaleMounts(native, [request.path])
  const { store, wanted } = await wantedVolumes(request)
  const service = new StoreService(native, request.how, store, manager, echo)
  try {
    return await service.serve(wanted)
  } finally {
    manager.close()
  }
}

interface WantedVolume {
  record: VolumeRecord
  mountPoint: string | undefined
}

class StoreService {
  readonly #native: Native
  readonly #how: StoreServiceRequest['how']
  readonly #store: string
  readonly #manager: ServiceManager
  readonly #echo: Log
  readonly #mounted: string[] = []
  readonly #failed: string[] = []

  constructor(
    native: Native,
    how: StoreServiceRequest['how'],
    store: string,
    manager: ServiceManager,
    echo: Log,
  ) {
    this.#native = native
    this.#how = how
    this.#store = store
    this.#manager = manager
    this.#echo = echo
  }

  /** The first that can be mounted makes the daemon, which then mounts the others. */
  async serve(wanted: readonly WantedVolume[]): Promise<boolean> {
    const [first, ...others] = wanted
    if (first === undefined) throw new Failure('missing', `${this.#store} has no volumes`)
    try {
      const isClean = await runDaemon(this.#native, await this.#orderOf(first), {
        echo: this.#echo,
        onMounted: ({ notes }) => {
          this.#mounted.push(first.record.name)
          for (const note of notes) this.#echo(note)
        },
        onServing: async (handle, end) => {
          end.addEventListener('abort', () => {
            this.#manager.stopping()
          })
          for (const each of others) if (!end.aborted) await this.#mountToo(each, handle)
          this.#manager.status(this.#summary())
          if (!end.aborted) this.#manager.ready()
        },
      })
      return isClean && this.#failed.length === 0
    } catch (error) {
      // What fails later than that is no matter of this one volume.
      if (this.#mounted.length > 0 || others.length === 0) throw error
      this.#noteFailure(first, error)
      return this.serve(others)
    }
  }

  async #mountToo(
    volume: WantedVolume,
    handle: (request: ControlRequest) => Promise<unknown>,
  ): Promise<void> {
    try {
      const order = await this.#orderOf(volume)
      await handle({ command: 'mount', order })
      this.#mounted.push(volume.record.name)
    } catch (error) {
      this.#noteFailure(volume, error)
    }
  }

  #noteFailure({ record }: WantedVolume, error: unknown): void {
    this.#failed.push(record.name)
    this.#echo(`${record.name} is not mounted: ${failureOf(error, 'mount').message}`)
  }

  #summary(): string {
    const failed = this.#failed.length === 0 ? '' : `; NOT mounted: ${this.#failed.join(', ')}`
    return `serves ${this.#mounted.join(', ')}${failed}`
  }

  async #orderOf({ record, mountPoint }: WantedVolume): Promise<MountOrder> {
    const { origin } = record
    const rest = { name: undefined, chunkBytes: undefined, store: this.#store, ...this.#how }
    return orderOf(this.#native, { origin, mountPoint, ...rest })
  }
}

async function wantedVolumes({
  path,
  volumes,
}: StoreServiceRequest): Promise<{ store: string; wanted: WantedVolume[] }> {
  const place = await realpath(resolve(path)).catch((error: unknown) => {
    throw failureOf(error, `can't reach ${path}`)
  })
  if (existsSync(join(place, catalogFile))) {
    return { store: place, wanted: volumesNamed(place, volumes) }
  }
  const marker = readMarkerAt(place)
  if (marker === undefined) {
    const advice = 'name a store, or the origin of a volume; `bygone mount` makes both'
    throw new Failure('missing', `${place} is neither: ${advice}`)
  }
  if (volumes.length > 0) {
    const advice = 'name volumes of a store, by the path of that'
    throw new Failure('usage', `${place} is the origin of one volume: ${advice}`)
  }
  const store = storeOfMarker(place, marker)
  const record = Catalog.open(store, { create: false }).volumeById(marker.volumeId)
  if (record === undefined) {
    throw new Failure('damaged', `the store ${store} does not know the volume of ${place}`)
  }
  // It may have been moved since it was mounted last.
  return { store, wanted: [{ record: { ...record, origin: place }, mountPoint: undefined }] }
}

function volumesNamed(store: string, named: StoreServiceRequest['volumes']): WantedVolume[] {
  const catalog = Catalog.open(store, { create: false })
  if (named.length === 0) {
    return catalog.volumes().map((record) => ({ record, mountPoint: undefined }))
  }
  return named.map(({ name, mountPoint }) => {
    const record = catalog.volumeByName(name)
    if (record !== undefined) return { record, mountPoint }
    throw new Failure('missing', `the store ${store} has no volume '${name}'`)
  })
}
