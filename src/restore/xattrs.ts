import type { ByteString } from '../base/bytes.js'
import { fsErrorOf } from '../base/errno.js'
import type { Native } from '../base/native.js'

/** ACLs and file capabilities are among them. */
export type Xattrs = ReadonlyMap<ByteString, Buffer>

const noXattrs: Xattrs = new Map()

/** Of what is open, also as O_PATH. */
export function xattrsOf(native: Native, fd: number): Xattrs {
  const packed = native.listXattrPath(fd)
  if (typeof packed === 'number') {
    const error = fsErrorOf(packed, 'list xattrs')
    if (error.code === 'EOPNOTSUPP' || error.code === 'ENOSYS') return noXattrs
    throw error
  }
  const xattrs = new Map<ByteString, Buffer>()
  for (const name of packed.toString('latin1').split('\0')) {
    // xfs lists ACLs under a second name, to root.
    if (name === '' || name.startsWith('trusted.SGI_ACL_')) continue
    const value = native.getXattrPath(fd, name as ByteString)
    if (typeof value !== 'number') xattrs.set(name as ByteString, value)
    // Removed since it was listed.
    else if (fsErrorOf(value, '').code !== 'ENODATA') throw fsErrorOf(value, `read xattr ${name}`)
  }
  return xattrs
}

export function areEqualXattrs(a: Xattrs, b: Xattrs): boolean {
  if (a.size !== b.size) return false
  return [...a].every(([name, value]) => b.get(name)?.equals(value) === true)
}

/** Makes them those; what can't be set is thrown, after all others were tried. */
export function setXattrs(native: Native, fd: number, wanted: Xattrs): void {
  const present = xattrsOf(native, fd)
  const results: number[] = []
  for (const name of present.keys()) {
    if (!wanted.has(name)) results.push(native.removeXattrPath(fd, name))
  }
  for (const [name, value] of wanted) {
    if (present.get(name)?.equals(value) === true) continue
    results.push(native.setXattrPath(fd, name, value, 0))
  }
  const failed = results.find((result) => result < 0)
  if (failed !== undefined) throw fsErrorOf(failed, 'set xattrs')
}
