import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TreeEntry } from './tree.js'

/** What one file operation said: its value, or the name of its errno. */
export interface Outcome {
  ok?: unknown
  errno?: string
}

export interface Operation {
  do: string
  [argument: string]: string | number | boolean | undefined
}

/** The actor's process ended in the middle of a request: a mapped page of a dead mount, or the deadline. */
export class ActorGone extends Error {
  override readonly name = 'ActorGone'
}

// Debian's own first: version managers put slow wrappers before it.
export const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

const program = fileURLToPath(new URL('actor.py', import.meta.url))

interface Waiting {
  resolve: (answer: unknown) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/**
 * A process that touches the mount for the test (see actor.py). Requests are answered in order; one
 * that exceeds its deadline calls `onHang`, which must free the process from the kernel, and then ends it.
 */
export class Actor {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: Waiting[] = []
  readonly #onHang: () => void
  #isGone = false

  constructor(onHang: () => void) {
    this.#onHang = onHang
    this.#child = spawn(python, [program], { stdio: 'pipe' })
    this.#child.stdin.on('error', () => undefined)
    this.#child.stderr.on('data', (text: Buffer) => process.stderr.write(text))
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#answered(line)
    })
    this.#child.on('close', (code, signal) => {
      this.#isGone = true
      this.#failAll(new ActorGone(`the actor ended: ${signal ?? `exit ${code}`}`))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Names and paths are ByteStrings: one character for each byte. */
  async ask<Answer>(ask: string, argument: object, deadlineMs = 30_000): Promise<Answer> {
    if (this.#isGone) throw new ActorGone('the actor has ended')
    return new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#hangs(`no answer to ${ask} ${JSON.stringify(argument)} in ${deadlineMs} ms`)
      }, deadlineMs)
      this.#waiting.push({ resolve: resolve as (answer: unknown) => void, reject, timer })
      this.#child.stdin.write(`${JSON.stringify({ ask, ...argument })}\n`)
    })
  }

  async attempt(root: string, op: Operation): Promise<Outcome> {
    return this.ask('attempt', { root, op })
  }

  /** Runs lines of Python that bind `result`; `given` is there under that name. */
  async python(lines: string, given: object = {}, deadlineMs = 30_000): Promise<Outcome> {
    return this.ask('python', { lines, given }, deadlineMs)
  }

  async fingerprint(root: string, hidden: string[], keep?: string): Promise<TreeEntry[]> {
    return this.ask('fingerprint', { root, hidden, keep }, 120_000)
  }

  async stop(): Promise<void> {
    if (this.#isGone) return
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    await closed
    clearTimeout(timer)
  }

  #answered(line: string): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) throw new Error(`the actor answered unasked: ${line}`)
    clearTimeout(waiting.timer)
    const answer = JSON.parse(line) as { ok?: unknown; bug?: string }
    if (answer.bug !== undefined) waiting.reject(new Error(answer.bug))
    else waiting.resolve(answer.ok)
  }

  #hangs(what: string): void {
    this.#failAll(new ActorGone(what))
    this.#onHang()
    this.#child.kill('SIGKILL')
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) {
      clearTimeout(waiting.timer)
      waiting.reject(error)
    }
  }
}
