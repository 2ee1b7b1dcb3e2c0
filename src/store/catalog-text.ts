import type { CatalogData, VolumeRecord } from './catalog-data.js'
import type { SnapshotRecord } from './snapshot-record.js'

/**
 * The catalog as JSON, a line for each snapshot. A snapshot is added to a thousand others by writing all of
 * them anew, so that the text of each is made once: records are replaced, never changed.
 */
export class CatalogText {
  readonly #known = new WeakMap<SnapshotRecord, string>()

  readonly of = (data: CatalogData): string => {
    const { volumes, ...head } = data
    return listLast(head, 'volumes', volumes.map(this.#volume))
  }

  readonly #volume = ({ snapshots, ...head }: VolumeRecord): string =>
    listLast(head, 'snapshots', snapshots.map(this.#snapshot))

  readonly #snapshot = (record: SnapshotRecord): string => {
    const known = this.#known.get(record)
    if (known !== undefined) return known
    const text = JSON.stringify(record)
    this.#known.set(record, text)
    return text
  }
}

/** An object with one more field: a list of what is text already. */
function listLast(head: object, name: string, items: readonly string[]): string {
  const fields = JSON.stringify(head, null, 2).slice(0, -2)
  return `${fields},\n  ${JSON.stringify(name)}: [\n${items.join(',\n')}\n  ]\n}`
}
