import { isErrno } from '../base/errno.js'
import type { ObjectId } from '../base/ids.js'
import { bornAfterOf } from './attributes-value.js'
import {
  hasLabels,
  labelBytes,
  labelMax,
  labelOfKey,
  objectOfKey,
  objectPrefixBytes,
  Table,
  writeObjectPrefix,
} from './element-keys.js'
import type { ElementIndex } from './element-index.js'
import { checkedPayloadBytes } from './element-values.js'
import type { LiveLabels } from './live-labels.js'
import type { VolumeElements } from './volume-elements.js'

/**
 * Elements of an object up to the label are of a file that was removed for good; its inode number may be in use
 * again. 0: of none.
 */
export type ForgottenUpTo = (object: ObjectId) => number

/** Tells which elements of an index a snapshot still needs: a sweep may have taken others away. */
export class NeededElements {
  readonly #index: ElementIndex
  readonly #elements: VolumeElements
  readonly #live: LiveLabels
  readonly #forgottenUpTo: ForgottenUpTo

  /** `forgottenUpTo`: without it such elements may count as needed. */
  constructor(
    index: ElementIndex,
    elements: VolumeElements,
    live: LiveLabels,
    forgottenUpTo: ForgottenUpTo = () => 0,
  ) {
    this.#index = index
    this.#elements = elements
    this.#live = live
    this.#forgottenUpTo = forgottenUpTo
  }

  has(key: Buffer): boolean {
    return this.neededBy(key) !== undefined
  }

  /**
   * The labels (after, upTo] among which are those of the snapshots that need it; undefined: none does. It may be more
   * than do: when the object was born is not always known.
   */
  neededBy(key: Buffer): { after: number; upTo: number } | undefined {
    if (!hasLabels(key[0] ?? Table.meta)) return { after: 0, upTo: labelMax }
    const object = objectOfKey(key, 0)
    // It was removed for good, and with it all that was known of it.
    if (this.#elements.isForgotten(object)) return undefined
    const label = labelOfKey(key, key.length)
    if (label <= this.#forgottenUpTo(object)) return undefined
    const after = Math.max(this.#labelBelow(key, label), this.#bornAfter(object, label))
    const upTo = Math.min(label, this.#knownUpTo(key, object, label))
    return this.#live.isNeeded(after, upTo) ? { after, upTo } : undefined
  }

  /**
   * What changes a file's bytes or a directory's names changes its attributes, so a snapshot that needs these has
   * attributes of the time before too: where there are none, with a label at or below, the object was not known
   * then, and what told so may be freed. Of what was changed unseen nothing follows.
   */
  #knownUpTo(key: Buffer, object: ObjectId, label: number): number {
    if (key[0] === Table.attributes || this.#elements.drifts(object).length > 0) return label
    const below = Buffer.alloc(objectPrefixBytes + labelBytes)
    below.writeUInt32BE(label, writeObjectPrefix(below, 0, Table.attributes, object))
    const cursor = this.#index.seekBackward(below)
    const isOfIt =
      !cursor.isAtEnd &&
      cursor.key.length === below.length &&
      cursor.key.compare(below, 0, objectPrefixBytes, 0, objectPrefixBytes) === 0
    return isOfIt ? labelOfKey(cursor.key, cursor.key.length) : 0
  }

  /** Of the next lower element of the same address; 0: there is none. */
  #labelBelow(key: Buffer, label: number): number {
    if (label === 0) return 0
    const below = Buffer.from(key)
    below.writeUInt32BE(label - 1, key.length - labelBytes)
    const cursor = this.#index.seekBackward(below)
    if (cursor.isAtEnd || cursor.key.length !== key.length) return 0
    const addressBytes = key.length - labelBytes
    const isSame = cursor.key.compare(key, 0, addressBytes, 0, addressBytes) === 0
    return isSame ? labelOfKey(cursor.key, cursor.key.length) : 0
  }

  /** Where the inode number was used more than once: of the object that had an element `label` (ElementSweep). */
  #bornAfter(object: ObjectId, label: number): number {
    let below = 0
    const prefix = Buffer.alloc(objectPrefixBytes)
    writeObjectPrefix(prefix, 0, Table.attributes, object)
    const cursor = this.#index.seek(prefix)
    while (
      !cursor.isAtEnd &&
      cursor.key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
    ) {
      const at = labelOfKey(cursor.key, cursor.key.length)
      const bornAfter = bornAfterIn(cursor.key, cursor.value)
      if (at >= label) return bornAfter < label ? bornAfter : below
      below = bornAfter
      cursor.advance()
    }
    return below
  }
}

function bornAfterIn(key: Buffer, value: Buffer): number {
  try {
    return bornAfterOf(value, checkedPayloadBytes(key, key.length, value, value.length))
  } catch (error) {
    if (isErrno(error, 'EIO')) return 0
    throw error
  }
}
