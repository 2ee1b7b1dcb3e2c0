import type { Label, ObjectId } from '../base/ids.js'
import { isErrno } from '../base/errno.js'
import { bornAfterOf } from './attributes-value.js'
import { checkedPayload } from './element-lookup.js'
import {
  labelBytes,
  labelOfKey,
  objectOfKey,
  objectPrefixBytes,
  Table,
  writeObjectPrefix,
} from './element-keys.js'
import { readChunkValue, readLocationValue } from './element-values.js'
import type { DeadRun } from './dead-runs.js'
import type { ElementIndex } from './element-index.js'
import type { LiveLabels } from './live-labels.js'
import type { SpaceUse } from './space-use.js'

/** What one step has found. */
export interface SweepFindings {
  /** Keys of elements that no snapshot sees. */
  dead: Buffer[]
  /** Their data. */
  runs: DeadRun[]
  /** Objects in the retired directory that no snapshot knows. */
  unneeded: ObjectId[]
  /** Those that the snapshots [first, end) know, by index. */
  needed: { object: ObjectId; first: number; end: number }[]
  /** The pass is through. */
  isEnd: boolean
}

interface Birth {
  label: Label
  bornAfter: Label | 0
}

/**
 * The order of a pass. Attributes say when their object was born, so that what is judged by it comes first.
 */
const tables = [Table.names, Table.chunks, Table.attributes, Table.locations]

/** What an element costs beside its key and value: the record around it, and the index's page. */
export const overheadBytes = 64

/**
 * One pass over all elements, in steps, between which the volume may do anything but delete a snapshot.
 *
 * Snapshots form a chain, an older one inheriting from the newer: an element is seen by those at or below
 * its label, down to the next lower element of its address, as far as they are younger than the object.
 * When none of them is left, it is dead. Labels of deleted snapshots may stay on elements: a seek for the
 * lowest label at or above finds them just as well.
 */
export class ElementSweep {
  readonly #index: ElementIndex
  readonly #live: LiveLabels
  readonly #use: SpaceUse
  /** Of `tables`. */
  #table = 0
  /** Where the next step begins. */
  #next: Buffer = Buffer.of(Table.names)
  /** The entry before that. */
  #before: Buffer = Buffer.alloc(0)
  #births: { object: number; ascending: Birth[] } = { object: -1, ascending: [] }
  #visited = 0

  constructor(index: ElementIndex, live: LiveLabels, use: SpaceUse) {
    this.#index = index
    this.#live = live
    this.#use = use
  }

  /** Entries looked at so far. */
  get visited(): number {
    return this.#visited
  }

  /** Looks at up to `entriesMax` entries; everything must be indexed. Changes nothing. */
  step(entriesMax: number): SweepFindings {
    const entries = this.#read(entriesMax)
    const found: SweepFindings = {
      dead: [],
      runs: [],
      unneeded: [],
      needed: [],
      isEnd: false,
    }
    for (const { key, value } of entries) {
      this.#visited++
      if (key[0] === Table.locations) this.#judgeLocation(key, value, found)
      else this.#judge(key, value, found)
      this.#before = key
    }
    // The first key behind the last one.
    this.#next = Buffer.concat([this.#before, Buffer.of(0)])
    if (entries.length < entriesMax) found.isEnd = !this.#nextTable()
    return found
  }

  /** Up to `entriesMax` elements of an object, with labels up to `label`. */
  elementsOf(
    object: ObjectId,
    label: Label | 0,
    entriesMax: number,
  ): Pick<SweepFindings, 'dead' | 'runs'> {
    const found: Pick<SweepFindings, 'dead' | 'runs'> = { dead: [], runs: [] }
    for (const table of [Table.names, Table.chunks, Table.attributes]) {
      const prefix = Buffer.alloc(objectPrefixBytes)
      writeObjectPrefix(prefix, 0, table, object)
      const cursor = this.#index.seek(prefix)
      while (!cursor.isAtEnd && startsWith(cursor.key, prefix) && found.dead.length < entriesMax) {
        const key = Buffer.from(cursor.key)
        const isOfIt = labelOfKey(key, key.length) <= label
        const run = isOfIt && table === Table.chunks ? runOf(key, cursor.value) : undefined
        if (isOfIt) found.dead.push(key)
        if (run !== undefined) found.runs.push(run)
        cursor.advance()
      }
    }
    return found
  }

