import { closeSync, fstatSync, openSync, statfsSync } from 'node:fs'
import { fsErrorOf, isErrno } from '../base/errno.js'
import { native } from '../base/native.js'
import { Fallocate } from '../base/open-flags.js'
import { codeOf } from './durable-file.js'
import type { ApplySize } from './element-index.js'

const pageBytes = 4096
/** From the root to a leaf of the largest tree. */
const depthMax = 6
/** The meta pages, the list of free pages, and the like. */
const pagesBeside = 16
/** With so much free beside what is needed nobody has to look closely. */
const ampleBytes = 64 << 20

/**
 * Sees to it that a transaction on the LMDB file at `path` finds room: one that runs out of it LMDB can't take
 * back, and later ones may end the process. Throws FsError (ENOSPC, EDQUOT); then nothing has happened.
 */
export function secureRoom(path: string, size: ApplySize): void {
  const fd = open(path)
  // It is about to be made, which a full disk refuses at once.
  if (fd === undefined) return
  try {
    const { size: fileBytes } = fstatSync(fd)
    const bytes = pageBytes * pagesMax(size, Math.ceil(fileBytes / pageBytes))
    const { bavail, bsize } = statfsSync(path)
    if (bavail * bsize > bytes + ampleBytes) return
    const result = native().fallocate(fd, Fallocate.keepSize, fileBytes, bytes)
    const error = result < 0 ? fsErrorOf(result, 'the index') : undefined
    if (isErrno(error, 'ENOSPC', 'EDQUOT')) throw error
  } finally {
    closeSync(fd)
  }
}

/** Each page that is changed is written to another place; half full, what is new takes twice its size. */
function pagesMax({ entries, bytes }: ApplySize, pages: number): number {
  return Math.min(pages, depthMax * entries) + Math.ceil((3 * bytes) / pageBytes) + pagesBeside
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
