import { readFileSync, writeFileSync } from 'node:fs'

/** A quarter of a disk's fast second would do; the kernel's 128 KiB would make a request of every 32 pages. */
const readAheadKib = 1024

/** Raises what the kernel reads ahead in this mount. Only root may; without it reading is slower, no more. */
export function raiseReadAhead(device: string): void {
  const path = `/sys/class/bdi/${device}/read_ahead_kb`
  try {
    if (Number(readFileSync(path, 'utf8')) < readAheadKib) writeFileSync(path, String(readAheadKib))
  } catch {
    // Not root, or /sys is read-only as in containers.
  }
}
