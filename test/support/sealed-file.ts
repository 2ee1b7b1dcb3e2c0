import { readFileSync, writeFileSync } from 'node:fs'
import { sealed, unsealed } from '../../src/store/sealed-json.js'

/** Changes a file of JSON, and seals it again: as if it had been written so. */
export function changeSealed(path: string, change: (text: string) => string): void {
  const text = JSON.stringify(unsealed(readFileSync(path, 'utf8')), null, 2)
  writeFileSync(path, resealed(change(text)))
}

/** With a checksum that is right, where it is an object; else as it is. */
export function resealed(text: string): string {
  try {
    const laidOut = JSON.stringify(JSON.parse(text), null, 2)
    return laidOut.startsWith('{\n') ? sealed(laidOut) : text
  } catch {
    return text
  }
}
