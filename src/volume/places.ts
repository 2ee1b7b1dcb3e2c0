import type { ByteString } from '../base/bytes.js'
import type { OriginNode } from './origin-node.js'

/** A name that leads to a node: an entry of a directory of the origin. */
export interface Place {
  readonly parent: OriginNode
  readonly name: ByteString
}

type ByParent = Map<OriginNode, Set<ByteString>>

/** More than this are looked up, not searched: a file may have 65,000 names. */
const searchedMax = 8

/** A set of places. Mostly it holds one or two, and takes hardly any memory then. */
export class Places implements Iterable<Place> {
  #places: Place[] | ByParent = []

  get isEmpty(): boolean {
    return Array.isArray(this.#places) ? this.#places.length === 0 : this.#places.size === 0
  }

  /** False: it is there already. */
  add(parent: OriginNode, name: ByteString): boolean {
    const places = this.#places
    if (!Array.isArray(places)) return addTo(places, parent, name)
    if (places.some(isPlace(parent, name))) return false
    places.push({ parent, name })
    if (places.length > searchedMax) this.#places = byParent(places)
    return true
  }

  /** False: it is not there. */
  remove(parent: OriginNode, name: ByteString): boolean {
    const places = this.#places
    if (!Array.isArray(places)) return removeFrom(places, parent, name)
    const index = places.findIndex(isPlace(parent, name))
    if (index >= 0) places.splice(index, 1)
    return index >= 0
  }

  /** Removes one and returns it, if there is any. */
  take(): Place | undefined {
    const [place] = this
    if (place !== undefined) this.remove(place.parent, place.name)
    return place
  }

  *[Symbol.iterator](): Iterator<Place> {
    const places = this.#places
    if (Array.isArray(places)) yield* places
    else for (const [parent, names] of places) for (const name of names) yield { parent, name }
  }
}

function isPlace(parent: OriginNode, name: ByteString): (place: Place) => boolean {
  return (place) => place.parent === parent && place.name === name
}

function byParent(list: readonly Place[]): ByParent {
  const places: ByParent = new Map()
  for (const { parent, name } of list) addTo(places, parent, name)
  return places
}

function addTo(places: ByParent, parent: OriginNode, name: ByteString): boolean {
  const names = places.get(parent) ?? new Set()
  if (names.has(name)) return false
  places.set(parent, names.add(name))
  return true
}

function removeFrom(places: ByParent, parent: OriginNode, name: ByteString): boolean {
  const names = places.get(parent)
  if (names?.delete(name) !== true) return false
  if (names.size === 0) places.delete(parent)
  return true
}
