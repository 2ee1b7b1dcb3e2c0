/** One entry of a tree as tree.py saw it. Times and inode numbers are decimal: they exceed 2^53. */
export interface TreeEntry {
  path: string
  mode: number
  uid: number
  gid: number
  mtime: string
  ctime: string
  nlink: number
  ino: string
  dev: string
  xattrs: Record<string, string>
  /** What contradicts itself: a directory listing that tells another inode or type than stat. */
  wrong: string[]
  size?: number
  blocks?: number
  bytes?: string
  target?: string
  rdev?: number
}

const directory = 0o040000
const typeMask = 0o170000

export function isDirectoryEntry(entry: TreeEntry): boolean {
  return (entry.mode & typeMask) === directory
}

/**
 * How far st_blocks (512 bytes each) may be apart. The data's blocks must be the same; but a file
 * system may add a metadata block of its own (ext4: the first leaf of an extent tree, 4 KiB) when it
 * writes the file out, which may happen at any time between the two looks.
 */
const blocksTolerance = 8

export type Aspect = 'mtime' | 'ctime' | 'blocks' | 'linkGroups' | 'linkCounts' | 'listing'

/** Compares what must be equal; `without` leaves aspects out that the two trees can't share. */
export function differencesOf(
  got: readonly TreeEntry[],
  wanted: readonly TreeEntry[],
  without: readonly Aspect[] = [],
): string[] {
  const differences: string[] = []
  const gotByPath = new Map(got.map((entry) => [entry.path, entry]))
  const wantedByPath = new Map(wanted.map((entry) => [entry.path, entry]))
  const gotGroups = linkGroups(got)
  const wantedGroups = linkGroups(wanted)
  for (const entry of got) {
    if (!without.includes('listing')) {
      for (const wrong of entry.wrong) differences.push(`${shown(entry)}: ${wrong}`)
    }
    if (!wantedByPath.has(entry.path)) differences.push(`${shown(entry)}: must not exist`)
  }
  for (const entry of wanted) {
    const other = gotByPath.get(entry.path)
    if (other === undefined) {
      differences.push(`${shown(entry)}: missing`)
      continue
    }
    const note = (what: string, is: unknown, must: unknown) => {
      if (is !== must)
        differences.push(`${shown(entry)}: ${what} is ${text(is)}, not ${text(must)}`)
    }
    note('mode', other.mode.toString(8), entry.mode.toString(8))
    note('uid', other.uid, entry.uid)
    note('gid', other.gid, entry.gid)
    note('size', other.size, entry.size)
    note('content', other.bytes, entry.bytes)
    note('target', other.target, entry.target)
    note('device', other.rdev, entry.rdev)
    note('xattrs', xattrText(other), xattrText(entry))
    if (!without.includes('mtime')) note('mtime', other.mtime, entry.mtime)
    if (!without.includes('ctime')) note('ctime', other.ctime, entry.ctime)
    if (!without.includes('linkGroups')) {
      note('link group', gotGroups.get(other.ino), wantedGroups.get(entry.ino))
    }
    // A root is a special case: what the store keeps there is hidden but counted.
    if (!without.includes('linkCounts') && entry.path !== '') {
      note('link count', other.nlink, entry.nlink)
    }
    if (!without.includes('blocks')) {
      const apart = Math.abs((other.blocks ?? 0) - (entry.blocks ?? 0))
      if (apart > blocksTolerance) note('blocks', other.blocks, entry.blocks)
    }
  }
  return differences
}

/** For each inode with several names among the entries: those names. */
function linkGroups(entries: readonly TreeEntry[]): Map<string, string> {
  const paths = new Map<string, string[]>()
  for (const entry of entries) {
    if (isDirectoryEntry(entry)) continue
    paths.set(entry.ino, [...(paths.get(entry.ino) ?? []), JSON.stringify(entry.path)])
  }
  return new Map([...paths].map(([ino, group]) => [ino, group.sort().join(' = ')]))
}

function shown(entry: TreeEntry): string {
  return JSON.stringify(entry.path)
}

function text(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value)
}

function xattrText(entry: TreeEntry): string {
  return JSON.stringify(Object.entries(entry.xattrs).sort())
}

/** At most `max` of them, one a line. */
export function summary(differences: readonly string[], max = 12): string {
  const rest = differences.length - max
  const more = rest > 0 ? [`... and ${rest} more`] : []
  return [...differences.slice(0, max), ...more].join('\n')
}
