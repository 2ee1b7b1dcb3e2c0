import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What a crash may leave of a store that nobody has open: a journal that ends inside a record, which only
 * a volume that was not closed can have; or no index, which all can do without.
 */
export function damageStore(store: string, what: { isTorn: boolean; isIndexLost: boolean }): void {
  const volumes = join(store, 'volumes')
  // The first mount may have got no further than the catalog.
  for (const id of existsSync(volumes) ? readdirSync(volumes) : []) {
    const journal = join(volumes, id, 'journal')
    const segments = readdirSync(journal).filter((name) => name.endsWith('.seg'))
    const newest = segments.sort().at(-1)
    if (what.isTorn && newest !== undefined) {
      appendFileSync(join(journal, newest), 'BREC and no more')
    }
    if (what.isIndexLost) rmSync(join(volumes, id, 'index'), { recursive: true, force: true })
  }
}
