import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FsError } from '../../src/base/errno.js'
import type { Label } from '../../src/base/ids.js'
import { native } from '../../src/base/native.js'
import { O } from '../../src/base/open-flags.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'
import { labelBytes, labelOfKey, objectOfKey, Table } from '../../src/store/element-keys.js'
import type { StoreFinding } from '../../src/store/check/finding.js'
import { StoreCheck } from '../../src/store/check/store-check.js'
import { realDisk } from '../../src/store/real-disk.js'
import { VolumeStore } from '../../src/store/volume-store.js'
import { TreeVolume } from '../../src/volume/tree-volume.js'
import type { VolumeSweep } from '../../src/volume/volume-sweep.js'
import type { FileProblem } from '../../src/volume/check/file-problem.js'
import { checkTree } from '../../src/volume/check/tree-check.js'
import type { SessionLog } from '../../src/view/session-log.js'
import type { ViewSession } from '../../src/view/view-session.js'
import { VolumeView } from '../../src/view/volume-view.js'
import { ViewDriver } from './view-driver.js'

/** A tree volume with its view in this process, without a mount. */
export class VolumeWorld {
  readonly #directory = mkdtempSync(join(tmpdir(), 'bygone-model-'))
  readonly origin = join(this.#directory, 'origin')
  readonly #chunkBytes: number
  readonly #snapshots: SnapshotRecord[] = []
  #labelLast = 0
  /** Requests delete none. */
  keepsSnapshots = false
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

  /** `log`: of a session that begins, or of one that a predecessor has left. Returns what is left to come again. */
  open(log?: SessionLog, isTakeover = false): ReturnType<ViewSession['takeOver']> | undefined {
    const originFd = native().openPath(this.origin, O.PATH | O.DIRECTORY, 0)
    this.#store = VolumeStore.open({
      directory: join(this.#directory, 'store'),
      durability: 'ordered',
      segmentBytesMax: 1 << 18,
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
    const deleteSnapshot = (name: string): void => {
      if (this.keepsSnapshots) throw new FsError('EPERM', 'kept')
      this.delete(name)
    }
    const options = { isMountedOver: true, takeSnapshot, deleteSnapshot, ...(log && { log }) }
    this.#view = new VolumeView(this.#volume, options)
    this.#driver = new ViewDriver(this.#view)
    if (isTakeover) return this.#view.session.takeOver()
    if (log !== undefined) this.#view.session.start()
    return undefined
  }

  /** Ends as a process that is killed does whose descriptors stay open; but the store is closed. */
  die(): void {
    const { origin } = this.volume
    origin.changes = undefined
    for (const node of origin.nodes()) {
      if (node !== origin.root && node !== origin.retired) node.heldFd = -1
    }
    this.volume.close()
    this.#store?.close()
    this.#driver = undefined
  }

  snapshot(): SnapshotRecord {
    const label = ++this.#labelLast as Label
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

  /** As `bygone delete` does. */
  delete(...names: readonly string[]): void {
    const isDeleted = ({ name }: SnapshotRecord) => names.includes(name)
    const labels = new Set(this.#snapshots.filter(isDeleted).map(({ label }) => label))
    const kept = this.#snapshots.filter((record) => !isDeleted(record))
    this.#snapshots.splice(0, this.#snapshots.length, ...kept)
    this.view.removeSnapshots(labels)
  }

  /** Numbers of what is in the retired directory. */
  retired(): number[] {
    return readdirSync(join(this.origin, '.bygone', 'retired')).map((name) => parseInt(name, 16))
  }

  /** What the files in the retired directory take on the disk. */
  retiredBytes(): number {
    const directory = join(this.origin, '.bygone', 'retired')
    const stats = readdirSync(directory).map((name) => lstatSync(join(directory, name)))
    return stats.reduce((sum, stat) => sum + stat.blocks * 512, 0)
  }

  /**
   * Those that have labels: of what object, the next lower label of the same address (0: none), and how long key and
   * value are together.
   */
  elements(): { table: number; object: number; label: number; lower: number; bytes: number }[] {
    const found = []
    let before: Buffer = Buffer.alloc(0)
    for (const { key, value } of this.entries()) {
      if ((key[0] ?? 0) >= Table.locations) break
      const address = key.subarray(0, -labelBytes)
      const isSame = before.subarray(0, -labelBytes).equals(address)
      found.push({
        table: key[0] ?? 0,
        object: Number(objectOfKey(key, 0)),
        label: Number(labelOfKey(key, key.length)),
        lower: isSame ? Number(labelOfKey(before, before.length)) : 0,
        bytes: key.length + value.length,
      })
      before = key
    }
    return found
  }

  /** All that the index has. */
  entries(): { key: Buffer; value: Buffer }[] {
    this.#store?.indexPending()
    const found = []
    const index = realDisk.openIndex(join(this.#directory, 'store', 'index'))
    const cursor = index.seek(Buffer.of(Table.names))
    while (!cursor.isAtEnd) {
      found.push({ key: Buffer.from(cursor.key), value: Buffer.from(cursor.value) })
      cursor.advance()
    }
    index.close()
    return found
  }

  /** While it is closed. */
  removeIndex(): void {
    rmSync(join(this.#directory, 'store', 'index'), { recursive: true })
  }

  /** What a check finds wrong. While it is closed. */
  damages(): (StoreFinding | FileProblem)[] {
    const damages: (StoreFinding | FileProblem)[] = []
    const scratchDirectory = join(this.#directory, 'scratch')
    const onFinding = (finding: StoreFinding): void => {
      // No session is begun here.
      if (finding.severity === 'damage' && finding.kind !== 'sessions') damages.push(finding)
    }
    const onProgress = () => undefined
    const snapshots = this.#snapshots
    const store = new StoreCheck({
      disk: realDisk,
      directory: join(this.#directory, 'store'),
      scratchDirectory,
      bootId: '',
      withData: true,
      snapshots,
      labelLast: this.#labelLast as Label | 0,
      onFinding,
      onProgress,
    })
    const { isSeen } = checkTree({
      native: native(),
      originFd: native().openPath(this.origin, O.PATH | O.DIRECTORY, 0),
      elements: store.elements,
      index: store.index,
      places: store.places,
      gaps: [],
      snapshots,
      chunkBytes: this.#chunkBytes,
      watched: store.suspects,
      onFinding,
      onProblem: (problem) => damages.push(problem),
      onProgress,
    })
    store.judgeSuspects(isSeen)
    store.close()
    rmSync(scratchDirectory, { recursive: true })
    return damages
  }

  /** A whole pass. */
  sweep(): VolumeSweep {
    const sweep = this.volume.sweep()
    while (!sweep.isEnd) sweep.step(true)
    return sweep
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
