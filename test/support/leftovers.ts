import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortConnections, detachMounts, killAll, mountsBelow, processesMarked } from './mounts.js'

const runVariable = 'BYGONE_TEST_RUN'

/** What the temporary directories of this test run are named after. */
export function temporaryPrefix(): string {
  return `bygone-test-${process.env[runVariable] ?? 'alone'}-`
}

/** In the environment of everything that a test volume starts: its directory. */
export const volumeVariable = 'BYGONE_TEST_VOLUME'

/** Takes away all that a test volume may have left: its mounts, its processes, its files. */
export function sweep(directory: string): void {
  release(directory)
  // Not Node's own: it knows no paths longer than PATH_MAX.
  spawnSync('rm', ['-rf', '--one-file-system', directory])
}

/** Its mounts and processes only. */
export function release(directory: string): void {
  // Requests first: a process that waits for one can't even be killed.
  abortConnections(directory)
  killAll(() => processesMarked(`${volumeVariable}=${directory}`))
  detachMounts(directory)
}

/** A run that was killed itself could clean nothing. */
function sweepDeadRuns(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^bygone-test-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) sweep(join(tmpdir(), name))
  }
}

/** Mounts and processes that a test volume has left: every test takes its own away. */
function leftBehind(directory: string): string[] {
  return [
    ...mountsBelow(directory).map(({ path }) => `a mount on ${path}`),
    ...processesMarked(`${volumeVariable}=${directory}`).map((pid) => `process ${pid}`),
  ]
}

/** vitest's global set-up: its result is the last resort after the whole run, and fails it if it was needed. */
export default function setup(): () => void {
  sweepDeadRuns()
  process.env[runVariable] = String(process.pid)
  return () => {
    const found: string[] = []
    for (const name of readdirSync(tmpdir())) {
      if (!name.startsWith(temporaryPrefix())) continue
      const directory = join(tmpdir(), name)
      found.push(...leftBehind(directory))
      sweep(directory)
    }
    if (found.length > 0) throw new Error(`tests left behind: ${found.join(', ')}`)
  }
}
