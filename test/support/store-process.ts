import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { CompiledProgram } from './compiled-program.js'

let compiled: CompiledProgram | undefined

/** For the suite that calls it: compiles what a StoreProcess, or a thread, runs. */
export function compileStorePrograms(): void {
  beforeAll(() => {
    compiled = new CompiledProgram(['src/base', 'src/store', 'test/support'])
  })
  afterAll(() => {
    compiled?.remove()
  })
}

export function storeProgram(name: string): string {
  if (compiled === undefined) throw new Error('the suite must call compileStorePrograms')
  return compiled.path(`test/support/${name}.ts`)
}

export interface StoreProcessOptions {
  directory: string
  durability?: 'ordered' | 'strict'
  first?: number
  end?: number
  segmentBytesMax?: number
}

/** store-child.ts in a process of its own. */
export class StoreProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #output = ''
  #errors = ''

  constructor(options: StoreProcessOptions) {
    const { directory, durability = 'ordered', first = 0, end = 1e9 } = options
    const { segmentBytesMax = 256 << 20 } = options
    const args = [directory, durability, first, end, segmentBytesMax].map(String)
    this.#child = spawn(process.execPath, [storeProgram('store-child'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#exited = once(this.#child, 'close')
    this.#child.stdout?.on('data', (text: Buffer) => (this.#output += text.toString()))
    this.#child.stderr?.on('data', (text: Buffer) => (this.#errors += text.toString()))
    onTestFinished(() => this.kill().then(() => undefined))
  }

  /** Waits until it has said that line. */
  async said(line: string): Promise<void> {
    while (!this.#output.split('\n').includes(line)) {
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#errors}`)
      await Promise.race([once(this.#child.stdout as NodeJS.ReadableStream, 'data'), this.#exited])
    }
  }

  /**
   * SIGKILL; returns what it had said by then: whether it had opened the volume, and the last step
   * that it reported.
   */
  async kill(): Promise<{ hasOpened: boolean; lastStep: number; errors: string }> {
    this.#child.kill('SIGKILL')
    await this.#exited
    // A line that the kill cut off was not said.
    const lines = this.#output.split('\n').slice(0, -1)
    const steps = lines.filter((line) => /^\d+$/.test(line)).map(Number)
    return {
      hasOpened: lines.includes('opened'),
      lastStep: steps.at(-1) ?? -1,
      errors: this.#errors,
    }
  }
}
