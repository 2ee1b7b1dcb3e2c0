import { isElementKey } from './element-keys.js'

/*
 * A run of index puts, one after another: u16le keyBytes, u32le valueBytes, key, value. The body of
 * a journal record is such a run; what the index has yet to apply waits in the same form.
 */

export const putHeaderBytes = 6

export function writePutHeader(to: Buffer, at: number, keyBytes: number, valueBytes: number): void {
  to.writeUInt16LE(keyBytes, at)
  to.writeUInt32LE(valueBytes, at + 2)
}

/**
 * Where the put at `at` has its value, and where it ends. Its key starts at `at + putHeaderBytes`.
 */
export function valueStartOfPut(from: Buffer, at: number): number {
  return at + putHeaderBytes + from.readUInt16LE(at)
}

export function endOfPut(from: Buffer, at: number): number {
  return valueStartOfPut(from, at) + from.readUInt32LE(at + 2)
}

/** Whether [start, end) is a run of whole puts with possible keys. */
export function arePutsSound(from: Buffer, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    if (at + putHeaderBytes > end) return false
    const putEnd = endOfPut(from, at)
    if (putEnd > end) return false
    if (!isElementKey(from, at + putHeaderBytes, valueStartOfPut(from, at))) return false
    at = putEnd
  }
  return true
}
