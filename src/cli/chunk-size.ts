import { InvalidArgumentError } from 'commander'
import { parseByteSize } from '../base/byte-size.js'
import { isChunkSize } from '../daemon/mount-order.js'

/** `64K`, `1M` or plain bytes. */
export function parseChunkSize(text: string): number {
  const bytes = parseByteSize(text)
  if (bytes === undefined || !isChunkSize(bytes)) {
    throw new InvalidArgumentError('it must be a power of two from 4K to 4M.')
  }
  return bytes
}
