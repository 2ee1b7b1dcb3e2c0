import type { ByteString } from '../base/bytes.js'
import type { ChunkIndex, Label, ObjectId } from '../base/ids.js'
import { readAttributesValue } from './attributes-value.js'
import {
  chunkOfKey,
  keyBytesMax,
  labelMax,
  nameOfKey,
  Table,
  writeAttributesKey,
  writeChunkKey,
  writeDriftKey,
  writeLocationKey,
  writeNameKey,
  writeObjectPrefix,
} from './element-keys.js'
import {
  checksumBytes,
  readChunkValue,
  readDriftValue,
  isNowhere,
  readLocationValue,
  readNameValue,
} from './element-values.js'
import type { ElementLookup } from './element-lookup.js'
import type { ChunkPlace, Location, NameElement, PreservedAttributes } from './elements.js'
import { lowestFrom, type PendingEntry, type PendingPuts } from './pending-puts.js'

/** One for all: nearly every object has none. */
const noDrift: readonly Label[] = []

/**
 * The elements of a volume by what they stand for. `label` is a snapshot's: it sees the element
 * with the lowest label at or above.
 */
export class VolumeElements {
  readonly #lookup: ElementLookup
  readonly #pending: PendingPuts
  readonly #key = Buffer.alloc(keyBytesMax)
  /** Views of #key by length: one for each call would cost as much as the lookup. */
  readonly #views: Buffer[] = []

  constructor(lookup: ElementLookup, pending: PendingPuts) {
    this.#lookup = lookup
    this.#pending = pending
  }

  hasName(directory: ObjectId, name: ByteString, label: Label): boolean {
    const key = this.#nameKey(directory, name, label)
    return this.#lookup.has(Table.names, directory, name, label, key)
  }

  hasAttributes(object: ObjectId, label: Label): boolean {
    return this.#lookup.has(Table.attributes, object, 0, label, this.#attributesKey(object, label))
  }

  hasChunk(object: ObjectId, chunk: ChunkIndex, label: Label): boolean {
    const key = this.#chunkKey(object, chunk, label)
    return this.#lookup.has(Table.chunks, object, chunk, label, key)
  }

  findName(directory: ObjectId, name: ByteString, label: Label): NameElement | undefined {
    const key = this.#nameKey(directory, name, label)
    const found = this.#lookup.lowest(Table.names, directory, name, label, labelMax, key)
    return found && readNameValue(found, found.length)
  }

  findAttributes(object: ObjectId, label: Label): PreservedAttributes | undefined {
    const labelLast = this.#labelLast(object, label)
    const key = this.#attributesKey(object, label)
    const found = this.#lookup.lowest(Table.attributes, object, 0, label, labelLast, key)
    return found && readAttributesValue(found, found.length)
  }

  /** sizeMaxBytes of the newest attributes with a label below `label`; 0 if there are none. */
  sizeMaxBefore(object: ObjectId, label: Label): number {
    return this.newestAttributes(object, label)?.sizeMaxBytes ?? 0
  }

  /** The newest attributes with a label below `below`, whoever sees them. */
  newestAttributes(object: ObjectId, below: number): PreservedAttributes | undefined {
    const key = this.#attributesKey(object, below - 1)
    const found = this.#lookup.highestBelow(Table.attributes, object, 0, below, key)
    return found && readAttributesValue(found.payload, found.payload.length)
  }

  /** The element of the name with the highest label of all. */
  newestName(
    directory: ObjectId,
    name: ByteString,
  ): { label: Label; element: NameElement } | undefined {
    const key = this.#nameKey(directory, name, labelMax - 1)
    const found = this.#lookup.highestBelow(Table.names, directory, name, labelMax, key)
    if (found === undefined) return undefined
    const element = readNameValue(found.payload, found.payload.length)
    return { label: found.label as Label, element }
  }

  location(object: ObjectId): Location | undefined {
    const key = this.#view(writeLocationKey(this.#key, 0, object))
    const found = this.#lookup.get(Table.locations, object, key)
    if (found === undefined) return undefined
    const location = readLocationValue(found, found.length)
    return isNowhere(location) ? undefined : location
  }

  /** Whether it was known of the object where it is, until it was removed for good. */
  isForgotten(object: ObjectId): boolean {
    const key = this.#view(writeLocationKey(this.#key, 0, object))
    const found = this.#lookup.get(Table.locations, object, key)
    return found !== undefined && isNowhere(readLocationValue(found, found.length))
  }

  /** Snapshots up to this label can't rely on what the origin holds of the object; 0: all can. */
  drift(object: ObjectId): Label | 0 {
    return this.drifts(object).at(-1) ?? 0
  }

