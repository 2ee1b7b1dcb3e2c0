import { appendFileSync, readFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { FsError, isErrnoCode, type ErrnoCode } from './errno.js'
import { faultPoints, type FaultPoint } from './fault-points.js'

/*
 * Named places at which a test can kill this process, delay it or have it fail. Inert but for a
 * comparison unless BYGONE_FAULTS was set when the process started (threads inherit it):
 *
 *   BYGONE_FAULTS=journal.roll.synced=kill@3,rename.*=delay:5,journal.append.begun=fail:ENOSPC
 *
 * A name may end in `*`. `kill@3`: SIGKILL at the third pass; `fail:CODE@3`: the third pass throws
 * FsError, `fail:CODE` every one; `delay:5`: every pass blocks the thread, at random, up to 5 ms.
 * Passes are counted by thread. BYGONE_FAULTS_SEED: a number, for the random delays.
 *
 * BYGONE_FAULTS_LOG: a file that gets a line for each point when it is passed for the first time
 * (`passed NAME`; of points with the action `trace` at every pass) and for each kill (`killed NAME`).
 * A kill that it has is not repeated: so a daemon that takes over from a killed one lives.
 */

type Action =
  | { readonly type: 'kill'; readonly pass: number }
  | { readonly type: 'fail'; readonly code: ErrnoCode; readonly pass: number | undefined }
  | { readonly type: 'delay'; readonly msMax: number }
  | { readonly type: 'trace' }

interface Fault {
  readonly pattern: string
  readonly action: Action
}

/** What is to happen at which points; `pass` makes it happen. */
export class FaultPlan {
  readonly #faults: readonly Fault[]
  readonly #log: string | undefined
  readonly #passes = new Map<FaultPoint, number>()
  readonly #wait = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  #random: number

  /** Throws Error for what is no plan. */
  constructor(text: string, options: { log?: string | undefined; seed?: number } = {}) {
    this.#log = options.log
    const killed = new Set(readLog(options.log))
    const isSpent = ({ pattern, action }: Fault) =>
      action.type === 'kill' && killed.has(`killed ${pattern}`)
    this.#faults = text
      .split(',')
      .filter((part) => part !== '')
      .map(faultOf)
      .filter((fault) => !isSpent(fault))
    this.#random = (options.seed ?? 0) + threadId
  }

  pass(name: FaultPoint): void {
    if (!(name in faultPoints)) throw new Error(`'${name}' is no fault point of fault-points.ts`)
    const pass = (this.#passes.get(name) ?? 0) + 1
    this.#passes.set(name, pass)
    if (pass === 1) this.#note(`passed ${name}`)
    for (const { pattern, action } of this.#faults) {
      if (isMatch(pattern, name)) this.#act(name, pattern, action, pass)
    }
  }

  #act(name: FaultPoint, pattern: string, action: Action, pass: number): void {
    switch (action.type) {
      case 'trace':
        if (pass > 1) this.#note(`passed ${name}`)
        return
      case 'kill':
        if (pass !== action.pass) return
        this.#note(`killed ${pattern}`)
        process.kill(process.pid, 'SIGKILL')
        // Another thread may run on for a moment; this one must not.
        Atomics.wait(this.#wait, 0, 0)
        return
      case 'fail':
        if (action.pass === undefined || action.pass === pass) {
          throw new FsError(action.code, `fault point ${name}`)
        }
        return
      case 'delay':
        Atomics.wait(this.#wait, 0, 0, this.#next() * action.msMax)
    }
  }

  #note(line: string): void {
    if (this.#log !== undefined) appendFileSync(this.#log, `${line}\n`)
  }

  /** In [0, 1): a Weyl sequence, mixed. */
  #next(): number {
    this.#random = (this.#random + 0x9e3779b9) >>> 0
    let mixed = this.#random
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
  }
}

function readLog(path: string | undefined): string[] {
  if (path === undefined) return []
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return [] // not there yet
  }
}

function faultOf(text: string): Fault {
  const [, pattern = '', type, argument, pass] =
    /^([a-z.*-]+)=(kill|fail|delay|trace)(?::([A-Z\d.]+))?(?:@(\d+))?$/.exec(text) ?? []
  const isKnown = Object.keys(faultPoints).some((name) => isMatch(pattern, name))
  if (!isKnown) throw new Error(`BYGONE_FAULTS: '${text}' names no fault point`)
  if (type === 'trace') return { pattern, action: { type } }
  if (type === 'kill') return { pattern, action: { type, pass: Number(pass ?? 1) } }
  if (type === 'fail' && argument !== undefined && isErrnoCode(argument)) {
    const onePass = pass === undefined ? undefined : Number(pass)
    return { pattern, action: { type, code: argument, pass: onePass } }
  }
  const msMax = Number(argument)
  if (type === 'delay' && msMax > 0) return { pattern, action: { type, msMax } }
  throw new Error(`BYGONE_FAULTS: '${text}' says nothing that could be done`)
}

function isMatch(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}

function planOfProcess(): FaultPlan | undefined {
  const { BYGONE_FAULTS: text, BYGONE_FAULTS_LOG: log, BYGONE_FAULTS_SEED: seed } = process.env
  if (text === undefined && log === undefined) return undefined
  return new FaultPlan(text ?? '', { log, seed: Number(seed ?? 0) })
}

const plan = planOfProcess()

/** Here the process can be killed, delayed or made to fail: FsError. */
export function faultPoint(name: FaultPoint): void {
  if (plan !== undefined) plan.pass(name)
}
