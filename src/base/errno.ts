/** The failures a file-system call may report, with Linux's numbers. The kernel sees only the number. */
const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ESTALE: 116,
  EDQUOT: 122,
} as const

export type ErrnoCode = keyof typeof ERRNO

export function isErrnoCode(text: string): text is ErrnoCode {
  return text in ERRNO
}

const codeByNumber = new Map<number, ErrnoCode>(
  Object.entries(ERRNO).map(([code, number]) => [number, code as ErrnoCode]),
)

/** An expected failure: part of the contract, answered to the caller as it is. */
export class FsError extends Error {
  override readonly name = 'FsError'
  readonly code: ErrnoCode

  constructor(code: ErrnoCode, message: string, options?: ErrorOptions) {
    // Most of these are plain answers (no such name), thousands a second: a stack would cost more
    // than the request.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(`${code}: ${message}`, options)
    Error.stackTraceLimit = limit
    this.code = code
  }

  get errno(): number {
    return ERRNO[this.code]
  }
}

/** The error for a system call's negative result. A number not in the table is reported as EIO. */
export function fsErrorOf(result: number, what: string): FsError {
  const code = codeByNumber.get(-result)
  if (code === undefined) return new FsError('EIO', `${what}: errno ${-result}`)
  return new FsError(code, what)
}

/** Passes a native call's result on, or throws the error that a negative one stands for. */
export function checked(result: number, what: string): number {
  if (result < 0) throw fsErrorOf(result, what)
  return result
}

/** Whether a system call's result says that no descriptor is left, in the process or on the machine. */
export function isFullResult(result: number): boolean {
  return result === -ERRNO.EMFILE || result === -ERRNO.ENFILE
}

export function isErrno(error: unknown, ...codes: ErrnoCode[]): error is FsError {
  return error instanceof FsError && codes.includes(error.code)
}