  /**
   * The labels at which the object was changed unseen, ascending. A snapshot believes what was preserved
   * up to the first of them that is not below its own.
   */
  drifts(object: ObjectId): readonly Label[] {
    const key = this.#view(writeDriftKey(this.#key, 0, object))
    const found = this.#lookup.get(Table.drifts, object, key)
    return found === undefined ? noDrift : readDriftValue(found, found.length)
  }

  listNames(directory: ObjectId, label: Label): Map<ByteString, NameElement> {
    const names = new Map<ByteString, NameElement>()
    const pending = this.#pending.of(Table.names, directory)
    if (this.#lookup.isIndexed(Table.names, directory)) {
      const start = this.#view(writeObjectPrefix(this.#key, 0, Table.names, directory))
      this.#lookup.scanLowest(start, label, (key, keyLabel, payload) => {
        const name = nameOfKey(key, 0, key.length)
        const newer = lowestFrom(pending?.get(name), label)
        if (newer === undefined || newer.label > keyLabel) {
          const value = payload()
          names.set(name, readNameValue(value, value.length))
        }
        return true
      })
    }
    for (const [name, entries] of pending ?? []) {
      const newer = lowestFrom(entries, label)
      if (newer === undefined || names.has(name as ByteString)) continue
      const value = this.#pendingPayload(newer)
      names.set(name as ByteString, readNameValue(value, value.length))
    }
    return names
  }

  findChunks(
    object: ObjectId,
    first: ChunkIndex,
    count: number,
    label: Label,
  ): (ChunkPlace | undefined)[] {
    const labelLast = this.#labelLast(object, label)
    const places = new Array<ChunkPlace | undefined>(count).fill(undefined)
    const labels = new Array<number>(count).fill(Infinity)
    const pending = this.#pending.of(Table.chunks, object)
    for (let at = 0; pending !== undefined && at < count; at++) {
      const newer = lowestFrom(pending.get(first + at), label)
      if (newer === undefined || newer.label > labelLast) continue
      const value = this.#pendingPayload(newer)
      places[at] = readChunkValue(value, value.length)
      labels[at] = newer.label
    }
    if (!this.#lookup.isIndexed(Table.chunks, object)) return places
    this.#lookup.scanLowest(
      this.#chunkKey(object, first, label),
      label,
      (key, keyLabel, payload) => {
        const at = chunkOfKey(key, 0) - first
        if (at >= count) return false
        if (keyLabel < (labels[at] ?? 0) && keyLabel <= labelLast) {
          const value = payload()
          places[at] = readChunkValue(value, value.length)
        }
        return true
      },
    )
    return places
  }

  /** Whether anything is known of the object. */
  hasAny(object: ObjectId): boolean {
    return Object.values(Table).some(
      (table) =>
        this.#pending.of(table, object) !== undefined || this.#lookup.isIndexed(table, object),
    )
  }

  hasAnyChunk(object: ObjectId): boolean {
    return (
      this.#pending.of(Table.chunks, object) !== undefined ||
      this.#lookup.isIndexed(Table.chunks, object)
    )
  }

  /** The lowest chunk at or after `from` that has an element of any label. */
  nextChunk(object: ObjectId, from: ChunkIndex): ChunkIndex | undefined {
    let next = Infinity
    for (const chunk of this.#pending.of(Table.chunks, object)?.keys() ?? []) {
      if (Number(chunk) >= from) next = Math.min(next, Number(chunk))
    }
    if (this.#lookup.isIndexed(Table.chunks, object)) {
      const key = this.#lookup.firstKey(this.#chunkKey(object, from, 0))
      if (key !== undefined) next = Math.min(next, chunkOfKey(key, 0))
    }
    return next === Infinity ? undefined : (next as ChunkIndex)
  }

  /** What was preserved after the object had drifted is nothing that this snapshot could believe. */
  #labelLast(object: ObjectId, label: Label): number {
    return this.drifts(object).find((drift) => drift >= label) ?? labelMax
  }

  #pendingPayload(entry: PendingEntry): Buffer {
    const value = this.#pending.valueOf(entry)
    return value.subarray(0, value.length - checksumBytes)
  }

  #nameKey(directory: ObjectId, name: ByteString, label: number): Buffer {
    return this.#view(writeNameKey(this.#key, 0, directory, name, label))
  }

  #attributesKey(object: ObjectId, label: number): Buffer {
    return this.#view(writeAttributesKey(this.#key, 0, object, label))
  }

  #chunkKey(object: ObjectId, chunk: ChunkIndex, label: number): Buffer {
    return this.#view(writeChunkKey(this.#key, 0, object, chunk, label))
  }

  #view(bytes: number): Buffer {
    return (this.#views[bytes] ??= this.#key.subarray(0, bytes))
  }
}
