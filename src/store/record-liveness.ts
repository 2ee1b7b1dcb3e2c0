import type { ObjectId } from '../base/ids.js'
import {
  hasLabels,
  objectKeyBytes,
  objectOfKey,
  objectPrefixBytes,
  Table,
  writeLocationKey,
  writeObjectPrefix,
} from './element-keys.js'
import type { ElementIndex } from './element-index.js'
import { checksumBytes, isNowhere, readLocationValue } from './element-values.js'
import type { LiveLabels } from './live-labels.js'
import { NeededElements } from './needed-elements.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from './puts.js'
import type { VolumeElements } from './volume-elements.js'

/** What the body of a record is worth. */
export interface RecordWorth {
  isNeeded: boolean
  /** Objects of which it says that nothing is known any more, and is the last word. */
  forgets: ObjectId[]
  /** Objects that are forgotten and of which it says something all the same. */
  forgotten: ObjectId[]
}

/**
 * Tells which records of a journal nobody needs: those whose puts the index does not have any more, or has
 * replaced. Everything must be indexed.
 *
 * That an object was forgotten is the last that a journal says of it. It is needed as long as there is
 * anything else of the object, in the index or in the journal: without it a new index would have that
 * again, and a check miss what was freed.
 */
export class RecordLiveness {
  readonly #index: ElementIndex
  readonly #elements: VolumeElements
  /** What a snapshot needs is not given up, even if the index has lost it: a check will say so. */
  readonly #needed: NeededElements
  /** Forgotten objects of which something will stay in the journal. */
  readonly #kept = new Set<ObjectId>()
  /** Nobody knows of which objects something stays. */
  #isBlind = false

  constructor(index: ElementIndex, elements: VolumeElements, live: LiveLabels) {
    this.#index = index
    this.#elements = elements
    this.#needed = new NeededElements(index, elements, live)
  }

  /** The puts in [start, end). */
  judge(puts: Buffer, start: number, end: number): RecordWorth {
    const worth: RecordWorth = { isNeeded: false, forgets: [], forgotten: [] }
    for (let at = start; at < end; at = endOfPut(puts, at)) {
      const key = Buffer.from(puts.subarray(at + putHeaderBytes, valueStartOfPut(puts, at)))
      const value = puts.subarray(valueStartOfPut(puts, at), endOfPut(puts, at))
      const table = key[0] ?? Table.meta
      const indexed = this.#index.get(key)
      const object = objectOfKey(key, 0)
      if (table === Table.locations) {
        // A crash may have come after the index had lost what the journal still has.
        const isLast = indexed === undefined || indexed.equals(value)
        if (isLast && isForgetting(value)) worth.forgets.push(object)
        else if (indexed !== undefined && isLast) worth.isNeeded = true
        else if (indexed === undefined || isForgetting(indexed)) worth.forgotten.push(object)
      } else if (hasLabels(table)) {
        if (indexed !== undefined || this.#needed.has(key)) worth.isNeeded = true
        else if (this.#elements.isForgotten(object)) worth.forgotten.push(object)
      } else if (indexed === undefined || indexed.equals(value)) worth.isNeeded = true
    }
    worth.isNeeded ||= worth.forgets.some((object) => !this.#canForget(object))
    return worth
  }

  /** A record that stays. */
  keep({ forgotten, forgets }: Pick<RecordWorth, 'forgotten' | 'forgets'>): void {
    for (const object of forgotten) this.#kept.add(object)
    for (const object of forgets) this.#kept.add(object)
  }

  /** A stretch stays that can't be read. */
  keepUnread(): void {
    this.#isBlind = true
  }

  /** Keys of those of the objects of which nothing else has been said meanwhile. */
  stillForgotten(objects: readonly ObjectId[]): Buffer[] {
    return objects.flatMap((object) => {
      const key = Buffer.alloc(objectKeyBytes)
      writeLocationKey(key, 0, object)
      const value = this.#index.get(key)
      return value !== undefined && isForgetting(value) ? [key] : []
    })
  }

  #canForget(object: ObjectId): boolean {
    if (this.#isBlind || this.#kept.has(object)) return false
    return ![Table.names, Table.chunks, Table.attributes, Table.drifts].some((table) =>
      this.#hasAny(table, object),
    )
  }

  #hasAny(table: number, object: ObjectId): boolean {
    const prefix = Buffer.alloc(objectPrefixBytes)
    writeObjectPrefix(prefix, 0, table, object)
    const cursor = this.#index.seek(prefix)
    return !cursor.isAtEnd && cursor.key.subarray(0, prefix.length).equals(prefix)
  }
}

/** With its checksum. */
function isForgetting(value: Buffer): boolean {
  return isNowhere(readLocationValue(value, value.length - checksumBytes))
}
