import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, FsError, fsErrorOf, isErrno } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import { O } from '../base/open-flags.js'
import type { HiddenNames } from './hidden-names.js'
import { Listing } from './listing.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'

const self = '' as ByteString
/** What stands under a name of the directory above. */
interface Step {
  readonly object: ObjectId
  readonly name: ByteString
}

/** A path has fewer levels; a walk up that has not ended by then goes in circles. */
const levelsMax = 4096

/**
 * Finds an object of the live tree by its number alone, as an NFS server asks that gave out a handle long ago.
 *
 * A directory is found with its name and those above it, so it is known to be in the tree. A file may have
 * names anywhere; it is only known to be on the origin's file system, and alive. That it is the file which the
 * asker means, and not a later one with its number, he finds out by the generation.
 */
export class ObjectFinder {
  readonly #origin: Origin
  readonly #hidden: HiddenNames

  constructor(origin: Origin, hidden: HiddenNames) {
    this.#origin = origin
    this.#hidden = hidden
  }

  /** The node, with the origin's `stat` filled for it. ESTALE: no such object is live. The caller releases it. */
  find(object: ObjectId): OriginNode {
    const known = this.#origin.known(object)
    if (known === this.#origin.retired) throw stale(object)
    if (known !== undefined) return this.#live(known)
    const fd = this.#origin.openNumber(object, O.PATH)
    try {
      checked(this.#origin.native.statAt(fd, self, this.#origin.stat), 'stat')
      if (this.#origin.isForeignFromStat()) throw stale(object)
      if (this.#origin.typeFromStat() === FileType.directory) return this.#directory(object, fd)
      return this.#live(this.#origin.nodeByNumber(object))
    } finally {
      this.#origin.native.close(fd)
    }
  }

  /** Refuses what the live tree has removed. */
  #live(node: OriginNode): OriginNode {
    if (!node.hasRetiredLink && this.#origin.hasRetired(node.object)) this.#origin.noteRetired(node)
    this.#origin.statNode(node)
    if (this.#origin.liveLinksFromStat(node) > 0 || node.heldFd >= 0) return node
    this.#origin.release(node)
    throw stale(node.object)
  }

  #directory(object: ObjectId, fd: number): OriginNode {
    const steps: Step[] = []
    const { native } = this.#origin
    let at = native.duplicate(fd)
    let above: OriginNode | undefined
    let below = object
    try {
      while (above === undefined) {
        const parentFd = native.openParent(at)
        if (parentFd < 0 && isErrno(fsErrorOf(parentFd, 'open the directory above'), 'EXDEV')) {
          // The mount itself stands on the root, if it is over the origin. Below another mount nothing is shown.
          above = this.#origin.root
          steps.push({ object: below, name: this.#nameIn(above.heldFd, below) })
          break
        }
        native.close(at)
        at = checked(parentFd, 'open the directory above')
        checked(native.statAt(at, self, this.#origin.stat), 'stat')
        const parent = this.#origin.objectFromStat()
        const isRoot = this.#origin.isRootFromStat()
        steps.push({ object: below, name: this.#nameIn(at, below) })
        // The root of the file system is its own parent.
        if (parent === below || steps.length > levelsMax) throw stale(object)
        above = isRoot ? this.#origin.root : this.#reached(parent)
        below = parent
      }
    } finally {
      native.close(at)
    }
    const first = steps.at(-1)
    const isHidden = above === this.#origin.root && first && this.#hidden.has(first.name)
    if (above === this.#origin.retired || isHidden === true) throw stale(object)
    return this.#walkDown(above, steps.reverse())
  }

  /** A directory that is known already, with its way up. */
  #reached(object: ObjectId): OriginNode | undefined {
    const known = this.#origin.known(object)
    if (known?.type !== FileType.directory || known.isForeign) return undefined
    return known.hasPlace || known.heldFd >= 0 ? known : undefined
  }

  #walkDown(from: OriginNode, steps: Step[]): OriginNode {
    let at = from
    for (const { object, name } of steps) {
      const isThere = this.#origin.statName(at, name) && this.#origin.objectFromStat() === object
      const next = isThere ? this.#origin.nodeFromStat(at, name) : undefined
      if (at !== from) this.#origin.release(at)
      if (next === undefined) throw stale(object)
      at = next
    }
    return at
  }

  /** A directory has one name in the one above it. */
  #nameIn(directoryFd: number, object: ObjectId): ByteString {
    const { native } = this.#origin
    const fd = checked(native.reopen(directoryFd, O.RDONLY | O.DIRECTORY), 'open')
    const bytes = native.readDirectory(fd)
    native.close(fd)
    if (typeof bytes === 'number') throw fsErrorOf(bytes, 'readdir')
    const listing = new Listing(bytes)
    for (let position = 0; position < listing.end;) {
      position = listing.read(position)
      if (listing.ino === object) return listing.name
    }
    throw stale(object)
  }
}

function stale(object: ObjectId): FsError {
  return new FsError('ESTALE', `object ${object} is not in the live tree`)
}
