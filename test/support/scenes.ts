import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { python } from './actor.js'
import { run } from './command.js'
import { seedOfThisRun } from './random.js'
import type { TestVolume } from './test-volume.js'

const program = fileURLToPath(new URL('scenes/run.py', import.meta.url))

/** A snapshot is taken before one in so many calls. */
const callsPerSnapshot = 60

/** What a scene saw in an empty directory: the same on any file system that behaves the same. */
async function play(volume: TestVolume, prefix: readonly string[], args: readonly string[]) {
  const [command = python, ...rest] = [...prefix, python, '-B', program, ...args]
  const { code, stdout, stderr } = await run(command, rest, {
    env: volume.environment,
    deadlineMs: 120_000,
    onHang: () => {
      volume.kill()
    },
  })
  if (code !== 0) throw new Error(`${args.join(' ')}: exit ${code}\n${stderr}`)
  return JSON.parse(stdout) as unknown[]
}

/**
 * Plays a scene in two directories, made for it already, and expects to see the same, though on the mount a
 * snapshot is taken every now and then. `prefix`: what the program is run by.
 */
export async function expectSameScene(
  volume: TestVolume,
  scene: string,
  tops: { live: string; plain: string },
  prefix: readonly string[] = [],
): Promise<void> {
  const onPlain = await play(volume, prefix, [tops.plain, scene])
  const seed = seedOfThisRun()
  console.log(`${scene}: BYGONE_SEED=${seed}`)
  const snapshots = [join(volume.live, '.snapshots'), String(callsPerSnapshot), String(seed)]
  const onMount = await play(volume, prefix, [tops.live, scene, ...snapshots])
  expect(onMount.length).toBe(onPlain.length)
  const differences = onPlain.flatMap((plain, index) => {
    const live = onMount[index]
    return JSON.stringify(live) === JSON.stringify(plain) ? [] : [{ plain, live }]
  })
  expect(differences).toEqual([])
}
