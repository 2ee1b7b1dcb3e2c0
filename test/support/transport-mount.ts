import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Actor } from './actor.js'
import type { CompiledProgram } from './compiled-program.js'
import { type CommandResult, run } from './command.js'
import { sweep, temporaryPrefix, volumeVariable } from './leftovers.js'
import { abortConnections, kill, mountsBelow, processesMarked } from './mounts.js'
import type {
  TransportNews,
  TransportOptions,
  TransportQuestion,
  TransportState,
} from './transport-messages.js'

/** What transport-daemon.ts is made of. */
export const transportFolders = ['src/base', 'src/fuse', 'test/support'] as const

/** For starting, answering and ending; each takes a fraction of it. */
const deadlineMs = 20_000

export interface TransportMountOptions extends Omit<TransportOptions, 'mountPoint'> {
  /** A mount point of the test's own; it is not made. */
  mountName?: string
}

type Over = Extract<TransportNews, { type: 'over' }>

/**
 * A MemoryFileSystem mounted by a process of its own. The test's process never touches the mount: it
 * asks the actor. Whoever starts it has `destroy` called in the end, well or not: then nothing is left.
 */
export class TransportMount {
  readonly directory: string
  readonly path: string
  readonly actor: Actor
  readonly #daemon: ChildProcess
  readonly #over: Promise<Over>
  readonly #actors: Actor[] = []
  readonly #answers: ((answer: Extract<TransportNews, { type: 'answer' }>) => void)[] = []
  #hasEnded = false

  private constructor(program: CompiledProgram, options: TransportMountOptions) {
    this.directory = mkdtempSync(join(tmpdir(), temporaryPrefix()))
    this.path = join(this.directory, options.mountName ?? 'mount')
    // Nothing outside may ever be mounted over.
    if (!this.path.startsWith(`${this.directory}/`)) {
      throw new Error(`${this.path} is not below ${this.directory}`)
    }
    if (options.mountName === undefined) mkdirSync(this.path)
    const daemon = program.path('test/support/transport-daemon.ts')
    this.#daemon = fork(daemon, [JSON.stringify({ ...options, mountPoint: this.path })], {
      execArgv: ['--enable-source-maps'],
      env: { ...process.env, [volumeVariable]: this.directory },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#over = new Promise((resolve) => {
      this.#daemon.on('message', (news: TransportNews) => {
        if (news.type === 'over') resolve(news)
        if (news.type === 'answer') this.#answers.shift()?.(news)
      })
    })
    this.#daemon.on('exit', () => (this.#hasEnded = true))
    this.actor = this.newActor()
  }

  static async start(
    program: CompiledProgram,
    options: TransportMountOptions,
  ): Promise<TransportMount> {
    const mount = new TransportMount(program, options)
    try {
      await within('mounted', mount.#heard('serving'))
    } catch (error) {
      await mount.destroy()
      throw error
    }
    return mount
  }

  newActor(): Actor {
    const actor = new Actor(() => {
      this.#free()
    })
    this.#actors.push(actor)
    return actor
  }

  async ask(question: TransportQuestion): Promise<TransportState> {
    const answered = new Promise<Extract<TransportNews, { type: 'answer' }>>((resolve) => {
      this.#answers.push(resolve)
    })
    this.#daemon.send(question)
    const { state, error } = await within(question.ask, answered)
    if (error !== undefined) throw new Error(`${question.ask}: ${error}`)
    return state
  }

  async state(): Promise<TransportState> {
    return this.ask({ ask: 'state' })
  }

  /** Runs shell commands in the mount. */
  async shell(commands: string): Promise<CommandResult> {
    return run('bash', ['-ec', commands], {
      cwd: this.directory,
      env: { ...process.env, LC_ALL: 'C.UTF-8', M: this.path },
      deadlineMs,
      onHang: () => {
        this.#free()
      },
    })
  }

  /** Unmounts from outside and waits for the transport to return. */
  async unmount(): Promise<Over> {
    const { code, stderr } = await run('umount', [this.path], { deadlineMs })
    if (code !== 0) throw new Error(`umount: ${stderr}`)
    return this.returned()
  }

  /** Resolves when the next read of the file named `slow` is under way. */
  async slowRead(): Promise<void> {
    await within('reading', this.#heard('slow read'))
  }

  /** How the transport ended, once it has. */
  async returned(): Promise<Over> {
    return within('over', this.#over)
  }

  /** SIGKILL for the process that serves. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.#daemon.once('exit', resolve))
    this.#daemon.kill('SIGKILL')
    await within('killed', exited)
  }

  get exitCode(): number | null {
    return this.#daemon.exitCode
  }

  async exited(): Promise<number | null> {
    if (this.#hasEnded) return this.#daemon.exitCode
    await within('exited', new Promise((resolve) => this.#daemon.once('exit', resolve)))
    return this.#daemon.exitCode
  }

  processes(): number[] {
    return processesMarked(`${volumeVariable}=${this.directory}`)
  }

  mounts(): string[] {
    return mountsBelow(this.directory).map(({ path }) => path)
  }

  /** Takes everything away by force. May be called twice. */
  async destroy(): Promise<void> {
    this.#free()
    await Promise.all(this.#actors.map((actor) => actor.stop()))
    sweep(this.directory)
    const left = [...this.mounts(), ...this.processes()]
    if (left.length > 0) throw new Error(`left behind: ${left.join(' ')}`)
  }

  async #heard(type: TransportNews['type']): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#daemon.on('message', (news: TransportNews) => {
        if (news.type === type) resolve()
        if (news.type === 'not mounted') reject(new Error(news.message))
      })
      this.#daemon.on('exit', (code) => {
        reject(new Error(`the transport ended with exit code ${code ?? 'none'}`))
      })
    })
  }

  /** Ends what waits for the mount, so that its process can be ended. */
  #free(): void {
    abortConnections(this.directory)
    for (const pid of this.processes()) kill(pid)
  }
}

async function within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not ${what} in ${deadlineMs} ms`))
    }, deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
