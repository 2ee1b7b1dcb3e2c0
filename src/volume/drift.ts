import { StatField } from '../base/attributes.js'
import { FsError } from '../base/errno.js'
import type { Label, ObjectId } from '../base/ids.js'
import { isLater } from '../base/instant.js'
import type { Instant } from '../base/instant.js'
import type { Change } from '../store/change.js'
import type { Gap } from '../store/sessions.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'

/**
 * Tells what was changed in the origin while it was not mounted, so that no snapshot shows it for
 * its own (invariant 3).
 *
 * No program can set a ctime. One that lies in a gap between two sessions says that its file was changed
 * then, unseen. The file's next change through the mount takes that trace away: so before the first one
 * of a session what the trace says goes into the journal.
 */
export class Drift {
  readonly #store: Pick<VolumeStore, 'drift' | 'drifts'>
  readonly #origin: Origin
  #gaps: readonly Gap[] = []
  #hasDoubts = false

  constructor(store: Pick<VolumeStore, 'drift' | 'drifts'>, origin: Origin) {
    this.#store = store
    this.#origin = origin
  }

  get gapCount(): number {
    return this.#gaps.length
  }

  /** Before anything is served. */
  setGaps(gaps: readonly Gap[]): void {
    this.#gaps = gaps
  }

  /**
   * Snapshot `label`, which is about to be cut, and all older ones can't rely on what the origin holds of these objects:
   * somebody has them open beside the mount. Adds that to the change.
   */
  doubt(objects: readonly ObjectId[], label: Label, change: Change): void {
    if (objects.length === 0) return
    for (const object of objects) change.addDrift(object, [...this.#store.drifts(object), label])
    this.#hasDoubts = true
  }

  /**
   * `node` is about to be changed: adds to the change what must be known of it afterwards; once that is
   * committed the node is looked over. Returns the newest label whose snapshots have lost what they
   * still had in the origin; 0: none.
   */
  note(node: OriginNode, change: Change): Label | 0 {
    if (this.#isSure) return 0
    const before = this.#store.drifts(node.object)
    const known = before.at(-1) ?? 0
    if (node.isLookedOver) return known
    this.#origin.statNode(node)
    const seen = this.#labelOf('ctime')
    if (seen <= known) return known
    change.addDrift(node.object, [...before, seen as Label])
    return seen
  }

  /** Whether snapshot `label` can't rely on what the origin holds of the object. `stat` was filled for it. */
  hasDrifted(object: ObjectId, label: Label): boolean {
    return !this.#isSure && this.labelOf(object) >= label
  }

  /** The newest snapshot that can't rely on what the origin holds of the object, as all older ones; 0: none. */
  labelOf(object: ObjectId): Label | 0 {
    return Math.max(this.#labelOf('ctime'), this.#store.drift(object)) as Label | 0
  }

  assertSame(object: ObjectId, label: Label): void {
    if (this.hasDrifted(object, label)) throw lost(object)
  }

  /** Whether what `stat` was filled for came into being unseen after snapshot `label`. */
  isBornUnseen(label: Label): boolean {
    return this.bornUnseenAfter() >= label
  }

  /** The newest snapshot before what `stat` was filled for came into being unseen; 0: it did not. */
  bornUnseenAfter(): Label | 0 {
    return this.#labelOf('btime')
  }

  /** Nothing was ever changed unseen. */
  get #isSure(): boolean {
    return this.#gaps.length === 0 && !this.#hasDoubts
  }

  #labelOf(time: 'ctime' | 'btime'): Label | 0 {
    const { stat } = this.#origin
    const sec = stat[time === 'ctime' ? StatField.ctimeSec : StatField.btimeSec] ?? Number.NaN
    if (Number.isNaN(sec)) return 0
    const nsec = stat[time === 'ctime' ? StatField.ctimeNsec : StatField.btimeNsec] ?? 0
    const instant: Instant = { sec, nsec }
    let label: Label | 0 = 0
    // They may overlap where records of the journal were lost.
    for (const gap of this.#gaps) {
      const isIn = isLater(instant, gap.start) && !isLater(instant, gap.end)
      if (isIn && gap.label > label) label = gap.label
    }
    return label
  }
}

export function lost(object: ObjectId): FsError {
  return new FsError('EIO', `object ${object} was changed while it was not mounted`)
}
