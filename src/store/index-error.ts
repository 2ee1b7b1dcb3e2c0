import { FsError, fsErrorOf } from '../base/errno.js'
import { Failure } from '../base/failure.js'

/** What a request is answered when LMDB fails. Its own error codes are negative; those of the system are the errno. */
export function indexErrorOf(error: unknown): unknown {
  if (error instanceof FsError || error instanceof Failure) return error
  const code = error instanceof Error && 'code' in error ? Number(error.code) : Number.NaN
  if (code > 0) return fsErrorOf(-code, 'the index')
  return new FsError('EIO', `the index: ${String(error)}`, { cause: error })
}
