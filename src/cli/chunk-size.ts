import { InvalidArgumentError } from 'commander'
import { isChunkSize } from '../daemon/mount-order.js'

const units = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 * 1024],
])

/** `64K`, `1M` or plain bytes. */
export function parseChunkSize(text: string): number {
  const [, digits, unit] = /^(\d{1,9})\s*(k|m|)(?:i?b)?$/i.exec(text) ?? []
  const bytes = Number(digits) * (units.get(unit?.toLowerCase() ?? '') ?? 1)
  if (digits === undefined || !isChunkSize(bytes)) {
    throw new InvalidArgumentError('it must be a power of two from 4K to 4M.')
  }
  return bytes
}
