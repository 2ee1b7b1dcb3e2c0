import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, sleep, strays } from './child.mjs'

const cli = join(import.meta.dirname, '../../dist/cli/main.js')

/**
 * What is compared: an origin directory, and where its files are seen (`live`). The plain directory
 * is its own live view.
 */
export class Plain {
  name = 'plain'
  canSnapshot = false
  constructor(origin) {
    this.origin = this.live = origin
  }
  start() {
    return Promise.resolve()
  }
  stop() {
    return Promise.resolve()
  }
}

export class Bindfs {
  name = 'bindfs'
  canSnapshot = false
  constructor(origin) {
    this.origin = origin
    this.live = `${origin}.mount`
  }
  async start() {
    mkdirSync(this.live, { recursive: true })
    await run('bindfs', [this.origin, this.live], { deadlineMs: 20_000 })
  }
  async stop() {
    await run('fusermount3', ['-u', this.live], { deadlineMs: 20_000 })
  }
}

export class Bygone {
  canSnapshot = true
  constructor(origin, transport, durability = 'ordered') {
    this.origin = origin
    this.name = transport
    this.transport = transport
    this.durability = durability
    this.live = `${origin}.mount`
  }
  async start() {
    mkdirSync(this.live, { recursive: true })
    const choice = this.transport === 'native' ? [] : ['--transport', this.transport]
    choice.push('--durability', this.durability)
    await this.command('mount', ...choice, this.origin, this.live)
  }
  async stop() {
    await this.command('unmount', this.live)
  }
  /** Returns the new snapshot's directory. */
  async snapshot() {
    const { stdout } = await this.command('snapshot', this.live)
    return `${this.live}/${stdout.trim()}`
  }
  /** Seconds that `bygone snapshot` takes as a user sees it: with the start of Node. */
  async commandSeconds() {
    return (await this.command('snapshot', this.live)).seconds
  }
  /** Runs a command of bygone. */
  command(...args) {
    return run(process.execPath, [cli, ...args], { deadlineMs: 60_000 })
  }
}

export async function hasProgram(name) {
  try {
    await run('sh', ['-c', `command -v ${name}`], { deadlineMs: 5_000 })
    return true
  } catch {
    return false
  }
}

/** Forgets everything that the kernel caches. Only root may. */
export async function dropCaches() {
  await run('sync', [], { deadlineMs: 120_000 })
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}

/** The resident memory of the run's daemons in bytes; children of the measurement itself are gone by then. */
export function daemonBytes() {
  const sizes = strays().map((pid) => {
    try {
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)
    } catch {
      return 0
    }
  })
  return Math.max(0, ...sizes) * 1024
}

/** Whatever state the run is in: nothing below `directory` stays mounted, no process of ours lives. */
export async function clearAway(directory) {
  for (const pid of strays()) kill(Number(pid))
  await sleep(300)
  for (const { device, mountPoint } of mountsBelow(directory)) {
    abortConnection(device)
    for (const command of [
      ['umount', '-l', mountPoint],
      ['fusermount3', '-uz', mountPoint],
    ]) {
      try {
        await run(command[0], command.slice(1), { deadlineMs: 10_000 })
        break
      } catch {
        // Not root, or not there: the other one.
      }
    }
  }
  await run('rm', ['-rf', '--one-file-system', directory], { deadlineMs: 300_000 })
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended just now.
  }
}

function mountsBelow(directory) {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields[4]?.startsWith(`${directory}/`))
    .map((fields) => ({ device: fields[2], mountPoint: fields[4] }))
    .reverse()
}

/** Answers every request that waits for a dead daemon with an error. */
function abortConnection(device) {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${device.split(':')[1]}/abort`, '1')
  } catch {
    // Not root, or the connection is gone with its daemon.
  }
}
