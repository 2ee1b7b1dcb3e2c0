import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortConnections, detachMounts, kill, processesMarked } from './mounts.js'

const runVariable = 'BYGONE_TEST_RUN'

/** What the temporary directories of this test run are named after. */
export function temporaryPrefix(): string {
  return `bygone-test-${process.env[runVariable] ?? 'alone'}-`
}

/** In the environment of everything that a test volume starts: its directory. */
export const volumeVariable = 'BYGONE_TEST_VOLUME'

/** Takes away all that a test volume may have left: its mounts, its processes, its files. */
export function sweep(directory: string): void {
  // Requests first: a process that waits for one can't even be killed.
  abortConnections(directory)
  for (const pid of processesMarked(`${volumeVariable}=${directory}`)) kill(pid)
  detachMounts(directory)
  // Not Node's own: it knows no paths longer than PATH_MAX.
  spawnSync('rm', ['-rf', '--one-file-system', directory])
}

/** vitest's global set-up: its result is the last resort after the whole run. */
export default function setup(): () => void {
  process.env[runVariable] = String(process.pid)
  return () => {
    for (const name of readdirSync(tmpdir())) {
      if (name.startsWith(temporaryPrefix())) sweep(join(tmpdir(), name))
    }
  }
}
