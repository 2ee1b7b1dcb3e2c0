import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { expect, vi } from 'vitest'
import type { TestVolume } from './test-volume.js'

/** What a daemon holds for a mount that nobody uses and of which the kernel knows nothing but the root. */
const atRest = {
  nodes: 1,
  handles: 0,
  handlesAttached: 0,
  snapshotTrees: 0,
  // The root and the retired directory.
  originNodes: 2,
  directoryDescriptors: 0,
  openObjects: 0,
  guards: 0,
}

/** The gauges of `bygone status` that tell what is held, and the daemon's descriptors. */
export async function held(volume: TestVolume): Promise<Record<string, number>> {
  const { pid, gauges } = await volume.status()
  const names = Object.keys(atRest)
  return {
    ...Object.fromEntries(names.map((name) => [name, gauges[name] ?? Number.NaN])),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/**
 * Waits until the daemon holds nothing any more for what was used and forgotten. `descriptorsMax`: what
 * it had open at rest before, and what the journal may have added.
 */
export async function comesToRest(volume: TestVolume, descriptorsMax: number): Promise<void> {
  await vi.waitFor(
    async () => {
      forget()
      const { descriptors = Infinity, ...gauges } = await held(volume)
      expect(gauges).toEqual(atRest)
      expect(descriptors).toBeLessThanOrEqual(descriptorsMax)
    },
    { timeout: 30_000, interval: 200 },
  )
}

/** The kernel gives up every name and inode that nobody uses, and tells the daemon. */
function forget(): void {
  execFileSync('sh', ['-c', 'echo 3 > /proc/sys/vm/drop_caches'])
}
