import { existsSync, openSync, readdirSync, readFileSync, lstatSync, readlinkSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { FileType } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { native } from '../../src/base/native.js'
import { O } from '../../src/base/open-flags.js'
import type { ViewDriver } from './view-driver.js'

/** A tree as plain values: path -> everything that a snapshot must keep of what stands there. */
export type TreeValues = Map<string, string>

/** The origin itself, read by node:fs: what the live view has, and so what a snapshot cut now must show. */
export function valuesOfOrigin(root: string): TreeValues {
  const values: TreeValues = new Map()
  const groups = new Map<number, string>()
  const walk = (path: string): void => {
    for (const name of readdirSync(bytesOfPath(root, path), { encoding: 'latin1' }).sort()) {
      if (path === '' && name === '.bygone') continue
      const below = path === '' ? name : `${path}/${name}`
      const full = bytesOfPath(root, below)
      const stat = lstatSync(full, { bigint: true })
      const isDirectory = stat.isDirectory()
      const group = groups.get(Number(stat.ino)) ?? below
      groups.set(Number(stat.ino), group)
      const content = stat.isFile()
        ? digests(readFileSync(full))
        : stat.isSymbolicLink()
          ? readlinkSync(full, { encoding: 'latin1' })
          : ''
      values.set(
        below,
        JSON.stringify({
          mode: Number(stat.mode),
          owner: [Number(stat.uid), Number(stat.gid)],
          mtime: stat.mtimeNs.toString(),
          size: isDirectory ? 0 : Number(stat.size),
          links: isDirectory ? 0 : Number(stat.nlink) - retiredLinks(root, stat.ino),
          group: isDirectory ? below : group,
          xattrs: stat.isSymbolicLink() ? {} : xattrsOf(full),
          content,
        }),
      )
      if (isDirectory) walk(below)
    }
  }
  walk('')
  return values
}

/** The same of a directory of a view, by the file system interface alone. */
export function valuesOfView(driver: ViewDriver, root: string): TreeValues {
  const values: TreeValues = new Map()
  const groups = new Map<string, string>()
  const walk = (path: string): void => {
    for (const name of driver.list(join(root, path))) {
      // The snapshots are no part of the live tree.
      if (root === '' && path === '' && name.startsWith('@GMT-')) continue
      const below = path === '' ? name : `${path}/${name}`
      const full = root === '' ? below : `${root}/${below}`
      const found = driver.find(full)
      if (found === undefined) {
        values.set(below, 'listed, but not found')
        continue
      }
      const { attributes } = found
      const type = attributes.mode & FileType.mask
      const isDirectory = type === FileType.directory
      const number = `${attributes.inoHigh}:${attributes.inoLow}`
      const group = groups.get(number) ?? below
      groups.set(number, group)
      const content =
        type === FileType.regular
          ? digests(driver.read(full))
          : type === FileType.symlink
            ? driver.readlink(full)
            : ''
      values.set(
        below,
        JSON.stringify({
          mode: attributes.mode,
          owner: [attributes.uid, attributes.gid],
          mtime: (
            BigInt(attributes.mtimeSec) * 10n ** 9n +
            BigInt(attributes.mtimeNsec)
          ).toString(),
          size: isDirectory ? 0 : attributes.sizeBytes,
          links: isDirectory ? 0 : attributes.nlink,
          group: isDirectory ? below : group,
          xattrs: type === FileType.symlink ? {} : driver.xattrs(full),
          content,
        }),
      )
      if (isDirectory) walk(below)
    }
  }
  walk('')
  return values
}

/** Where two trees differ, a line each; empty if they are equal. */
export function differences(expected: TreeValues, actual: TreeValues): string[] {
  const lines: string[] = []
  for (const [path, value] of expected) {
    const other = actual.get(path)
    if (other !== value) lines.push(`${path}: expected ${value}, got ${other ?? 'nothing'}`)
  }
  for (const path of actual.keys()) if (!expected.has(path)) lines.push(`${path}: not expected`)
  return lines
}

/** A file that a snapshot needs may have one link more, in the retired directory, which the live tree does not show. */
function retiredLinks(root: string, ino: bigint): number {
  return existsSync(join(root, '.bygone', 'retired', ino.toString(16))) ? 1 : 0
}

/** A short digest of each 4 KiB: a difference tells where it is. */
function digests(bytes: Buffer): string {
  const parts: string[] = []
  for (let offset = 0; offset < bytes.length; offset += 4096) {
    const hash = createHash('sha256').update(bytes.subarray(offset, offset + 4096))
    parts.push(hash.digest('hex').slice(0, 8))
  }
  return parts.join(' ')
}

/** Names are bytes, of which not all are UTF-8. */
function bytesOfPath(root: string, path: string): Buffer {
  return Buffer.from(join(root, path), 'latin1')
}

function xattrsOf(path: Buffer): Record<string, string> {
  const addon = native()
  const fd = openSync(path, O.PATH | O.NOFOLLOW)
  const list = addon.listXattrPath(fd)
  const found: Record<string, string> = {}
  const names = typeof list === 'number' ? [] : list.toString('latin1').split('\0')
  for (const name of names.filter((each) => each.startsWith('user.'))) {
    const value = addon.getXattrPath(fd, name as ByteString)
    if (typeof value !== 'number') found[name] = value.toString()
  }
  addon.close(fd)
  return found
}