  #nextTable(): boolean {
    const table = tables[++this.#table]
    if (table === undefined) return false
    this.#next = Buffer.of(table)
    this.#before = Buffer.alloc(0)
    return true
  }

  #read(entriesMax: number): { key: Buffer; value: Buffer }[] {
    const entries: { key: Buffer; value: Buffer }[] = []
    const cursor = this.#index.seek(this.#next)
    const table = tables[this.#table]
    while (!cursor.isAtEnd && cursor.key[0] === table && entries.length < entriesMax) {
      entries.push({ key: Buffer.from(cursor.key), value: Buffer.from(cursor.value) })
      cursor.advance()
    }
    return entries
  }

  #judge(key: Buffer, value: Buffer, found: SweepFindings): void {
    const label = labelOfKey(key, key.length)
    const lower = Math.max(this.#labelBefore(key), this.#bornAfter(objectOfKey(key, 0), label))
    const { first, end } = this.#live.between(lower, label)
    const run = key[0] === Table.chunks ? runOf(key, value) : undefined
    if (first < end) {
      const bytes = key.length + value.length + overheadBytes + (run?.bytes ?? 0)
      this.#use.add(first, end, bytes, 1)
      return
    }
    // Of what is damaged nobody knows whether it is what it says: it stays, for `check` to name.
    if (!isSound(key, value)) return
    found.dead.push(key)
    if (run !== undefined) found.runs.push(run)
  }

  #judgeLocation(key: Buffer, value: Buffer, found: SweepFindings): void {
    if (!isSound(key, value)) return
    const payload = checkedPayload(key, value)
    const location = readLocationValue(payload, payload.length)
    if (!location.isRetired) return
    const object = objectOfKey(key, 0)
    const { first, end } = this.#live.between(location.bornAfter, location.writtenAt)
    if (first < end) found.needed.push({ object, first, end })
    else found.unneeded.push(object)
  }

  /** Of the element before this one, if it is of the same address. */
  #labelBefore(key: Buffer): number {
    const before = this.#before
    const addressBytes = key.length - labelBytes
    const isSame =
      before.length === key.length && before.compare(key, 0, addressBytes, 0, addressBytes) === 0
    return isSame ? labelOfKey(before, before.length) : 0
  }

  /**
   * Of the object that had an element `label`. Where its inode number was used more than once, the attributes of a
   * later object are known by a birth after the label; those of an earlier one say too little, which is safe.
   */
  #bornAfter(object: ObjectId, label: number): number {
    if (this.#births.object !== object) {
      this.#births = { object, ascending: this.#readBirths(object) }
    }
    const { ascending } = this.#births
    const next = ascending.find((birth) => birth.label >= label)
    if (next !== undefined && next.bornAfter < label) return next.bornAfter
    return ascending.findLast((birth) => birth.label < label)?.bornAfter ?? 0
  }

  #readBirths(object: ObjectId): Birth[] {
    const ascending: Birth[] = []
    const prefix = Buffer.alloc(objectPrefixBytes)
    writeObjectPrefix(prefix, 0, Table.attributes, object)
    const cursor = this.#index.seek(prefix)
    while (!cursor.isAtEnd && startsWith(cursor.key, prefix)) {
      const { key, value } = cursor
      const payload = isSound(key, value) ? checkedPayload(key, value) : undefined
      const bornAfter = payload === undefined ? 0 : bornAfterOf(payload, payload.length)
      ascending.push({ label: labelOfKey(key, key.length), bornAfter })
      cursor.advance()
    }
    return ascending
  }
}

function runOf(key: Buffer, value: Buffer): DeadRun | undefined {
  if (!isSound(key, value)) return undefined
  const payload = checkedPayload(key, value)
  const { segment, dataOffset, dataBytes } = readChunkValue(payload, payload.length)
  return dataBytes > 0 ? { segment, offset: dataOffset, bytes: dataBytes } : undefined
}

function isSound(key: Buffer, value: Buffer): boolean {
  try {
    checkedPayload(key, value)
    return true
  } catch (error) {
    if (isErrno(error, 'EIO')) return false
    throw error
  }
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return (
    key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  )
}
