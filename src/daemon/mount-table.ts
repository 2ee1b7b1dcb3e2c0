import { readFileSync } from 'node:fs'

/** A line of /proc/self/mountinfo, see proc(5). Paths are text; what is not UTF-8 in them is lost. */
export interface MountEntry {
  mountId: number
  /** `major:minor` of the mounted file system, its st_dev. */
  device: string
  mountPoint: string
  /** Options of this mount alone: `rw`, `nosuid`, ... */
  options: readonly string[]
  type: string
  source: string
  /** Options of the file system: `user_id=0`, `allow_other`, ... */
  superOptions: readonly string[]
}

export const fuseType = 'fuse.bygone'
/** The snapshots of several volumes in one tree: no volume. */
export const groupType = 'fuse.bygone-group'

/** In the kernel's order: of two mounts at one point, the later one is on top. */
export function parseMountTable(text: string): MountEntry[] {
  return text
    .split('\n')
    .map(parseLine)
    .filter((entry) => entry !== undefined)
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ')
  // Between the fixed fields and the type stand any number of optional ones, then a hyphen.
  const hyphen = fields.indexOf('-', 6)
  const [mountId, , device, , mountPoint, options] = fields
  const [type, source, superOptions] = fields.slice(hyphen + 1)
  if (hyphen < 0 || mountId === undefined || device === undefined || mountPoint === undefined) {
    return undefined
  }
  return {
    mountId: Number(mountId),
    device,
    mountPoint: unescaped(mountPoint),
    options: (options ?? '').split(','),
    type: unescaped(type ?? ''),
    source: unescaped(source ?? ''),
    superOptions: (superOptions ?? '').split(','),
  }
}

/** Blanks, backslashes and `#` are written as three octal digits, of the byte and not of the character. */
function unescaped(field: string): string {
  if (!field.includes('\\')) return field
  const bytes = Buffer.from(field, 'utf8')
    .toString('latin1')
    .replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

export function readMountTable(): MountEntry[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The topmost mount at exactly this path. */
export function mountAt(table: readonly MountEntry[], path: string): MountEntry | undefined {
  return table.findLast((entry) => entry.mountPoint === path)
}

/** The mount that a path without symbolic links leads into. */
export function mountAround(table: readonly MountEntry[], path: string): MountEntry | undefined {
  let found: MountEntry | undefined
  for (const entry of table) {
    // What is mounted over the root directory itself covers no path that starts there.
    if (entry.mountPoint === '/' && found !== undefined) continue
    const isDeeper = found === undefined || entry.mountPoint.length >= found.mountPoint.length
    if (isDeeper && isInside(path, entry.mountPoint)) found = entry
  }
  return found
}

/** Whose mount it is: the user whose daemon answers it. */
export function mountOwner(entry: MountEntry): number {
  const option = entry.superOptions.find((each) => each.startsWith('user_id='))
  return Number(option?.slice('user_id='.length) ?? 0)
}

/** Whether an absolute, normal path is `directory` itself or below it. */
export function isInside(path: string, directory: string): boolean {
  if (path === directory || directory === '/') return true
  return path.startsWith(`${directory}/`)
}
