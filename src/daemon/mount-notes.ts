import { isInside, type MountEntry } from './mount-table.js'

/** Said once: later nothing tells an empty directory from one that only looks so. */
export function notesOfMounts(origin: string, table: readonly MountEntry[]): string[] {
  const inside = table
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint !== origin && isInside(mountPoint, origin))
  const [first, ...others] = [...new Set(inside)].sort()
  if (first === undefined) return []
  const more = others.length === 0 ? 'is' : `and ${others.length} more below ${origin} are`
  return [`${first} ${more} of another file system: the mount shows an empty directory there`]
}
