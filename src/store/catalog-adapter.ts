import type { SyncAdapter } from 'lowdb'
import { checkedCatalog } from './catalog-check.js'
import { CatalogCopy } from './catalog-copy.js'
import { catalogFormat, type CatalogData } from './catalog-data.js'
import { CatalogText } from './catalog-text.js'
import type { Disk } from './disk.js'
import { DurableJsonFile } from './durable-json-file.js'
import { FieldError } from './field-check.js'
import { unsealed } from './sealed-json.js'

export const catalogFile = 'catalog.json'
/** Catalogs of this version and newer ones have a checksum. */
const sealedSince = 4

/** catalog.json, and its copy. */
export class CatalogAdapter implements SyncAdapter<CatalogData> {
  readonly #file: DurableJsonFile<CatalogData>
  readonly #copy: CatalogCopy
  #snapshotCount = 0

  constructor(disk: Disk, storeDirectory: string) {
    const text = new CatalogText().of
    this.#file = new DurableJsonFile<CatalogData>(disk, storeDirectory, catalogFile, text)
    this.#copy = new CatalogCopy(disk, storeDirectory)
  }

  /** Throws SyntaxError. */
  read(): CatalogData | null {
    return this.#file.read()
  }

  /** It is as before there were checksums: what else lies there says nothing of that. */
  isUnsealed(): boolean {
    const { format, version } = this.#file.readUnsealed() ?? {}
    return format === catalogFormat && Number(version) < sealedSince
  }

  /** Undefined: it is not there, or of no use. */
  readCopy(): CatalogData | undefined {
    try {
      return checkedCatalog(unsealed(this.#copy.read() ?? ''))
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof FieldError) return undefined
      throw error
    }
  }

  /** Who has read it says what. */
  noteRead(data: CatalogData): void {
    this.#snapshotCount = snapshotsIn(data)
  }

  write(data: CatalogData): void {
    const text = this.#file.textOf(data)
    const count = snapshotsIn(data)
    // What is deleted may be swept once this returns: a copy must not have it then.
    const isDeletion = count < this.#snapshotCount
    if (isDeletion) this.#copy.write(text, true)
    this.#file.replace(text)
    if (!isDeletion) this.#copy.write(text, false)
    this.#snapshotCount = count
  }

  /** As it should be, should a crash have taken it. */
  renewCopy(data: CatalogData): void {
    const text = this.#file.textOf(data)
    if (this.#copy.read()?.trimEnd() !== text.trimEnd()) this.#copy.write(text, false)
  }
}

export function snapshotsIn({ volumes }: CatalogData): number {
  return volumes.reduce((count, { snapshots }) => count + snapshots.length, 0)
}
