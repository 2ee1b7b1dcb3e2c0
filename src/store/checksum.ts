import { native } from '../base/native.js'

/*
 * CRC-32C (Castagnoli) over a range of a buffer. An element is some 50 bytes: a call into the addon
 * and the view made for it cost more than the loop.
 */

const nativeBytesMin = 512

const table = new Uint32Array(256).map((_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C of bytes [start, end), continuing from `seed` (0 at first). */
export function crc32cOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  if (end - start >= nativeBytesMin) return native().crc32c(bytes.subarray(start, end), seed)
  let crc = ~seed
  for (let at = start; at < end; at++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  }
  return ~crc >>> 0
}
