import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { clearTimeout, setTimeout } from 'node:timers'

/** In the environment of every process of this run, so that stray ones can be told and ended. */
const MARK = `BYGONE_BENCH_RUN=${String(process.pid)}`

export class DeadlineError extends Error {}

/**
 * Runs a program to its end, or kills it at the deadline.
 *
 * Whatever touches a mount goes through here: a hung mount blocks that child for ever, beyond the
 * reach of SIGKILL, but never this process.
 */
export async function run(command, args, { deadlineMs = 300_000, cwd = '/' } = {}) {
  const [name, value] = MARK.split('=')
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [name]: value, LC_ALL: 'C' },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (bytes) => (stdout = (stdout + bytes).slice(-100_000)))
  child.stderr.on('data', (bytes) => (stderr = (stderr + bytes).slice(-4_000)))

  const begun = process.hrtime.bigint()
  let isLate = false
  const what = `${command} ${args.join(' ')}`.slice(0, 160)
  const late = () => new DeadlineError(`no end within ${deadlineMs / 1000} s: ${what}`)
  const finished = new Promise((resolve, reject) => {
    const deadline = setTimeout(() => {
      isLate = true
      killGroup(child.pid)
      // Blocked in the kernel it may not die; then it is not waited for either.
      setTimeout(() => reject(late()), 3_000)
    }, deadlineMs)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(deadline)
      resolve({ code, signal, seconds: Number(process.hrtime.bigint() - begun) / 1e9 })
    })
  })
  const { code, signal, seconds } = await finished
  if (isLate) throw late()
  // A daemon may hold the pipes open: what was written by now is enough.
  await Promise.race([once(child, 'close'), sleep(200)])
  if (code !== 0) {
    const why = stderr.trim().split('\n').slice(-3).join(' / ')
    throw new Error(`${what}: ${signal ?? `exit code ${code}`}: ${why}`)
  }
  return { seconds, stdout }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended just now.
  }
}

/** The processes of this run that live: our children and the daemons they left. */
export function strays() {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(MARK)
    } catch {
      return false // It ended, or is another user's.
    }
  })
}
