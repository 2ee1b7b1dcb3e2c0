/** A file's time stamp: whole seconds since 1970 (may be negative) and nanoseconds. */
export interface Instant {
  readonly sec: number
  readonly nsec: number
}

export function isLater(a: Instant, b: Instant): boolean {
  return a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec)
}

export function instantOfMs(ms: number): Instant {
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) }
}
