import { statSync } from 'node:fs'
import { mountOwner, readMountTable } from './mount-table.js'
import type { FoundVolume } from './volume-finder.js'

/** The uid of the user whose daemon serves the volume, or would. */
export function ownerOf(found: FoundVolume): number {
  switch (found.state) {
    case 'mounted': {
      // The store may lie below the mount, where nobody sees it.
      const entry = readMountTable().findLast(({ device }) => device === found.summary.device)
      return entry === undefined ? (process.geteuid?.() ?? 0) : mountOwner(entry)
    }
    case 'unmounted':
      return statSync(found.store).uid
    case 'stale':
      return mountOwner(found.entry)
  }
}
