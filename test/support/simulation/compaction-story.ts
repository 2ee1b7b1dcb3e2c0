import type { ByteString } from '../../../src/base/bytes.js'
import type { Label, ObjectId } from '../../../src/base/ids.js'
import { LiveLabels } from '../../../src/store/live-labels.js'
import { VolumeStore } from '../../../src/store/volume-store.js'
import { Random } from '../random.js'
import { SimDisk } from './sim-disk.js'

const directory = '/store/volumes/one'
const parent = 2 as ObjectId
const deleted = 1 as Label
const kept = 2 as Label
const regularType = 8
const unknown = { isRetired: false, places: [], bornAfter: 0, writtenAt: 0 } as const

/**
 * What CrashStory would meet too seldom: long stretches of records that nobody needs, with some between that a snapshot
 * needs, and files that were removed for good, are freed; and the power goes at each operation of the disk.
 */
export class CompactionStory {
  points = 0
  readonly #random: Random
  readonly #names: ByteString[] = []
  readonly #gone: ObjectId[] = []

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /** Throws if anything is lost that is needed, or known again that was forgotten. */
  run(): void {
    const disk = SimDisk.empty()
    const store = this.#open(disk, 'one')
    this.#write(store)
    store.flush()
    const sweep = store.sweep(new LiveLabels([kept]))
    while (!sweep.step(50).isEnd);
    disk.watch = (operation) => {
      const after = disk.copy()
      if (this.#random.isLikely(0.5)) operation.apply(after)
      const keeps = this.#random.pick([0, 0.3, 0.7, 1])
      after.losePower({ random: this.#random, keeps, tears: 0.1 }, this.#random.isLikely(0.5))
      this.#verify(this.#open(after, 'two'))
      this.points++
    }
    while (!sweep.compact(50, true));
    disk.watch = undefined
    if (sweep.counts.recordBytesFreed === 0) throw new Error('nothing was freed')
    this.#verify(store)
    store.close()
  }

  #open(disk: SimDisk, bootId: string): VolumeStore {
    const segmentBytesMax = 40_000
    return VolumeStore.open({ directory, durability: 'strict', bootId, disk, segmentBytesMax })
  }

  #write(store: VolumeStore): void {
    const change = store.change()
    for (let number = 0; number < 900; number++) {
      const object = (10 + number) as ObjectId
      const name = `file ${number}` as ByteString
      const isKept = this.#random.isLikely(0.01)
      change.addName(parent, name, isKept ? kept : deleted, { object, type: regularType })
      if (isKept) this.#names.push(name)
      else {
        const places = [{ parent, name }]
        change.addLocation(object, { ...unknown, isRetired: true, places, writtenAt: deleted })
        this.#gone.push(object)
      }
      store.commit(change)
    }
    for (const object of this.#gone) {
      change.addLocation(object, unknown)
      store.commit(change)
    }
    store.indexPending()
  }

  #verify(store: VolumeStore): void {
    const lost = this.#names.filter((name) => store.findName(parent, name, kept) === undefined)
    const known = this.#gone.filter((object) => store.location(object) !== undefined)
    if (lost.length + known.length > 0) {
      throw new Error(`${lost.length} names are lost, ${known.length} objects are known again`)
    }
  }
}
