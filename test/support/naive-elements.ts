import type { Location, NameElement, PreservedAttributes } from '../../src/store/elements.js'

type Value = NameElement | PreservedAttributes | Location | Buffer

interface Entry {
  table: 'name' | 'attributes' | 'chunk' | 'location'
  object: number
  address: string | number
  label: number
  value: Value
}

/** The elements as one plain list, searched from end to end: so simple that it must be right. */
export class NaiveElements {
  readonly #entries: Entry[] = []
  readonly #drifts = new Map<number, readonly number[]>()

  put(entry: Entry): void {
    const same = this.#entries.findIndex(
      (other) => isAt(other, entry) && other.label === entry.label,
    )
    if (same >= 0) this.#entries.splice(same, 1)
    this.#entries.push(entry)
  }

  /** Whether what a snapshot of that label sees is here. */
  has(table: Entry['table'], object: number, address: string | number, label: number): boolean {
    const at = { table, object, address }
    return this.#entries.some((entry) => isAt(entry, at) && entry.label >= label)
  }

  /** What a snapshot of that label sees. */
  find(
    table: Entry['table'],
    object: number,
    address: string | number,
    label: number,
  ): Value | undefined {
    const found = this.#of(table, object, address)
      .filter((entry) => entry.label >= label)
      .sort((a, b) => a.label - b.label)[0]
    const drifts = table === 'attributes' || table === 'chunk' ? this.drifts(object) : []
    const isLost = drifts.some((drift) => drift >= label && (found?.label ?? 0) > drift)
    return isLost ? undefined : found?.value
  }

  setDrifts(object: number, labels: readonly number[]): void {
    this.#drifts.set(object, labels)
  }

  /** Snapshots up to one of these labels believe nothing that was preserved under a later one. */
  drifts(object: number): readonly number[] {
    return this.#drifts.get(object) ?? []
  }

  addresses(table: Entry['table'], object: number): Set<string | number> {
    const entries = this.#entries.filter(
      (entry) => entry.table === table && entry.object === object,
    )
    return new Set(entries.map((entry) => entry.address))
  }

  /** The value with the highest label below `label`. */
  before(table: Entry['table'], object: number, label: number): Value | undefined {
    return this.#of(table, object, 0)
      .filter((entry) => entry.label < label)
      .sort((a, b) => b.label - a.label)[0]?.value
  }

  #of(table: Entry['table'], object: number, address: string | number): Entry[] {
    return this.#entries.filter((entry) => isAt(entry, { table, object, address }))
  }
}

function isAt(entry: Entry, at: Pick<Entry, 'table' | 'object' | 'address'>): boolean {
  return entry.table === at.table && entry.object === at.object && entry.address === at.address
}
