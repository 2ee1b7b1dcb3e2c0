import { InvalidArgumentError } from 'commander'
import { parseByteSize } from '../base/byte-size.js'
import type { LowWaterMark } from '../daemon/space.js'

/** `5%`, `2G` or plain bytes. */
export function parseLowWater(text: string): LowWaterMark {
  const percent = Number(/^(\d{1,3}(?:\.\d{1,2})?)\s*%$/.exec(text)?.[1] ?? NaN)
  if (percent <= 100) return { percent }
  const bytes = parseByteSize(text)
  if (bytes === undefined) throw new InvalidArgumentError('it must be like 5%, 500M or 2G.')
  return { bytes }
}
