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
  readonly #store: VolumeStore
  readonly #origin: Origin
  #gaps: readonly Gap[] = []
  #hasDoubts = false

  constructor(store: VolumeStore, origin: Origin) {
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
   * somebody has them open beside the mount.
   */
  doubt(objects: readonly ObjectId[], label: Label): void {
    if (objects.length === 0) return
    const change = this.#store.change()
    for (const object of objects) change.addDrift(object, label)
    this.#store.commit(change)
    this.#hasDoubts = true
  }

  /**
   * `node` is about to be changed: adds to the change what must be known of it afterwards; once that is
   * committed the node is looked over. Returns the newest label whose snapshots have lost what they
   * still had in the origin; 0: none.
   */
  note(node: OriginNode, change: Change): Label | 0 {
    if (this.#isSure) return 0
    const known = this.#store.drift(node.object)
    if (node.isLookedOver) return known
    this.#origin.statNode(node)
    const seen = this.#labelOf('ctime')
    if (seen <= known) return known
    change.addDrift(node.object, seen as Label)
    return seen
  }

  /** Whether snapshot `label` can't rely on what the origin holds of the object. `stat` was filled for it. */
  hasDrifted(object: ObjectId, label: Label): boolean {
    if (this.#isSure) return false
    return this.#labelOf('ctime') >= label || this.#store.drift(object) >= label
  }

  assertSame(object: ObjectId, label: Label): void {
    if (this.hasDrifted(object, label)) throw lost(object)
  }

  /** Whether what `stat` was filled for came into being unseen after snapshot `label`. */
  isBornUnseen(label: Label): boolean {
    return this.#labelOf('btime') >= label
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
    const gap = this.#gaps.find(
      ({ start, end }) => isLater(instant, start) && !isLater(instant, end),
    )
    return gap?.label ?? 0
  }
}

export function lost(object: ObjectId): FsError {
  return new FsError('EIO', `object ${object} was changed while it was not mounted`)
}
