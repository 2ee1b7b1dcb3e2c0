import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Label } from '../../src/base/ids.js'
import { native } from '../../src/base/native.js'
import { O } from '../../src/base/open-flags.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { TreeVolume } from '../../src/volume/tree-volume.js'
import { VolumeView } from '../../src/view/volume-view.js'
import { ViewDriver } from './view-driver.js'

/** A tree volume with its view in this process, without a mount. */
export class VolumeWorld {
  readonly #directory = mkdtempSync(join(tmpdir(), 'bygone-model-'))
  readonly origin = join(this.#directory, 'origin')
  readonly #chunkBytes: number
  readonly #snapshots: SnapshotRecord[] = []
  #store: VolumeStore | undefined
  #volume: TreeVolume | undefined
  #view: VolumeView | undefined
  #driver: ViewDriver | undefined

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes
    mkdirSync(join(this.origin, '.bygone', 'retired'), { recursive: true })
    this.open()
  }

  get driver(): ViewDriver {
    if (this.#driver === undefined) throw new Error('closed')
    return this.#driver
  }

  get volume(): TreeVolume {
    if (this.#volume === undefined) throw new Error('closed')
    return this.#volume
  }

  get view(): VolumeView {
    if (this.#view === undefined) throw new Error('closed')
    return this.#view
  }

  open(): void {
    const originFd = native().openPath(this.origin, O.PATH | O.DIRECTORY, 0)
    this.#store = VolumeStore.open({
      directory: join(this.#directory, 'store'),
      durability: 'ordered',
    })
    this.#volume = TreeVolume.open({
      originFd,
      store: this.#store,
      chunkBytes: this.#chunkBytes,
      snapshots: this.#snapshots,
    })
    const takeSnapshot = (): void => {
      this.snapshot()
    }
    this.#view = new VolumeView(this.#volume, { isMountedOver: true, takeSnapshot })
    this.#driver = new ViewDriver(this.#view)
  }

  snapshot(): SnapshotRecord {
    const label = (this.#snapshots.length + 1) as Label
    const day = String(1 + Math.floor(label / 3600)).padStart(2, '0')
    const minute = String(Math.floor(label / 60) % 60).padStart(2, '0')
    const second = String(label % 60).padStart(2, '0')
    const record: SnapshotRecord = {
      name: `@GMT-2026.01.${day}-00.${minute}.${second}`,
      label,
      timeSec: label,
      cutAtMs: label * 1000,
      memo: '',
      tags: [],
      isHeld: false,
    }
    this.#snapshots.push(record)
    this.volume.cut(record)
    return record
  }

  close(): void {
    this.driver.forgetAll()
    this.view.destroy()
    this.volume.close()
    this.#store?.close()
    this.#driver = undefined
  }

  remove(): void {
    if (this.#driver !== undefined) this.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
