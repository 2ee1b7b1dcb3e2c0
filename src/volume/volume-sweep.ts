import type { Label, ObjectId } from '../base/ids.js'
import { faultPoint } from '../base/fault-point.js'
import { LiveLabels } from '../store/live-labels.js'
import type { SpaceUse } from '../store/space-use.js'
import type { StoreSweep } from '../store/store-sweep.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Preserver } from './preserver.js'
import type { Retirement } from './retirement.js'

/** Entries of the index that one step looks at: some milliseconds. */
const stepEntries = 500

/** Records of the journal, each of some elements. */
const stepRecords = 200

/** Files that one step removes: each may take the file system a while. */
const removalsMax = 16

/**
 * Frees what no snapshot needs any more, in the store and in the retired directory, in steps short enough to
 * stand between two requests. Breaking off at any point, also by a crash, leaves nothing wrong: whoever
 * begins again finds what is left.
 */
export class VolumeSweep {
  /** What the live tree has by another name and has changed: for whoever told others its attributes, to take away. */
  readonly touched: OriginNode[] = []
  readonly #store: VolumeStore
  readonly #origin: Origin
  readonly #preserver: Preserver
  readonly #retirement: Retirement
  readonly #labels: readonly Label[]
  readonly #live: LiveLabels
  readonly #sweep: StoreSweep
  readonly #inSession: boolean
  /** In the retired directory, found and not removed yet. */
  readonly #unneeded: ObjectId[] = []
  /** Removed for good, and not purged of its elements yet; and the newest snapshot at that time. */
  readonly #gone: ObjectId[] = []
  #labelAtRemoval: Label | 0 = 0
  #filesRemoved = 0
  /** Files whose other names the live tree has. */
  #linksLeft = 0
  /** Directories that were not empty. */
  #leftBehind = 0
  #hasBegun = false
  #isThrough = false
  #isCompacted = false

  constructor(
    store: VolumeStore,
    origin: Origin,
    preserver: Preserver,
    retirement: Retirement,
    labels: readonly Label[],
    inSession: boolean,
  ) {
    this.#store = store
    this.#origin = origin
    this.#preserver = preserver
    this.#retirement = retirement
    this.#labels = labels
    this.#live = new LiveLabels(labels)
    this.#sweep = store.sweep(this.#live)
    this.#inSession = inSession
  }

  get isEnd(): boolean {
    return this.#isCompacted && !this.#hasLeft
  }

  get #hasLeft(): boolean {
    return !this.#isThrough || this.#unneeded.length > 0 || this.#gone.length > 0
  }

  /** Of the snapshots, oldest first: what the indices in `use` stand for. */
  get labels(): readonly Label[] {
    return this.#labels
  }

  /** Of the store; complete at the end. */
  get use(): SpaceUse {
    return this.#sweep.use
  }

  get counts(): Record<string, number> {
    return {
      ...this.#sweep.counts,
      filesRemoved: this.#filesRemoved,
      leftBehind: this.#leftBehind,
      linksLeft: this.#linksLeft,
    }
  }

  /** `isThorough`: gives back the space of every record that it can. */
  step(isThorough: boolean): void {
    if (this.#gone.length > 0) this.#purge()
    else if (this.#unneeded.length > 0) this.#removeSome()
    else if (!this.#isThrough) {
      if (!this.#hasBegun) this.#removeDoomed()
      this.#hasBegun = true
      this.#look()
    } else this.#isCompacted = this.#sweep.compact(stepRecords, isThorough)
  }

  #look(): void {
    const { unneeded, needed, isEnd } = this.#sweep.step(stepEntries)
    this.#unneeded.push(...unneeded)
    for (const { object, first, end } of needed) {
      this.use.add(first, end, this.#retirement.bytesOf(object), 0)
    }
    this.#isThrough = isEnd
  }

  /**
   * Some elements of what is gone for good may have later labels than it was removed at: who held it open went on
   * writing. Its inode number may be in use again, by a file of which no snapshot so far has elements.
   */
  #purge(): void {
    const object = this.#gone.at(-1)
    const labelLast = this.#labelAtRemoval
    if (object === undefined || this.#sweep.purge(object, labelLast, stepEntries)) this.#gone.pop()
  }

  /** Since it was found another of its names may have been removed, which a newer snapshot knows. */
  #isUnneeded(object: ObjectId): boolean {
    const location = this.#store.location(object)
    if (location?.isRetired !== true) return false
    return !this.#live.isNeeded(location.bornAfter, location.writtenAt)
  }

  /**
   * What has other names gets another ctime when it loses one: outside of a session that would look as if somebody had
   * changed it unseen.
   */
  #mustStay(object: ObjectId): boolean {
    const mustStay = !this.#inSession && this.#retirement.isLinked(object)
    if (mustStay) this.#linksLeft++
    return mustStay
  }

  /** What was forgotten, and not removed before a kill: nobody would find it. */
  #removeDoomed(): void {
    const doomed = this.#store.doomed()
    if (doomed === undefined) return
    for (const object of doomed.objects) {
      if (this.#store.location(object) !== undefined) continue
      if (!this.#retirement.isThereSince(object, doomed.notedMs) || this.#mustStay(object)) continue
      const node = this.#retirement.linked(object)
      // There may be a snapshot that was not there then.
      if (node !== undefined) {
        this.#preserver.begin().attributes(node).commit({ mayUseReserve: true })
      }
      this.#discard(object)
    }
    if (this.#linksLeft === 0) this.#store.noteDoomed([])
  }

  #removeSome(): void {
    const objects = this.#unneeded
      .splice(-removalsMax)
      .filter((each) => this.#isUnneeded(each) && !this.#mustStay(each))
    this.#labelAtRemoval = this.#labels.at(-1) ?? 0
    const preserver = this.#preserver.begin()
    for (const object of objects) {
      const node = this.#retirement.linked(object)
      // One link less is a change of what has other names in the live tree.
      if (node !== undefined) preserver.attributes(node)
      else this.#gone.push(object)
      preserver.forgetObject(object)
    }
    this.#store.noteDoomed(objects)
    // Before the inode numbers can be used again: they must not be known to stand in the retired directory.
    preserver.commit({ mayUseReserve: true })
    this.#store.indexPending()
    faultPoint('sweep.forgotten')
    for (const object of objects) this.#discard(object)
    faultPoint('sweep.discarded')
    this.#store.noteDoomed([])
  }

  #discard(object: ObjectId): void {
    if (this.#retirement.discard(object)) this.#filesRemoved++
    else this.#leftBehind++
    const node = this.#origin.known(object)
    if (node === undefined) return
    this.touched.push(node)
    this.#origin.release(node)
  }
}
