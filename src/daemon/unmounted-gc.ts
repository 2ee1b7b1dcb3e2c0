import { native } from '../base/native.js'
import type { SweepProgress } from './thread-protocol.js'
import { sweepUnmounted } from './unmounted-sweep.js'
import type { UnmountedSweep } from './unmounted-sweep.js'
import { editVolume } from './volume-edit.js'
import type { FoundVolume } from './volume-finder.js'

/** Sweeps a volume in this process, since nobody else has it, and has that noted in the catalog. */
export async function sweepHere(
  found: Extract<FoundVolume, { state: 'unmounted' }>,
  onProgress: (progress: SweepProgress) => void,
): Promise<UnmountedSweep> {
  const swept = await sweepUnmounted(native(), found, onProgress)
  // While there is something left the next mount sweeps too.
  if (swept.filesLeft === 0) {
    const note = { volume: found.id, labels: swept.labels }
    await editVolume(native(), found, { command: 'swept', ...note })
  }
  return swept
}
