import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError, isErrno } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { Origin } from './origin.js'
import { OriginNode } from './origin-node.js'

/** How a snapshot reached an object: by this name of that directory, as it was then. */
export interface Route {
  readonly object: ObjectId
  readonly parent: Route | undefined
  readonly name: ByteString
}

/** Instead of the number of a place. */
const inRetired = -1

/**
 * Finds where in the origin an object of a snapshot is now.
 *
 * An object without a location in the index still stands where the snapshot saw it: any move or removal
 * would have recorded one first. What is found is checked by its number; if it is not there, the
 * origin was changed behind the mount, and the answer is EIO, never another file's bytes.
 */
export class Locator {
  readonly #origin: Origin
  readonly #store: Pick<VolumeStore, 'location'>

  constructor(origin: Origin, store: Pick<VolumeStore, 'location'>) {
    this.#origin = origin
    this.#store = store
  }

  /** The node, with the origin's `stat` filled for it. The caller releases it (Origin.release). */
  find(route: Route): OriginNode {
    if (route.parent === undefined) {
      this.#origin.statNode(this.#origin.root)
      return this.#origin.root
    }
    const found = this.#byLocation(route.object) ?? this.#byRoute(route, route.parent)
    if (found === undefined) {
      throw new FsError('EIO', `object ${route.object} is gone from the origin`)
    }
    return found
  }

  #byRoute(route: Route, parent: Route): OriginNode | undefined {
    if (this.#store.location(route.object) !== undefined) return undefined
    // From the root down, for a path may be 2,048 levels deep.
    const steps: Route[] = [route]
    let above: Route = parent
    let directory: OriginNode | undefined
    while (directory === undefined) {
      directory = this.#start(above)
      if (directory !== undefined) break
      steps.push(above)
      if (above.parent === undefined) return undefined
      above = above.parent
    }
    let node: OriginNode | undefined = directory
    for (const step of steps.reverse()) {
      node = this.#at(node, step.name, step.object)
      if (node === undefined) return undefined
    }
    return node
  }

  /** A directory from which to walk: one that is known, or has a location. */
  #start(route: Route): OriginNode | undefined {
    if (route.parent === undefined) return this.#origin.root
    const known = this.#origin.known(route.object)
    if (known?.type === FileType.directory && (known.hasPlace || known.heldFd >= 0)) return known
    return this.#byLocation(route.object)
  }

  /**
   * `tried`: objects that were looked for on the way here, and at which of their places they were; undefined: at none,
   * or it is not known yet. A damaged store may send us in circles.
   */
  #byLocation(
    object: ObjectId,
    tried = new Map<ObjectId, number | undefined>(),
  ): OriginNode | undefined {
    const foundAt = tried.get(object)
    if (foundAt === undefined && tried.has(object)) return undefined
    tried.set(object, foundAt)
    const location = this.#store.location(object)
    if (location === undefined) return undefined
    if (location.isRetired) {
      const retired = this.#at(this.#origin.retired, this.#origin.retiredName(object), object)
      if (retired !== undefined) {
        tried.set(object, inRetired)
        return retired
      }
    }
    for (const [at, place] of location.places.entries()) {
      // Two places of one object may have directories in common: each is looked for once, or the search grows with
      // every level.
      if (foundAt !== undefined && foundAt !== at) continue
      const directory = this.#directory(place.parent, tried)
      const node = directory && this.#at(directory, place.name, object)
      if (node === undefined) continue
      tried.set(object, at)
      return node
    }
    return undefined
  }

  /** Every directory above a located object is the root or has a location itself. */
  #directory(object: ObjectId, tried: Map<ObjectId, number | undefined>): OriginNode | undefined {
    const known = this.#origin.known(object)
    if (known?.type === FileType.directory && (known.hasPlace || known.heldFd >= 0)) return known
    return this.#byLocation(object, tried)
  }

  /** The node at a name of `directory`; if it is not there, nobody may need the directory either. */
  #at(directory: OriginNode, name: ByteString, object: ObjectId): OriginNode | undefined {
    let node: OriginNode | undefined
    try {
      if (this.#isAt(directory, name, object)) node = this.#origin.nodeFromStat(directory, name)
    } finally {
      if (node === undefined) this.#origin.release(directory)
    }
    return node
  }

  #isAt(directory: OriginNode, name: ByteString, object: ObjectId): boolean {
    try {
      if (!this.#origin.statName(directory, name)) return false
    } catch (error) {
      // A place from before a crash may have become a file's, or be gone with its directory.
      if (isErrno(error, 'ENOTDIR', 'ESTALE', 'ENOENT')) return false
      throw error
    }
    return this.#origin.objectFromStat() === object
  }
}
