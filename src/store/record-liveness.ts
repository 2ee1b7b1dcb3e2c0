import { hasLabels, Table } from './element-keys.js'
import type { ElementIndex } from './element-index.js'
import { checksumBytes, isNowhere, readLocationValue } from './element-values.js'
import type { LiveLabels } from './live-labels.js'
import { NeededElements } from './needed-elements.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from './puts.js'
import type { VolumeElements } from './volume-elements.js'

/**
 * Tells which records of a journal nobody needs: those whose puts the index does not have any more, or has
 * replaced. Everything must be indexed.
 *
 * That an object was forgotten stays for good: an index that is built anew would else have again what was said of it
 * before, and its file, if a crash has left that, would be nobody's.
 */
export class RecordLiveness {
  readonly #index: ElementIndex
  /** What a snapshot needs is not given up, even if the index has lost it: a check will say so. */
  readonly #needed: NeededElements

  constructor(index: ElementIndex, elements: VolumeElements, live: LiveLabels) {
    this.#index = index
    this.#needed = new NeededElements(index, elements, live)
  }

  /** Whether anybody needs one of the puts in [start, end). */
  isNeeded(puts: Buffer, start: number, end: number): boolean {
    for (let at = start; at < end; at = endOfPut(puts, at)) {
      const key = Buffer.from(puts.subarray(at + putHeaderBytes, valueStartOfPut(puts, at)))
      const value = puts.subarray(valueStartOfPut(puts, at), endOfPut(puts, at))
      if (this.#isPutNeeded(key, value)) return true
    }
    return false
  }

  #isPutNeeded(key: Buffer, value: Buffer): boolean {
    const table = key[0] ?? Table.meta
    const indexed = this.#index.get(key)
    if (hasLabels(table)) return indexed !== undefined || this.#needed.has(key)
    // Of an object it is the last that counts.
    if (indexed === undefined || indexed.equals(value)) return true
    return table === Table.locations && isForgetting(value)
  }
}

/** With its checksum. */
function isForgetting(value: Buffer): boolean {
  return isNowhere(readLocationValue(value, value.length - checksumBytes))
}
