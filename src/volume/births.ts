import { FileType } from '../base/attributes.js'
import type { Label } from '../base/ids.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { Epoch } from './epoch.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'

/**
 * Tells which nodes were born since the newest snapshot: no snapshot knows them, so their changes
 * need nothing preserved.
 *
 * A node made through the mount is marked when it is made. Of others (after a restart, or when the kernel had
 * forgotten them) it is inferred from the index, so nothing need be written per birth:
 * an object at (directory, name) stood in the newest snapshot exactly if that name has no element of its
 * label and the directory stood in it; unless it was moved, which always leaves it a location.
 * When in doubt the answer is no: that preserves too much, never too little.
 */
export class Births {
  readonly #store: VolumeStore
  readonly #origin: Origin
  readonly #epoch: Epoch

  constructor(store: VolumeStore, origin: Origin, epoch: Epoch) {
    this.#store = store
    this.#origin = origin
    this.#epoch = epoch
  }

  /** `node` has just been made: no snapshot knows it. */
  note(node: OriginNode): void {
    node.bornLabel = this.#epoch.newest
  }

  isBorn(node: OriginNode): boolean {
    const newest = this.#epoch.newest
    if (newest === 0) return true
    // Not recursive: a path may be 2,048 levels deep.
    const undecided: OriginNode[] = []
    let at = node
    let answer = this.#known(at)
    while (answer === undefined) {
      undecided.push(at)
      answer = this.#infer(at)
      if (answer !== undefined || at.parent === undefined) break
      at = at.parent
      answer = this.#known(at)
    }
    const isBorn = answer ?? false
    for (const each of undecided) {
      if (isBorn) each.bornLabel = newest
      else each.keptLabel = newest
    }
    return isBorn
  }

  /**
   * A snapshot in which the node did not exist yet, the newest that is known of; 0: none is. By the same
   * reasoning as below, for older snapshots: who came to a name by another way than by being made left a location.
   */
  bornAfter(node: OriginNode): Label | 0 {
    const { newest } = this.#epoch
    if (this.isBorn(node)) return newest
    const found = this.#lastWithout(node)
    // Where isBorn was in doubt, what is preserved for the newest snapshot must not be known as needless here.
    return found < newest ? found : 0
  }

  #lastWithout(node: OriginNode): Label | 0 {
    for (let at = node; at !== this.#origin.root;) {
      const location = this.#store.location(at.object)
      if (location !== undefined) return location.bornAfter
      if (at.parent === undefined || at.parent === this.#origin.retired) return 0
      if (at.type !== FileType.directory && this.#hasOtherNames(at)) return 0
      const newest = this.#store.newestName(at.parent.object, at.name)
      if (newest !== undefined) return newest.element.object === at.object ? 0 : newest.label
      at = at.parent
    }
    return 0
  }

  #known(node: OriginNode): boolean | undefined {
    if (node.bornLabel === this.#epoch.newest) return true
    if (node.keptLabel === this.#epoch.newest || node === this.#origin.root) return false
    return undefined
  }

  /** Undefined: as its directory. */
  #infer(node: OriginNode): boolean | undefined {
    const newest = this.#epoch.newest
    const location = this.#store.location(node.object)
    if (location !== undefined) return location.bornAfter >= newest
    // It has names that are not known here.
    if (node.parent === undefined && node.isByNumber) return false
    // Neither a name nor a place in the retired directory: no snapshot can reach it.
    if (node.parent === undefined) return true
    if (node.type !== FileType.directory && this.#hasOtherNames(node)) return false
    const element = this.#store.findName(node.parent.object, node.name, newest)
    if (element === undefined) return undefined
    return element.object !== node.object
  }
  /** One of which may be the one that a snapshot knows. */
  #hasOtherNames(node: OriginNode): boolean {
    this.#origin.statNode(node)
    return this.#origin.linksFromStat() > 1
  }
}
