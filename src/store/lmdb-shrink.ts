import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { join } from 'node:path'
import { fsErrorOf, isErrno } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { native } from '../base/native.js'
import { Fallocate } from '../base/open-flags.js'
import { dataName } from './index-state.js'
import type { Database } from './lmdb-index.js'

/** LMDB never gives back a page: while less than this is free nobody minds. A test may set it. */
const freeBytesMax = Number(process.env['BYGONE_INDEX_FREE_BYTES'] ?? 4 << 20)
/** What others may need of the disk meanwhile. */
const ampleBytes = 64 << 20
/** A transaction's changed pages are in memory. */
const batchEntries = 2000

/** A copy that was not finished. */
export const copyName = `${dataName}.new`

/**
 * Replaces the file of an index by a copy without free pages, if these are more than half of it; the environment
 * must be closed and opened again then. `open` opens one of that name. A crash leaves the old file or the new one, whole; as long
 * as the state (index-state.ts) names the other, it is not believed, and built anew.
 *
 * It is not worth waiting for: only the part that is in use is copied, and there was at least as much to free.
 */
export function shrinkIndex(
  directory: string,
  from: Database,
  open: (name: string) => Database,
): boolean {
  const { freeBytes, usedBytes } = pagesOf(from)
  if (freeBytes <= freeBytesMax || freeBytes <= usedBytes) return false
  const { bavail, bsize } = statfsSync(directory)
  if (bavail * bsize < 2 * usedBytes + ampleBytes) return false
  const path = join(directory, copyName)
  rmSync(path, { force: true })
  try {
    const to = open(copyName)
    try {
      withFile(path, (fd) => {
        secure(fd, 2 * usedBytes)
      })
      copyAll(from, to)
    } finally {
      void to.close()
    }
    withFile(path, (fd) => {
      // Gives back what was set aside and not needed.
      ftruncateSync(fd, fstatSync(fd).size)
      fsyncSync(fd)
    })
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
  faultPoint('index.shrink.copied')
  renameSync(path, join(directory, dataName))
  faultPoint('index.shrink.renamed')
  return true
}

function withFile(path: string, use: (fd: number) => void): void {
  const fd = openSync(path, 'r+')
  try {
    use(fd)
  } finally {
    closeSync(fd)
  }
}

interface Tree {
  treeBranchPageCount: number
  treeLeafPageCount: number
  overflowPages: number
}

function pagesOf(database: Database): { freeBytes: number; usedBytes: number } {
  const { root, free, pageSize, lastPageNumber } = database.getStats() as {
    root: Tree
    free: Tree
    pageSize: number
    lastPageNumber: number
  }
  const pages = (tree: Tree) =>
    tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages
  // The meta pages are in use, the list of free pages is not: an index without any has none.
  const used = 2 + pages(root)
  const freePages = lastPageNumber + 1 - used
  return { usedBytes: used * pageSize, freeBytes: pages(free) > 0 ? freePages * pageSize : 0 }
}

/** In the order of the keys: so its pages are full. */
function copyAll(from: Database, to: Database): void {
  let entries: { key: Uint8Array; value: Buffer }[] = []
  const put = () => {
    to.transactionSync(() => {
      for (const { key, value } of entries) to.putSync(key, value)
    })
    entries = []
  }
  for (const { key, value } of from.getRange()) {
    entries.push({ key: Buffer.from(key), value: Buffer.from(value) })
    if (entries.length >= batchEntries) put()
  }
  put()
}

/** LMDB can't cope with a disk that becomes full. */
function secure(fd: number, bytes: number): void {
  const result = native().fallocate(fd, Fallocate.keepSize, 0, bytes)
  const error = result < 0 ? fsErrorOf(result, 'the index') : undefined
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) throw error
}
