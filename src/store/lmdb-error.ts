import { statfsSync } from 'node:fs'
import { FsError, fsErrorOf, isErrno } from '../base/errno.js'
import { Failure } from '../base/failure.js'

/**
 * What a request is answered when LMDB fails. Its own error codes are negative; those of the system
 * are the errno.
 */
export function indexErrorOf(error: unknown): unknown {
  if (error instanceof FsError || error instanceof Failure) return error
  const code = error instanceof Error && 'code' in error ? Number(error.code) : Number.NaN
  if (code > 0) return fsErrorOf(-code, 'the index')
  return new FsError('EIO', `the index: ${String(error)}`, { cause: error })
}

/** Less than a transaction may need. */
const freeBytesMin = 1 << 20

/**
 * The same for a transaction that failed: LMDB calls a write EIO that stopped short where the disk
 * is full.
 */
export function writeErrorOf(error: unknown, directory: string): unknown {
  const found = indexErrorOf(error)
  if (!isErrno(found, 'EIO')) return found
  const { bavail, bsize } = statfsSync(directory)
  const isFull = bavail * bsize < freeBytesMin
  return isFull ? new FsError('ENOSPC', 'the index', { cause: error }) : found
}
