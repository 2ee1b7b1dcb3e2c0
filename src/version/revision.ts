/**
 * A snapshot as revision expressions see it. What nothing in a store says yet is optional, and has the
 * meaning that fits every snapshot of a store: whole, trusted, and here.
 */
export interface Revision {
  /** `@GMT-…`; unique. */
  readonly name: string
  /** Its name below `.snapshots/`. */
  readonly plainName: string
  /** Seconds since 1970; unique, and what orders a history. */
  readonly timeSec: number
  readonly tags: readonly string[]
  readonly isHeld?: boolean
  /** Whether it was finished. */
  readonly isClean?: boolean
  readonly trust?: Trust
  /** Where it is, if not here. */
  readonly server?: string
}

export const trusts = ['trusted', 'distrusted', 'verified'] as const
export type Trust = (typeof trusts)[number]
