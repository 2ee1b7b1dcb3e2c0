import { fstatSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { fsErrorOf } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'

/** What is under a name. */
export interface Facts {
  stat: BigIntStats
  /** S_IFMT bits. */
  type: number
}

export function isDirectory(facts: Facts | undefined): boolean {
  return facts?.type === FileType.directory
}

/** Undefined: there is nothing. A link is not followed. */
export function factsAt(native: Native, dirFd: number, name: ByteString): Facts | undefined {
  const fd = native.openAt(dirFd, name, O.PATH | O.NOFOLLOW, 0)
  if (fd < 0) {
    const error = fsErrorOf(fd, 'look')
    if (error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    return factsOf(fd)
  } finally {
    native.close(fd)
  }
}

export function factsOf(fd: number): Facts {
  const stat = fstatSync(fd, { bigint: true })
  return { stat, type: Number(stat.mode) & FileType.mask }
}

export function permissionsOf({ stat }: Facts): number {
  return Number(stat.mode) & 0o7777
}

/** Those that can be set; the change time can't. */
export type AttributeName = 'mode' | 'owner' | 'times' | 'xattrs'

/** All but xattrs. A symbolic link's mode means nothing. */
export function attributeDifferences(past: Facts, live: Facts): AttributeName[] {
  const names: AttributeName[] = []
  const isLink = past.type === FileType.symlink
  if (!isLink && permissionsOf(past) !== permissionsOf(live)) names.push('mode')
  if (past.stat.uid !== live.stat.uid || past.stat.gid !== live.stat.gid) names.push('owner')
  // To read a link is enough to move its access time.
  const isOtherAtime = !isLink && past.stat.atimeNs !== live.stat.atimeNs
  if (past.stat.mtimeNs !== live.stat.mtimeNs || isOtherAtime) names.push('times')
  return names
}
