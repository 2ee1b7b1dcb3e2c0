import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { onTestFinished, vi } from 'vitest'
import { Actor } from './actor.js'
import { CliSandbox } from './cli-sandbox.js'
import { volumeVariable } from './leftovers.js'
import { isSupervisor } from './daemon-killer.js'
import { killAll, processesMarked } from './mounts.js'
import { cliPath } from './requirements.js'

/** One `bygone start`, from its start to its end. */
export class GroupRun {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | NodeJS.Signals | null>
  stderr = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(code ?? signal)
      })
    })
  }

  /** The exit code, or the signal. */
  async ended(deadlineMs = 20_000): Promise<number | NodeJS.Signals | null> {
    const late = new Promise<never>((_, reject) => {
      setTimeout(reject, deadlineMs, new Error(`still running\n${this.stderr}`)).unref()
    })
    return Promise.race([this.#ended, late])
  }

  async isReady(): Promise<void> {
    await vi.waitFor(
      () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended\n${this.stderr}`)
        if (!this.stderr.includes('the snapshots are in')) throw new Error('not mounted yet')
      },
      { timeout: 20_000, interval: 20 },
    )
  }

  /** SIGKILL for it alone: the daemon of the volumes lives. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended()
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    this.#child.kill(signal)
    return this.ended()
  }
}

/** Two volumes, docs and mysql, and what `bygone start` makes of them. When the test ends nothing is left. */
export class TestGroup {
  readonly sandbox = new CliSandbox()
  readonly directory: string
  readonly docs: string
  readonly mysql: string
  readonly actor: Actor
  #actors: Actor[] = []

  constructor() {
    const { sandbox } = this
    sandbox.mk('docs/report', 'docs/deep/er/leaf', 'mysql/table')
    this.directory = sandbox.path('snap')
    this.docs = sandbox.path('docs')
    this.mysql = sandbox.path('mysql')
    onTestFinished(async () => {
      sandbox.free()
      await Promise.all(this.#actors.map((actor) => actor.stop()))
    })
    this.actor = this.newActor()
  }

  /** `start` has mounted everything. */
  static async started(...options: string[]): Promise<{ group: TestGroup; run: GroupRun }> {
    const group = new TestGroup()
    return { group, run: await group.start(...options) }
  }

  newActor(): Actor {
    const actor = new Actor(() => {
      this.sandbox.free()
    })
    this.#actors.push(actor)
    return actor
  }

  get volumes(): string[] {
    return [`docs:${this.docs}`, `mysql:${this.mysql}`]
  }

  /** Returns when all is mounted. */
  async start(...options: string[]): Promise<GroupRun> {
    const run = this.launch([...this.volumes, '--snap-dir', this.directory, ...options])
    await run.isReady()
    return run
  }

  launch(args: readonly string[], env: NodeJS.ProcessEnv = {}): GroupRun {
    const child = spawn(process.execPath, [cliPath, 'start', ...args], {
      cwd: this.sandbox.directory,
      env: { ...process.env, ...env, [volumeVariable]: this.sandbox.directory },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    return new GroupRun(child)
  }

  /** The name of a new snapshot of all. */
  async snapshot(...options: string[]): Promise<string> {
    const name = await this.sandbox.succeed('snapshot', '--snap-dir', this.directory, ...options)
    return name.trim()
  }

  /** As `show` numbers them. */
  async names(): Promise<string[]> {
    const shown = await this.sandbox.succeed('show', '--snap-dir', this.directory)
    return shown
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.replace(/^ +\d+: /, ''))
  }

  /** Where a snapshot is shown. */
  at(name: string, ...path: string[]): string {
    return [this.directory, 'snapshot', name, ...path].join('/')
  }

  /** What the tree of snapshots lists, sorted. */
  async listed(...path: string[]): Promise<string[]> {
    const directory = [this.directory, 'snapshot', ...path].join('/')
    const { ok } = await this.actor.python(`result = sorted(os.listdir(given['directory']))`, {
      directory,
    })
    return ok as string[]
  }

  /** SIGKILL for the daemon of the volumes alone. */
  /** And who would replace it. */
  killDaemon(): void {
    killAll(() => this.#servers())
  }

  daemons(): number[] {
    return this.#servers().filter((pid) => !isSupervisor(pid))
  }

  #servers(): number[] {
    const { directory } = this.sandbox
    return processesMarked(`${volumeVariable}=${directory}`).filter((pid) => isDaemon(pid))
  }
}

function isDaemon(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/daemon/main.js')
  } catch {
    // It has just ended.
    return false
  }
}
