import { FileType } from '../../base/attributes.js'
import { isErrno } from '../../base/errno.js'
import type { ChunkIndex, Label, ObjectId } from '../../base/ids.js'
import { readAttributesValue } from '../../store/attributes-value.js'
import type { ReadablePlaces } from '../../store/check/readable-places.js'
import { Table } from '../../store/element-keys.js'
import type { ElementIndex } from '../../store/element-index.js'
import { readChunkValue } from '../../store/element-values.js'
import type { PreservedAttributes } from '../../store/elements.js'
import type { VolumeElements } from '../../store/volume-elements.js'
import { ElementScan } from './element-scan.js'
import type { ByteRange, FileProblem } from './file-problem.js'
import type { SnapshotList, SnapshotRange } from './snapshot-range.js'

/** What the origin shows of an object now. */
export interface Sight {
  readonly isFound: boolean
  /** Snapshots up to this label can't rely on it; 0: all can. */
  readonly driftLabel: Label | 0
  readonly sizeBytes: number
}

export interface Loss extends Pick<FileProblem, 'kind' | 'lost'> {
  readonly range: SnapshotRange
}

type Verdict = Pick<FileProblem, 'kind' | 'lost'> | undefined

const chunksAtOnce = 256

/** Tells what snapshots have lost of one object, by the rules by which they read it. */
export class ObjectCheck {
  readonly #elements: VolumeElements
  readonly #scan: ElementScan
  readonly #places: ReadablePlaces
  readonly #snapshots: SnapshotList
  readonly #chunkBytes: number

  constructor(
    elements: VolumeElements,
    index: ElementIndex,
    places: ReadablePlaces,
    snapshots: SnapshotList,
    chunkBytes: number,
  ) {
    this.#elements = elements
    this.#scan = new ElementScan(index)
    this.#places = places
    this.#snapshots = snapshots
    this.#chunkBytes = chunkBytes
  }

  /** Of snapshots in the range, which all see the object; those with the same loss together. */
  check(object: ObjectId, type: number, range: SnapshotRange, sight: Sight): Loss[] {
    if (this.#isAllRight(object, type, range, sight)) return []
    const losses: Loss[] = []
    let open: { from: number; verdict: Verdict; text: string } | undefined
    for (let index = range.from; index <= range.to; index++) {
      const verdict =
        index < range.to
          ? this.#verdict(object, type, this.#snapshots.labelAt(index), sight)
          : undefined
      const text = JSON.stringify(verdict ?? null)
      if (open?.text === text && index < range.to) continue
      if (open?.verdict !== undefined) {
        losses.push({ ...open.verdict, range: { from: open.from, to: index } })
      }
      open = { from: index, verdict, text }
    }
    return losses
  }

  /** Most are: so this is quick, and may say no too often. */
  #isAllRight(object: ObjectId, type: number, range: SnapshotRange, sight: Sight): boolean {
    if (!sight.isFound || sight.driftLabel >= this.#snapshots.labelAt(range.from)) return false
    return (
      this.#areSound(Table.attributes, object, (value) => {
        readAttributesValue(value, value.length)
        return true
      }) &&
      (type !== FileType.regular ||
        this.#areSound(Table.chunks, object, (value) =>
          this.#places.isReadable(readChunkValue(value, value.length)),
        ))
    )
  }

  #areSound(table: number, object: ObjectId, isSound: (value: Buffer) => boolean): boolean {
    let areAll = true
    this.#scan.each(table, object, (_key, _label, payload) => {
      try {
        areAll &&= isSound(payload())
      } catch (error) {
        if (!isErrno(error, 'EIO')) throw error
        areAll = false
      }
    })
    return areAll
  }

  #verdict(object: ObjectId, type: number, label: Label, sight: Sight): Verdict {
    const isDrifted = sight.driftLabel >= label
    let preserved: PreservedAttributes | undefined
    try {
      preserved = this.#elements.findAttributes(object, label)
    } catch (error) {
      if (!isErrno(error, 'EIO')) throw error
      return { kind: 'damaged', lost: 'everything' }
    }
    if (type === FileType.directory) {
      if (!sight.isFound) return { kind: 'gone', lost: preserved ? 'names' : 'everything' }
      return isDrifted ? { kind: 'changed', lost: 'names' } : undefined
    }
    const needsOrigin =
      preserved === undefined || type === FileType.regular || type === FileType.symlink
    if (needsOrigin && !sight.isFound) return { kind: 'gone', lost: 'everything' }
    if (isDrifted && (preserved === undefined || type === FileType.symlink)) {
      return { kind: 'changed', lost: 'everything' }
    }
    if (type !== FileType.regular) return undefined
    const sizeBytes = preserved?.attributes.sizeBytes ?? sight.sizeBytes
    try {
      const lost = this.#lostRanges(object, label, sizeBytes, isDrifted)
      if (lost.length === 0) return undefined
      return { kind: isDrifted ? 'changed' : 'damaged', lost }
    } catch (error) {
      if (!isErrno(error, 'EIO')) throw error
      return { kind: 'damaged', lost: 'everything' }
    }
  }

  #lostRanges(object: ObjectId, label: Label, size: number, isDrifted: boolean): ByteRange[] {
    const lost: ByteRange[] = []
    const add = (start: number, end: number) => {
      const last = lost.at(-1)
      if (start >= Math.min(end, size)) return
      if (last?.end === start) lost[lost.length - 1] = { ...last, end: Math.min(end, size) }
      else lost.push({ start, end: Math.min(end, size) })
    }
    /** Up to here all is decided. */
    let position = 0
    for (;;) {
      const first = this.#elements.nextChunk(
        object,
        Math.ceil(position / this.#chunkBytes) as ChunkIndex,
      )
      const start = first === undefined ? Infinity : first * this.#chunkBytes
      if (isDrifted) add(position, Math.min(start, size))
      if (first === undefined || start >= size) return lost
      position = start
      for (const place of this.#elements.findChunks(object, first, chunksAtOnce, label)) {
        const end = position + this.#chunkBytes
        if (place === undefined) {
          if (isDrifted) add(position, end)
        } else if (!this.#places.isReadable(place)) {
          for (let at = 0; at < place.extents.length; at += 2) {
            const from = position + (place.extents[at] ?? 0)
            add(from, from + (place.extents[at + 1] ?? 0))
          }
        }
        position = end
      }
    }
  }
}
