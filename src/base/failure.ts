/** Exit codes of the command line (DESIGN section 2), by what went wrong. */
const EXIT_CODES = {
  failed: 1,
  damaged: 2,
  exists: 3,
  full: 4,
  missing: 5,
  usage: 64,
} as const

export type FailureKind = keyof typeof EXIT_CODES

/**
 * Something a person must be told: the message says in one line what was wrong and what to do about
 * it. It crosses the control socket as { kind, message } and ends as one line on stderr.
 */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly kind: FailureKind

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind]
  }
}
