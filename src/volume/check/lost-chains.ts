import { FileType } from '../../base/attributes.js'
import type { ByteString } from '../../base/bytes.js'
import { NumberSet } from '../../base/number-set.js'
import type { ObjectId } from '../../base/ids.js'
import { objectOfKey, Table } from '../../store/element-keys.js'
import type { ElementIndex } from '../../store/element-index.js'
import { checkedPayloadBytes, readLocationValue } from '../../store/element-values.js'
import type { VolumeElements } from '../../store/volume-elements.js'
import { bygoneDirectory } from '../hidden-names.js'
import type { Origin } from '../origin.js'
import { listOrigin } from '../origin-listing.js'

/** Where a directory stands. */
export interface ChainLink {
  readonly object: ObjectId
  readonly parent: ObjectId
  readonly name: ByteString
}

interface Step extends ChainLink {
  readonly above: Step | undefined
}

/**
 * Every directory above an object that has a location must have one too (Locator). Where records are lost some may
 * not: returns where they stand now, which anybody can see.
 */
export function lostChains(
  origin: Origin,
  elements: VolumeElements,
  index: ElementIndex,
): ChainLink[] {
  const wanted = new NumberSet()
  for (const parent of parentsIn(index)) {
    const isKnown = parent === origin.root.object || parent === origin.retired.object
    if (!isKnown && elements.location(parent as ObjectId) === undefined) wanted.add(parent)
  }
  const links = new Map<ObjectId, ChainLink>()
  if (wanted.size === 0) return []
  walkDirectories(origin, (step) => {
    if (!wanted.has(step.object)) return
    for (let at: Step | undefined = step; at !== undefined; at = at.above) {
      if (elements.location(at.object) === undefined) links.set(at.object, at)
    }
  })
  return [...links.values()].map(({ object, parent, name }) => ({ object, parent, name }))
}

/** Directories in which a location says that an object stands. */
function parentsIn(index: ElementIndex): NumberSet {
  const parents = new NumberSet()
  const cursor = index.seek(Buffer.of(Table.locations))
  while (!cursor.isAtEnd && cursor.key[0] === Table.locations) {
    const { key, value } = cursor
    const end = checkedPayloadBytes(key, key.length, value, value.length)
    const { places } = readLocationValue(value, end)
    if (objectOfKey(key, 0) > 0) for (const { parent } of places) parents.add(parent)
    cursor.advance()
  }
  return parents
}

function walkDirectories(origin: Origin, visit: (step: Step) => void): void {
  const pending: (Step | undefined)[] = [undefined]
  while (pending.length > 0) {
    const at = pending.pop()
    const node = reach(origin, at)
    if (node === undefined) continue
    node.references++
    try {
      const listing = listOrigin(origin, node)
      for (let position = 0; position < listing.end;) {
        position = listing.read(position)
        const { name } = listing
        const isOwn = at === undefined && name === bygoneDirectory
        if (isOwn || !origin.statName(node, name) || origin.isForeignFromStat()) continue
        if (origin.typeFromStat() !== FileType.directory) continue
        const step = { object: origin.objectFromStat(), parent: node.object, name, above: at }
        visit(step)
        pending.push(step)
      }
    } finally {
      node.references--
      origin.release(node)
    }
  }
}

/** The node of a directory, from the root down. */
function reach(origin: Origin, step: Step | undefined) {
  const names: ByteString[] = []
  for (let at = step; at !== undefined; at = at.above) names.push(at.name)
  let node = origin.root
  for (const name of names.reverse()) {
    const found = origin.statName(node, name) ? origin.nodeFromStat(node, name) : undefined
    if (found === undefined) origin.release(node)
    if (found === undefined) return undefined
    node = found
  }
  return node
}
