/**
 * Unsigned 64-bit integers below 2^53 in buffers: little endian in values and headers, big endian
 * in keys.
 */

const two32 = 2 ** 32

export function writeU64le(to: Buffer, value: number, at: number): void {
  to.writeUInt32LE(value >>> 0, at)
  to.writeUInt32LE(Math.floor(value / two32), at + 4)
}

/** May be 2^53 or more where the bytes are damaged: inexact, but never a valid number. */
export function readU64le(from: Buffer, at: number): number {
  return from.readUInt32LE(at + 4) * two32 + from.readUInt32LE(at)
}

export function writeU64be(to: Buffer, value: number, at: number): void {
  to.writeUInt32BE(Math.floor(value / two32), at)
  to.writeUInt32BE(value >>> 0, at + 4)
}

export function readU64be(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * two32 + from.readUInt32BE(at + 4)
}
