import { InvalidArgumentError } from 'commander'
import { intervalsSec } from './policy-options.js'

/** `90`, `15m`, `1h`, `7d`: at least a second. */
export function duration(text: string): number {
  const sec = durationSec(text)
  if (sec === undefined || sec === 0) {
    throw new InvalidArgumentError('it must be a time such as 15m, 1h or 7d.')
  }
  return sec
}

/** The same, or 0. */
export function spread(text: string): number {
  const sec = durationSec(text)
  if (sec === undefined)
    throw new InvalidArgumentError('it must be a time such as 10m or 1h, or 0.')
  return sec
}

function durationSec(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,9})([smhdw]?)$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * (intervalsSec[unit] ?? 0)
}

/** May be repeated. */
export function collected(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text]
}
