import { closeSync, openSync, ftruncateSync, fstatSync } from 'node:fs'
import { join } from 'node:path'
import { FsError, fsErrorOf, isErrno } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import { native } from '../base/native.js'
import { Fallocate } from '../base/open-flags.js'
import { dataName } from './index-state.js'

/**
 * What a request is answered when LMDB fails, or a call beside it. Its own error codes are negative; those of the system
 * are the errno.
 */
export function indexErrorOf(error: unknown): unknown {
  if (error instanceof FsError || error instanceof Failure) return error
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : Number.NaN
  if (errno < 0) return fsErrorOf(errno, 'the index')
  const code = error instanceof Error && 'code' in error ? Number(error.code) : Number.NaN
  if (code > 0) return fsErrorOf(-code, 'the index')
  return new FsError('EIO', `the index: ${String(error)}`, { cause: error })
}

/** A transaction may need more, seldom much less. */
const growthBytes = 1 << 20

/**
 * The same for a transaction that failed: LMDB calls a write EIO that stopped short where the disk
 * is full.
 */
export function writeErrorOf(error: unknown, directory: string): unknown {
  const found = indexErrorOf(error)
  if (!isErrno(found, 'EIO')) return found
  const refusal = growthRefusal(join(directory, dataName))
  return refusal ?? found
}

/** Why the file, which LMDB has closed, can't be given so much more: full disks call themselves that only when asked. */
function growthRefusal(path: string): FsError | undefined {
  const fd = openSync(path, 'r+')
  try {
    const { size } = fstatSync(fd)
    const result = native().fallocate(fd, Fallocate.keepSize, size, growthBytes)
    // Gives back what it got.
    ftruncateSync(fd, size)
    const error = result < 0 ? fsErrorOf(result, 'the index') : undefined
    return isErrno(error, 'ENOSPC', 'EDQUOT') ? error : undefined
  } finally {
    closeSync(fd)
  }
}
