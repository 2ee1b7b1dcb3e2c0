import type { Instant } from '../base/instant.js'

/* An instant as the store's JSON files have it: "seconds.nanoseconds". */

export function isInstantText(text: string): boolean {
  return /^-?\d{1,15}\.\d{9}$/.test(text)
}

export function instantText({ sec, nsec }: Instant): string {
  return `${sec}.${String(nsec).padStart(9, '0')}`
}

export function instantOfText(text: string): Instant {
  const [sec, nsec] = text.split('.')
  return { sec: Number(sec), nsec: Number(nsec) }
}
