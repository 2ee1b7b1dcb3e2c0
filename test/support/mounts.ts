import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

export interface Mount {
  /** Device minor: the name of the connection in /sys/fs/fuse/connections. */
  minor: number
  path: string
  type: string
  source: string
}

/** The mounts at or below a directory, innermost last. Reads the table only: a hung mount can't hang it. */
export function mountsBelow(directory: string): Mount[] {
  return readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .filter((line) => line !== '')
    .map(mountOfLine)
    .filter(({ path }) => path === directory || path.startsWith(`${directory}/`))
}

function mountOfLine(line: string): Mount {
  const [front = '', back = ''] = line.split(' - ')
  const [, , device = '', , path = ''] = front.split(' ')
  const [type = '', source = ''] = back.split(' ')
  const minor = Number(device.split(':')[1])
  return { minor, path: unescaped(path), type, source: unescaped(source) }
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/** Ends every request under way with ECONNABORTED, whatever the daemon does. */
export function abortConnections(directory: string): void {
  for (const { minor, type } of mountsBelow(directory)) {
    if (!type.startsWith('fuse')) continue
    try {
      writeFileSync(`/sys/fs/fuse/connections/${minor}/abort`, '1')
    } catch {
      // fusectl is not mounted everywhere; the daemon's end aborts as well.
    }
  }
}

/** Takes away every mount below the directory, busy or dead. */
export function detachMounts(directory: string): void {
  for (const { path } of mountsBelow(directory).reverse()) {
    spawnSync('umount', ['-l', path], { timeout: 10_000, killSignal: 'SIGKILL' })
  }
}

/** Processes that were started, directly or not, with this assignment in their environment. */
export function processesMarked(assignment: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(assignment)
      } catch {
        return false // ended meanwhile
      }
    })
    .map(Number)
    .filter((pid) => !isZombie(pid))
}

function isZombie(pid: number): boolean {
  try {
    return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/\(.*\)/s, ''))
  } catch {
    return true
  }
}

/**
 * SIGKILL for all of these processes and those that they start meanwhile, until none is left: a supervisor may
 * just be starting another daemon. Gives up on what can't end.
 */
export function killAll(processes: () => number[]): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let round = 0; round < 100; round++) {
    const pids = processes()
    if (pids.length === 0) return
    for (const pid of pids) kill(pid)
    Atomics.wait(pause, 0, 0, 2)
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
