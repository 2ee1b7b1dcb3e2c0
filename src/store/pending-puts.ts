import type { ByteString } from '../base/bytes.js'
import { chunkOfKey, hasLabels, labelOfKey, nameOfKey, objectOfKey, Table } from './element-keys.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from './puts.js'

/**
 * What tells elements of one object and table apart: a name, a chunk's number, or 0 where there is
 * one address only.
 */
export type Address = ByteString | number

export interface PendingEntry {
  /** 0 where the table has no labels. */
  label: number
  /** The value, with its checksum, in the puts. */
  start: number
  end: number
  /**
   * Others of the same address, in no order. Nearly always none: a label is new for as long as a
   * snapshot is the newest.
   */
  next: PendingEntry | undefined
}

/** Puts that are in the journal and not yet in the index, findable like those that are. */
export class PendingPuts {
  #puts: Buffer = Buffer.allocUnsafeSlow(1 << 16)
  #end = 0
  #count = 0
  /** By table, object, address. */
  #tables = newTables()

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#end
  }

  /** A run of puts (puts.ts), [0, bytes) of it. */
  get puts(): Buffer {
    return this.#puts
  }

  /** Copies the run of puts at [start, end) of `from`. */
  add(from: Buffer, start: number, end: number): void {
    this.#reserve(end - start)
    from.copy(this.#puts, this.#end, start, end)
    const runEnd = this.#end + end - start
    while (this.#end < runEnd) {
      const putEnd = endOfPut(this.#puts, this.#end)
      this.#enter(this.#end + putHeaderBytes, valueStartOfPut(this.#puts, this.#end), putEnd)
      this.#end = putEnd
      this.#count++
    }
  }

  /** The entries of one address. */
  at(table: number, object: number, address: Address): PendingEntry | undefined {
    if (this.#count === 0) return undefined
    return this.#tables[table]?.get(object)?.get(address)
  }

  /** All entries of one object in one table, by address. */
  of(table: number, object: number): ReadonlyMap<Address, PendingEntry> | undefined {
    if (this.#count === 0) return undefined
    return this.#tables[table]?.get(object)
  }

  objects(table: number): Iterable<number> {
    return this.#tables[table]?.keys() ?? []
  }

  valueOf(entry: PendingEntry): Buffer {
    return this.#puts.subarray(entry.start, entry.end)
  }

  clear(): void {
    if (this.#count === 0) return
    this.#end = 0
    this.#count = 0
    this.#tables = newTables()
  }

  #enter(keyStart: number, start: number, end: number): void {
    const key = this.#puts
    const table = key[keyStart] ?? 0
    const object = objectOfKey(key, keyStart)
    const label = hasLabels(table) ? labelOfKey(key, start) : 0
    const byAddress = this.#addressesOf(table, object)
    const address = this.#addressOf(table, keyStart, start)
    const first = byAddress.get(address)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (entry.label !== label) continue
      entry.start = start
      entry.end = end
      return
    }
    byAddress.set(address, { label, start, end, next: first })
  }

  #addressOf(table: number, keyStart: number, keyEnd: number): Address {
    if (table === Table.names) return nameOfKey(this.#puts, keyStart, keyEnd)
    if (table === Table.chunks) return chunkOfKey(this.#puts, keyStart)
    return 0
  }

  #addressesOf(table: number, object: number): Map<Address, PendingEntry> {
    const byObject = this.#tables[table]
    if (byObject === undefined) throw new Error(`no table ${table}`)
    let byAddress = byObject.get(object)
    if (byAddress === undefined) {
      byAddress = new Map()
      byObject.set(object, byAddress)
    }
    return byAddress
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes
    if (needed <= this.#puts.length) return
    const larger = Buffer.allocUnsafeSlow(needed * 2)
    this.#puts.copy(larger, 0, 0, this.#end)
    this.#puts = larger
  }
}

function newTables(): Map<number, Map<Address, PendingEntry>>[] {
  return Object.values(Table).map(() => new Map<number, Map<Address, PendingEntry>>())
}

/** The entry with the lowest label at or above `label`: what a snapshot of that label sees. */
export function lowestFrom(
  first: PendingEntry | undefined,
  label: number,
): PendingEntry | undefined {
  let best: PendingEntry | undefined
  for (let entry = first; entry !== undefined; entry = entry.next) {
    if (entry.label >= label && (best === undefined || entry.label < best.label)) best = entry
  }
  return best
}

/** The entry with the highest label below `label`. */
export function highestBelow(
  first: PendingEntry | undefined,
  label: number,
): PendingEntry | undefined {
  let best: PendingEntry | undefined
  for (let entry = first; entry !== undefined; entry = entry.next) {
    if (entry.label < label && (best === undefined || entry.label > best.label)) best = entry
  }
  return best
}
