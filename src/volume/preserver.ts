import { Attributes } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { checked, fsErrorOf } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import type { ObjectId } from '../base/ids.js'
import type { Change } from '../store/change.js'
import type { Location } from '../store/elements.js'
import type { VolumeStore } from '../store/volume-store.js'
import type { Births } from './births.js'
import type { Drift } from './drift.js'
import type { Epoch } from './epoch.js'
import type { Origin } from './origin.js'
import type { OriginNode } from './origin-node.js'
import type { Place } from './places.js'

/** The name it has now, the one before, and the one a half-done exchange may have left. */
const placesMax = 3

/**
 * Preserve before change, for names and attributes: collects what one request must have in the
 * journal, and commits it before the request touches the origin (invariant 1).
 *
 * Use: begin(), then what the request will change, then commit(). What the newest snapshot has already
 * preserved, or never knew, adds nothing.
 */
export class Preserver {
  readonly #store: VolumeStore
  readonly #origin: Origin
  readonly #births: Births
  readonly #epoch: Epoch
  readonly #drift: Drift
  readonly #attributes = new Attributes()
  #change: Change
  /** Nodes whose attributes are in the change: marked only when it is committed. */
  readonly #marked: OriginNode[] = []

  constructor(store: VolumeStore, origin: Origin, births: Births, epoch: Epoch, drift: Drift) {
    this.#store = store
    this.#origin = origin
    this.#births = births
    this.#epoch = epoch
    this.#drift = drift
    this.#change = store.change()
  }

  begin(): this {
    this.#change = this.#store.change()
    this.#marked.length = 0
    return this
  }

  /** `mayUseReserve`: what follows frees space, and is to work on a full disk too. */
  commit({ mayUseReserve } = { mayUseReserve: false }): void {
    this.#change.mayUseReserve = mayUseReserve
    this.#store.commit(this.#change)
    faultPoint('change.committed')
    for (const node of this.#marked) {
      node.attributesLabel = this.#epoch.newest
      node.isLookedOver = true
    }
    this.#marked.length = 0
  }

  /** What the name leads to now, or that it leads to nothing. */
  name(directory: OriginNode, name: ByteString): this {
    if (this.#births.isBorn(directory)) return this
    const newest = this.#epoch.newest
    if (this.#store.hasName(directory.object, name, newest)) return this
    const isPresent = this.#origin.statName(directory, name)
    this.#change.addName(
      directory.object,
      name,
      newest,
      isPresent
        ? {
            object: this.#origin.objectFromStat(),
            type: this.#origin.directoryTypeFromStat(),
          }
        : { object: 0, type: 0 },
    )
    return this
  }

  attributes(node: OriginNode): this {
    const newest = this.#epoch.newest
    if (node.attributesLabel === newest || this.#marked.includes(node)) return this
    if (this.#births.isBorn(node)) return this
    this.#marked.push(node)
    // What it is now no snapshot has ever seen; all that the newest one can be told is that.
    if (this.#drift.note(node, this.#change) >= newest) return this
    if (this.#store.hasAttributes(node.object, newest)) return this
    const bornAfter = this.#births.bornAfter(node)
    this.#origin.withPath(node, (fd) => {
      checked(this.#origin.native.statAt(fd, '' as ByteString, this.#origin.stat), 'stat')
      const size = this.#origin.sizeFromStat()
      this.#origin.attributesFromStat(node, this.#attributes)
      this.#change.addAttributes(node.object, newest, {
        attributes: this.#attributes,
        xattrs: this.#xattrs(fd),
        sizeMaxBytes: Math.max(size, this.#store.sizeMaxBefore(node.object, newest)),
        bornAfter,
      })
    })
    return this
  }

  /** `node` will get another name, or another place: snapshots must still find it. */
  move(node: OriginNode, from: Place, to: Place): this {
    const isBorn = this.#births.isBorn(node)
    const before = this.#store.location(node.object)
    if (isBorn && before === undefined) return this
    this.#locate(node, {
      isRetired: before?.isRetired ?? false,
      places: [inIndex(to), inIndex(from)],
      bornAfter: this.#births.bornAfter(node),
    })
    return this.#chain(to.parent).#chain(from.parent)
  }

  /** `node` will be kept in the retired directory; until then (a crash) it is at one of `places`. */
  retire(node: OriginNode, ...places: Place[]): this {
    this.#locate(node, {
      isRetired: true,
      places: places.map(inIndex).slice(0, placesMax),
      bornAfter: this.#births.bornAfter(node),
    })
    for (const place of places) this.#chain(place.parent)
    return this
  }

  /**
   * `node` will be removed for good, and its number may be used again: nothing may be known of it. Unless a deleted
   * snapshot has left it a link in the retired directory: who sweeps that up must find it.
   */
  forget(node: OriginNode): this {
    const location = this.#store.location(node.object)
    if (location === undefined) return this
    if (location.isRetired && this.#origin.hasRetired(node.object)) return this
    return this.forgetObject(node.object)
  }

  /** The same for one that is in the retired directory. */
  forgetObject(object: ObjectId): this {
    const nothing = { isRetired: false, places: [], bornAfter: 0, writtenAt: 0 } as const
    this.#change.addLocation(object, nothing)
    return this
  }

  /**
   * Every directory above an object that has a location has one too: it is found by object from there
   * up to the root, and a rename of any of them keeps its location right.
   */
  #chain(directory: OriginNode): this {
    let at = directory
    while (at.parent !== undefined && at !== this.#origin.retired) {
      if (this.#store.location(at.object) !== undefined) break
      this.#locate(at, {
        isRetired: false,
        places: [{ parent: at.parent.object, name: at.name }],
        bornAfter: this.#births.bornAfter(at),
      })
      at = at.parent
    }
    return this
  }

  #locate(node: OriginNode, location: Omit<Location, 'writtenAt'>): void {
    this.#change.addLocation(node.object, { ...location, writtenAt: this.#epoch.newest })
  }

  #xattrs(fd: number): (readonly [ByteString, Uint8Array])[] {
    const native = this.#origin.native
    const list = native.listXattrPath(fd)
    if (typeof list === 'number') {
      const error = fsErrorOf(list, 'listxattr')
      if (error.code === 'EOPNOTSUPP') return []
      throw error
    }
    if (list.length === 0) return []
    const xattrs: (readonly [ByteString, Uint8Array])[] = []
    for (const name of list.toString('latin1').split('\0')) {
      if (name === '') continue
      const value = native.getXattrPath(fd, name as ByteString)
      if (typeof value === 'number') throw fsErrorOf(value, `getxattr ${name}`)
      xattrs.push([name as ByteString, value])
    }
    return xattrs
  }
}

function inIndex(place: Place): { parent: ObjectId; name: ByteString } {
  return { parent: place.parent.object, name: place.name }
}
