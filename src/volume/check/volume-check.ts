import { FileType, StatField } from '../../base/attributes.js'
import type { ByteString } from '../../base/bytes.js'
import { isErrno } from '../../base/errno.js'
import type { Label, ObjectId } from '../../base/ids.js'
import type { OnProgress } from '../../store/check/finding.js'
import type { ReadablePlaces } from '../../store/check/readable-places.js'
import { nameOfKey, Table } from '../../store/element-keys.js'
import type { ElementIndex } from '../../store/element-index.js'
import { readNameValue } from '../../store/element-values.js'
import type { NameElement } from '../../store/elements.js'
import type { Gap } from '../../store/sessions.js'
import type { SnapshotRecord } from '../../store/snapshot-record.js'
import type { VolumeElements } from '../../store/volume-elements.js'
import { Drift } from '../drift.js'
import { HiddenNames } from '../hidden-names.js'
import { Locator, type Route } from '../locator.js'
import { isForeignObject, type Origin } from '../origin.js'
import { listOrigin } from '../origin-listing.js'
import type { OriginNode } from '../origin-node.js'
import { ElementScan } from './element-scan.js'
import type { FileProblem, OnProblem } from './file-problem.js'
import { NumberSet } from '../../base/number-set.js'
import { ObjectCheck, type Sight } from './object-check.js'
import { isEmptyRange, SnapshotList, type SnapshotRange } from './snapshot-range.js'

export interface VolumeCheckOptions {
  readonly origin: Origin
  readonly elements: VolumeElements
  readonly index: ElementIndex
  readonly places: ReadablePlaces
  readonly gaps: readonly Gap[]
  /** Oldest first. */
  readonly snapshots: readonly SnapshotRecord[]
  readonly chunkBytes: number
  /** Objects of which is kept which snapshots see them. */
  readonly watched: NumberSet
  readonly onProblem: OnProblem
  readonly onProgress: OnProgress
}

/** An object, by the way that the snapshots in the range see it. */
interface Visit extends Route {
  readonly parent: Visit | undefined
  readonly type: number
  readonly range: SnapshotRange
}

/** The names of a directory that have elements. */
interface NamedElements {
  /** The newest label: newer snapshots see what the origin has. */
  readonly lastLabel: Map<ByteString, Label>
  readonly seen: { name: ByteString; element: NameElement; range: SnapshotRange }[]
}

const unseen: Sight = { isFound: false, driftLabel: 0, sizeBytes: 0 }
/** Enough where nothing can have drifted: no preserved chunk reaches beyond the file's end. */
const listed: Sight = { isFound: true, driftLabel: 0, sizeBytes: Infinity }

/**
 * Walks over all snapshots of a volume at once, and tells what of each file could not be read.
 *
 * Each directory is visited once for all snapshots in a row that see it under the same path: so the
 * time goes with the size of the tree and the number of elements, not with the number of snapshots.
 * Memory goes with the largest directory, and 16 bytes for each object that has elements.
 */
export class VolumeCheck {
  readonly #options: VolumeCheckOptions
  readonly #snapshots: SnapshotList
  readonly #locator: Locator
  readonly #drift: Drift
  readonly #objects: ObjectCheck
  readonly #scan: ElementScan
  readonly #hidden = new HiddenNames()
  readonly #reached = new NumberSet()
  /** Of those watched. */
  readonly #seen = new Map<ObjectId, SnapshotRange[]>()
  #objectCount = 0

  constructor(options: VolumeCheckOptions) {
    const { origin, elements, index, places, gaps, snapshots, chunkBytes } = options
    this.#options = options
    this.#snapshots = new SnapshotList(snapshots)
    this.#locator = new Locator(origin, elements)
    this.#drift = new Drift(elements, origin)
    this.#drift.setGaps(gaps)
    this.#objects = new ObjectCheck(elements, index, places, this.#snapshots, chunkBytes)
    this.#scan = new ElementScan(index)
  }

  /** Objects and paths looked at; an object counts for each of its paths. */
  get objectCount(): number {
    return this.#objectCount
  }

  /** Whether a snapshot sees the object, if it has any element or location. Valid after `run`. */
  isReached(object: ObjectId): boolean {
    return this.#reached.has(object)
  }

