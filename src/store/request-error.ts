import { FsError, fsErrorOf } from '../base/errno.js'
import { Failure } from '../base/failure.js'

/** What a request is answered when a system call of node:fs failed, or a segment is damaged. */
export function requestErrorOf(error: unknown, what: string): unknown {
  if (error instanceof FsError) return error
  if (error instanceof Failure) return new FsError('EIO', error.message, { cause: error })
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') {
    return fsErrorOf(error.errno, what)
  }
  return error
}
