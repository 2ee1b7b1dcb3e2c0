import type { ErrnoCode } from '../base/errno.js'
import { Failure } from '../base/failure.js'
import type { FailureKind } from '../base/failure.js'
import { codeOf } from '../store/durable-file.js'

/** Anything thrown as something to tell a person: `doing` says what could not be done. */
export function failureOf(error: unknown, doing: string): Failure {
  if (error instanceof Failure) return error
  const message = `${doing}: ${error instanceof Error ? error.message : String(error)}`
  switch (codeOf(error) ?? '') {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Failure('full', `${message}; free some space and try again`, { cause: error })
    case 'EIO':
      return new Failure('damaged', message, { cause: error })
    case 'ENOENT':
      return new Failure('missing', message, { cause: error })
    default:
      return new Failure('failed', message, { cause: error })
  }
}

const errnoCodes: Record<FailureKind, ErrnoCode> = {
  failed: 'EIO',
  damaged: 'EIO',
  exists: 'EEXIST',
  full: 'ENOSPC',
  missing: 'ENOENT',
  usage: 'EINVAL',
}

/** What a program that asked by a system call is told. */
export function errnoCodeOf(failure: Failure): ErrnoCode {
  return errnoCodes[failure.kind]
}
