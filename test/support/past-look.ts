import { createHash } from 'node:crypto'
import { FileType } from '../../src/base/attributes.js'
import { isErrno } from '../../src/base/errno.js'
import type { ViewDriver } from './view-driver.js'

export const lost = 'EIO'

/** One path of a snapshot as it reads: each part is a value, or `lost`. */
export interface Seen {
  attributes: string
  /** Of a directory: whether its listing ends well. Of a file: a digest of each 4 KiB. */
  content: readonly string[]
}

export type Look = Map<string, Seen>

/** All of a snapshot, by path; what can't be read is `lost`. */
export function lookAtPast(driver: ViewDriver, snapshot: string): Look {
  const look: Look = new Map()
  const walk = (path: string): void => {
    const full = path === '' ? snapshot : `${snapshot}/${path}`
    const attributes = orLost(() => attributesText(driver, full))
    const mode = orLost(() => String(driver.find(full)?.attributes.mode))
    const type = mode === lost ? 0 : Number(mode) & FileType.mask
    if (type !== FileType.directory) {
      look.set(path, { attributes, content: contentOf(driver, full, type) })
      return
    }
    const { names, isWhole } = driver.listLeft(full)
    look.set(path, { attributes, content: [isWhole ? 'whole' : lost] })
    for (const name of names) walk(path === '' ? name : `${path}/${name}`)
  }
  walk('')
  return look
}

function contentOf(driver: ViewDriver, path: string, type: number): string[] {
  if (type === FileType.symlink) return [orLost(() => driver.readlink(path))]
  if (type !== FileType.regular) return [lost]
  const opened = orLost(() => String(driver.find(path)?.attributes.sizeBytes))
  if (opened === lost) return [lost]
  const parts: string[] = []
  for (let offset = 0; offset < Number(opened); offset += 4096) {
    parts.push(
      orLost(() => {
        const bytes = driver.readAt(path, offset, Math.min(4096, Number(opened) - offset))
        return createHash('sha256').update(bytes).digest('hex').slice(0, 8)
      }),
    )
  }
  return parts
}

function attributesText(driver: ViewDriver, path: string): string {
  const found = driver.find(path)
  if (found === undefined) return 'absent'
  const { mode, uid, gid, sizeBytes, mtimeSec, mtimeNsec, nlink } = found.attributes
  const isDirectory = (mode & FileType.mask) === FileType.directory
  const isLink = (mode & FileType.mask) === FileType.symlink
  const rest = isDirectory ? [] : [sizeBytes, nlink]
  const xattrs = isLink ? {} : driver.xattrs(path)
  return JSON.stringify([mode, uid, gid, mtimeSec, mtimeNsec, ...rest, xattrs])
}

function orLost(look: () => string): string {
  try {
    return look()
  } catch (error) {
    if (isErrno(error, 'EIO')) return lost
    throw error
  }
}
