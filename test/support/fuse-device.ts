import { chmodSync, statSync } from 'node:fs'
import { onTestFinished } from 'vitest'

/** As udev does everywhere; a bare machine may have it for root alone. */
export function openTheDevice(): void {
  const mode = statSync('/dev/fuse').mode & 0o777
  chmodSync('/dev/fuse', 0o666)
  onTestFinished(() => {
    chmodSync('/dev/fuse', mode)
  })
}
