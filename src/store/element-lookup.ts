import {
  keyBytesMax,
  labelBytes,
  labelMax,
  labelOfKey,
  objectOfKey,
  objectPrefixBytes,
  writeObjectPrefix,
} from './element-keys.js'
import { checkedPayloadBytes, checksumBytes } from './element-values.js'
import type { ElementIndex, IndexCursor } from './element-index.js'
import { EmptyRanges } from './empty-ranges.js'
import { highestBelow, lowestFrom, type Address, type PendingPuts } from './pending-puts.js'

/** How many objects are remembered to have an entry in the index, per table. */
const knownObjectsMax = 4096
/** Entries of one address that are stepped over before seeking past them is cheaper. */
const stepsMax = 4

/**
 * Finds elements in what is pending and what is indexed, as if it were one. Values come out
 * checked, as payloads that are valid until the next call.
 */
export class ElementLookup {
  readonly #index: ElementIndex
  readonly #pending: PendingPuts
  readonly #objectKey = Buffer.alloc(objectPrefixBytes)
  readonly #scanKey = Buffer.alloc(keyBytesMax)
  /** By table: objects of which the index has no entry, and some of which it has one. */
  readonly #empty: EmptyRanges[] = []
  readonly #known: Set<number>[] = []

  constructor(index: ElementIndex, pending: PendingPuts) {
    this.#index = index
    this.#pending = pending
  }

