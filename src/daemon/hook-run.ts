import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Failure } from '../base/failure.js'
import type { Hook } from './hook-file.js'

/** What a failure quotes of what the command said last. */
const wordsMax = 500
/** A command that was told to end has so long to do so; and its end is not waited for much longer than it is killed. */
const endMsMax = 5000

/**
 * Runs a command to its end; it has no terminal, no input, and a process group of its own. Throws Failure if it fails or
 * takes too long: then it is ended, with whatever it has started.
 */
export async function runHook(
  { command, timeoutSec }: Hook,
  what: string,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables },
  })
  let words = ''
  const listen = (text: string) => {
    words = (words + text).slice(-wordsMax)
  }
  child.stdout.setEncoding('utf8').on('data', listen)
  child.stderr.setEncoding('utf8').on('data', listen)
  const state = { isLate: false }
  const timers: NodeJS.Timeout[] = []
  try {
    const outcome = await new Promise<string | undefined>((resolve, reject) => {
      child.once('error', reject)
      // Not `close`: what it has left in the background may hold its output.
      child.once('exit', (code, signal) => {
        resolve(code === 0 ? undefined : (signal ?? `exit code ${code ?? 'unknown'}`))
      })
      const after = (ms: number, act: () => void) => timers.push(setTimeout(act, ms))
      after(timeoutSec * 1000, () => {
        state.isLate = true
        signalGroup(child, 'SIGTERM')
        after(endMsMax, () => {
          signalGroup(child, 'SIGKILL')
          after(endMsMax, () => {
            resolve('can not even be killed')
          })
        })
      })
    })
    if (state.isLate) throw failureOf(`took longer than ${timeoutSec} s`)
    if (outcome !== undefined) throw failureOf(`failed, ${outcome}`)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw failureOf(
      `could not be started, ${error instanceof Error ? error.message : String(error)}`,
    )
  } finally {
    for (const timer of timers) clearTimeout(timer)
    // Who goes on in the background keeps neither a pipe to us nor this process.
    child.stdout.destroy()
    child.stderr.destroy()
    child.unref()
  }

  function failureOf(how: string): Failure {
    const said = words.trim().split('\n').at(-1) ?? ''
    return new Failure('failed', `the ${what} ${how}${said === '' ? '' : `: ${said}`}`)
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has just ended.
  }
}
