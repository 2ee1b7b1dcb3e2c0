import { Failure, type FailureKind } from '../base/failure.js'
import { codeOf } from './durable-file.js'

/** The failure to report for a system's error while opening or replacing files of a store. */
export function failureOfSystem(error: unknown, doing: string): unknown {
  const code = codeOf(error)
  if (error instanceof Failure || code === undefined) return error
  return new Failure(kindOf(code), `cannot ${doing}: ${adviceOn(code)}`, { cause: error })
}

/**
 * The same failure with `path` by the name that people know: a daemon reaches a store through a
 * descriptor.
 */
export function renamedFailure(error: unknown, path: string, shownAs: string | undefined): unknown {
  if (!(error instanceof Failure) || shownAs === undefined) return error
  return new Failure(error.kind, error.message.replaceAll(path, shownAs), { cause: error })
}

function kindOf(code: string): FailureKind {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'full'
  return code === 'EIO' ? 'damaged' : 'failed'
}

function adviceOn(code: string): string {
  switch (code) {
    case 'ENOSPC':
      return 'the disk is full (ENOSPC); free some space on it and try again'
    case 'EDQUOT':
      return 'the disk quota is used up (EDQUOT); free some space and try again'
    case 'EACCES':
    case 'EPERM':
      return `permission denied (${code}); run it as the owner of the store, or as root`
    case 'EROFS':
      return 'the file system is read-only (EROFS); the store must be on a writable one'
    case 'ELOOP':
      return 'there is a symbolic link (ELOOP) where the store has a file; remove it'
    case 'EIO':
      return 'input/output error (EIO); check the disk'
    default:
      return code
  }
}