  /** What is pending is about to be indexed. */
  noteIndexed(): void {
    this.#empty.forEach((empty, table) => {
      for (const object of this.#pending.objects(table)) empty.remove(object)
    })
  }

  /** Entries have been removed from the index. */
  noteRemoved(): void {
    this.#known.forEach((known) => {
      known.clear()
    })
  }

  /** Whether the address has an entry with a label at or above `label`; `key` is that of (address, label). */
  has(table: number, object: number, address: Address, label: number, key: Buffer): boolean {
    if (lowestFrom(this.#pending.at(table, object, address), label) !== undefined) return true
    const cursor = this.#seek(table, object, key)
    return cursor?.isAtEnd === false && isSameAddress(cursor.key, key)
  }

  /** The entry with exactly this key, in a table without labels and addresses. */
  get(table: number, object: number, key: Buffer): Buffer | undefined {
    const pending = this.#pending.at(table, object, 0)
    if (pending !== undefined) return withoutChecksum(this.#pending.valueOf(pending))
    const cursor = this.#seek(table, object, key)
    return cursor && checkedPayload(cursor.key, cursor.value)
  }

  /**
   * The entry of the address with the lowest label at or above `label`, if that is at most `labelLast`;
   * `key` is that of (address, label).
   */
  lowest(
    table: number,
    object: number,
    address: Address,
    label: number,
    labelLast: number,
    key: Buffer,
  ): Buffer | undefined {
    const pending = lowestFrom(this.#pending.at(table, object, address), label)
    if (pending?.label !== label) {
      const cursor = this.#seek(table, object, key)
      if (cursor?.isAtEnd === false && isSameAddress(cursor.key, key)) {
        const indexed = labelOfKey(cursor.key, cursor.key.length)
        if (indexed < (pending?.label ?? Infinity)) {
          return indexed <= labelLast ? checkedPayload(cursor.key, cursor.value) : undefined
        }
      }
    }
    if (pending === undefined || pending.label > labelLast) return undefined
    return withoutChecksum(this.#pending.valueOf(pending))
  }

  /**
   * The entry of the address with the highest label below `label`, and that label; `key` is that of
   * (address, label - 1).
   */
  highestBelow(
    table: number,
    object: number,
    address: Address,
    label: number,
    key: Buffer,
  ): { label: number; payload: Buffer } | undefined {
    const pending = highestBelow(this.#pending.at(table, object, address), label)
    if (this.isIndexed(table, object)) {
      const cursor = this.#index.seekBackward(key)
      if (!cursor.isAtEnd && isSameAddress(cursor.key, key)) {
        const indexed = labelOfKey(cursor.key, cursor.key.length)
        if (indexed > (pending?.label ?? -1)) {
          return { label: indexed, payload: checkedPayload(cursor.key, cursor.value) }
        }
      }
    }
    if (pending === undefined) return undefined
    return { label: pending.label, payload: withoutChecksum(this.#pending.valueOf(pending)) }
  }

  /**
   * Visits of each indexed address of one object, from `start` on, the entry with the lowest label
   * at or above `label`, in order, until the visitor says false. Pending ones are the caller's to
   * merge.
   */
  scanLowest(
    start: Buffer,
    label: number,
    visit: (key: Buffer, label: number, payload: () => Buffer) => boolean,
  ): void {
    const cursor = this.#index.seek(start)
    const payload = (): Buffer => checkedPayload(cursor.key, cursor.value)
    while (!cursor.isAtEnd && isSameObject(cursor.key, start)) {
      const { key } = cursor
      const keyLabel = labelOfKey(key, key.length)
      if (keyLabel < label) this.#seekLabel(cursor, label)
      else {
        if (!visit(key, keyLabel, payload)) return
        this.#stepOver(cursor)
      }
    }
  }

  /** The first indexed key of the object at or after `start`. */
  firstKey(start: Buffer): Buffer | undefined {
    const cursor = this.#index.seek(start)
    return !cursor.isAtEnd && isSameObject(cursor.key, start) ? cursor.key : undefined
  }

  /** Whether the index has any entry of the object in the table. Nearly free for most objects. */
  isIndexed(table: number, object: number): boolean {
    if (this.#empty[table]?.covers(object) === true) return false
    return this.#known[table]?.has(object) === true || this.#seekObject(table, object) !== undefined
  }

  /**
   * A cursor at the object's first entry at or after `key`, or beyond; undefined if it has none at
   * all.
   */
  #seek(table: number, object: number, key: Buffer): IndexCursor | undefined {
    if (this.#empty[table]?.covers(object) === true) return undefined
    if (this.#known[table]?.has(object) !== true) {
      const first = this.#seekObject(table, object)
      // Nearly always: most objects have one entry.
      if (first === undefined || first.key.compare(key) >= 0) return first
    }
    return this.#index.seek(key)
  }

  /** A cursor at the object's first entry, or undefined; remembers what that tells. */
  #seekObject(table: number, object: number): IndexCursor | undefined {
    writeObjectPrefix(this.#objectKey, 0, table, object)
    const cursor = this.#index.seek(this.#objectKey)
    const isLast = cursor.isAtEnd || cursor.key[0] !== table
    const next = isLast ? Infinity : objectOfKey(cursor.key, 0)
    const empty = (this.#empty[table] ??= new EmptyRanges())
    empty.add(object, next)
    if (next !== object) return undefined
    const known = (this.#known[table] ??= new Set())
    if (known.size >= knownObjectsMax) known.clear()
    known.add(object)
    return cursor
  }

  /** From an entry of an address to its first at or above `label`, or to the next address. */
  #seekLabel(cursor: IndexCursor, label: number): void {
    const { key } = cursor
    key.copy(this.#scanKey)
    this.#scanKey.writeUInt32BE(label, key.length - labelBytes)
    cursor.seek(this.#scanKey.subarray(0, key.length))
  }

  /** To the next address. */
  #stepOver(cursor: IndexCursor): void {
    const { key } = cursor
    for (let steps = 0; steps < stepsMax; steps++) {
      cursor.advance()
      if (cursor.isAtEnd || !isSameAddress(cursor.key, key)) return
    }
    this.#seekLabel(cursor, labelMax)
    if (!cursor.isAtEnd && isSameAddress(cursor.key, key)) cursor.advance()
  }
}

export function checkedPayload(key: Buffer, value: Buffer): Buffer {
  return value.subarray(0, checkedPayloadBytes(key, key.length, value, value.length))
}

/** Of a value that has never left this process. */
function withoutChecksum(value: Buffer): Buffer {
  return value.subarray(0, value.length - checksumBytes)
}

function isSameAddress(key: Buffer, other: Buffer): boolean {
  return key.length === other.length && startsAlike(key, other, key.length - labelBytes)
}

function isSameObject(key: Buffer, other: Buffer): boolean {
  return startsAlike(key, other, objectPrefixBytes)
}

function startsAlike(key: Buffer, other: Buffer, bytes: number): boolean {
  for (let at = 0; at < bytes; at++) if (key[at] !== other[at]) return false
  return true
}