  /** Whether a snapshot with a label above `after`, up to `upTo`, sees a watched object. Valid after `run`. */
  isSeen(object: ObjectId, after: number, upTo: number): boolean {
    const ranges = this.#seen.get(object) ?? []
    return ranges.some((range) => !isEmptyRange(this.#snapshots.between(range, after, upTo)))
  }

  run(): void {
    const range = this.#snapshots.all
    if (isEmptyRange(range)) return
    const { object } = this.#options.origin.root
    const name = '' as ByteString
    // No recursion: a path may be 2,048 levels deep.
    const pending: Visit[] = [{ object, parent: undefined, name, type: FileType.directory, range }]
    for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
      this.#directory(visit, pending)
    }
  }

  /** Adds the directories below to `below`. */
  #directory(visit: Visit, below: Visit[]): void {
    const { origin } = this.#options
    const found = this.#find(visit)
    const sight = found === undefined ? unseen : this.#sight(visit.object)
    // Who looks for its children in vain would release it.
    if (found !== undefined) found.references++
    try {
      this.#judge(visit, sight)
      const named = this.#namesIn(visit)
      for (const { name, element, range } of named.seen) {
        if (element.object === 0 || this.#isHidden(visit, name)) continue
        const type = element.type << 12
        this.#child({ object: element.object, parent: visit, name, type, range }, undefined, below)
      }
      if (found !== undefined) this.#listed(visit, found, sight, named, below)
    } finally {
      if (found !== undefined) {
        found.references--
        origin.release(found)
      }
    }
  }

  /** What the origin has in the directory, for the snapshots that see it there. */
  #listed(
    visit: Visit,
    directory: OriginNode,
    sight: Sight,
    { lastLabel }: NamedElements,
    below: Visit[],
  ): void {
    const { origin, gaps } = this.#options
    const listing = listOrigin(origin, directory)
    for (let position = 0; position < listing.end;) {
      position = listing.read(position)
      const { name } = listing
      if (this.#isHidden(visit, name)) continue
      const after = lastLabel.get(name) ?? 0
      let range = this.#snapshots.between(visit.range, after, Infinity)
      if (isEmptyRange(range)) continue
      let object = listing.ino as ObjectId
      let type = listing.type << 12
      const isLooked = gaps.length > 0 || type === FileType.directory || type === 0
      if (isLooked) {
        if (!origin.statName(directory, name)) continue
        object = origin.objectFromStat()
        type = origin.typeFromStat()
        // In a directory that was changed unseen, what came into being unseen was not there before.
        const born = Math.min(this.#drift.bornUnseenAfter(), sight.driftLabel)
        range = this.#snapshots.between(range, born, Infinity)
      }
      const seen = isLooked ? this.#sight(object) : listed
      this.#child({ object, parent: visit, name, type, range }, seen, below)
    }
  }

  /** `seen`: what stands under its name in the origin, if that is it. */
  #child(visit: Visit, seen: Sight | undefined, below: Visit[]): void {
    if (isEmptyRange(visit.range) || isForeignObject(visit.object)) return
    this.#objectCount++
    if (this.#objectCount % 1000 === 0) this.#options.onProgress('files', this.#objectCount, 0)
    if (visit.type === FileType.directory) {
      below.push(visit)
      return
    }
    this.#judge(visit, this.#sightOfFile(visit, seen))
  }

  #sightOfFile(visit: Visit, seen: Sight | undefined): Sight {
    const { elements, origin } = this.#options
    if (seen !== undefined && elements.location(visit.object) === undefined) return seen
    const found = this.#find(visit)
    if (found === undefined) return unseen
    const sight = this.#sight(visit.object)
    origin.release(found)
    return sight
  }

  #judge(visit: Visit, sight: Sight): void {
    this.#noteReached(visit)
    for (const { kind, lost, range } of this.#objects.check(
      visit.object,
      visit.type,
      visit.range,
      sight,
    )) {
      this.#report(visit, kind, lost, range)
    }
  }

  #namesIn(visit: Visit): NamedElements {
    const lastLabel = new Map<ByteString, Label>()
    const seen: NamedElements['seen'] = []
    const damaged: { name: ByteString; range: SnapshotRange }[] = []
    this.#scan.each(Table.names, visit.object, (key, label, payload) => {
      const name = nameOfKey(key, 0, key.length)
      const range = this.#snapshots.between(visit.range, lastLabel.get(name) ?? 0, label)
      lastLabel.set(name, label)
      if (isEmptyRange(range)) return
      try {
        const value = payload()
        seen.push({ name, element: readNameValue(value, value.length), range })
      } catch (error) {
        if (!isErrno(error, 'EIO')) throw error
        damaged.push({ name, range })
      }
    })
    for (const { name, range } of damaged) {
      const lost = { object: 0 as ObjectId, parent: visit, name, type: 0, range }
      this.#report(lost, 'damaged', 'everything', range)
    }
    return { lastLabel, seen }
  }

  /** With `stat` filled; undefined: it is not where it should be. The caller releases it. */
  #find(visit: Visit): OriginNode | undefined {
    try {
      return this.#locator.find(visit)
    } catch (error) {
      if (isErrno(error, 'EIO', 'ESTALE', 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  #sight(object: ObjectId): Sight {
    const { origin } = this.#options
    return {
      isFound: true,
      driftLabel: this.#options.gaps.length > 0 ? this.#drift.labelOf(object) : 0,
      sizeBytes: origin.stat[StatField.size] ?? 0,
    }
  }

  #isHidden(directory: Visit, name: ByteString): boolean {
    return directory.parent === undefined && this.#hidden.has(name)
  }

  #noteReached({ object, range }: Visit): void {
    const { elements, watched } = this.#options
    if (elements.hasAny(object)) this.#reached.add(object)
    if (!watched.has(object)) return
    const ranges = this.#seen.get(object)
    if (ranges === undefined) this.#seen.set(object, [range])
    else ranges.push(range)
  }

  #report(
    visit: Visit,
    kind: FileProblem['kind'],
    lost: FileProblem['lost'],
    range: SnapshotRange,
  ): void {
    const snapshots = this.#snapshots.names(range)
    this.#options.onProblem({ kind, path: pathOf(visit), snapshots, lost })
  }
}

function pathOf(visit: Visit): ByteString {
  const names: ByteString[] = []
  for (let at = visit; at.parent !== undefined; at = at.parent) {
    names.push(at.name)
  }
  return names.reverse().join('/') as ByteString
}
