import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import { Actor } from './actor.js'
import { type CommandResult, run } from './command.js'
import { release, sweep, temporaryPrefix, volumeVariable } from './leftovers.js'
import { abortConnections, kill, killAll, mountsBelow, processesMarked } from './mounts.js'
import { cliPath, needBuiltProgram } from './requirements.js'

export type TransportName = 'native' | 'fuse-native'

export interface TestVolumeOptions {
  transport?: TransportName
  /** As the command line takes it: 4K, 64K. */
  chunkSize?: string
  /** Mounted over the origin itself, or at a mount point of its own. */
  isMountedOver?: boolean
  /** The store in the origin, or in a directory of its own. */
  isStoreApart?: boolean
  durability?: 'ordered' | 'strict'
}

export interface VolumeStatus {
  pid: number
  gauges: Record<string, number>
}

/** What no fingerprint of a live root or an origin's root looks at. */
export const hiddenInRoot = ['@GMT-', '.bygone']

/**
 * An origin in a temporary directory, and bygone's command line to mount it. The test's own process
 * never touches the mount: it asks the actor. When the test ends, well or not, nothing is left.
 */
export class TestVolume {
  readonly directory: string
  readonly origin: string
  readonly live: string
  /** Reaches the origin itself, also while something is mounted over it. */
  readonly plain: string
  readonly actor: Actor
  /** Set in the environment of every command from now on. */
  variables: NodeJS.ProcessEnv = {}
  readonly #originFd: number
  readonly #options: TestVolumeOptions
  #isOver = false
  #actors: Actor[] = []

  constructor(options: TestVolumeOptions = {}) {
    needBuiltProgram()
    this.#options = options
    this.directory = mkdtempSync(join(tmpdir(), temporaryPrefix()))
    onTestFinished(() => this.destroy())
    // Other users are let in as far as the trees let them.
    chmodSync(this.directory, 0o755)
    this.origin = join(this.directory, 'origin')
    this.live = options.isMountedOver === false ? join(this.directory, 'live') : this.origin
    for (const path of new Set([this.origin, this.live])) mkdirSync(path, { mode: 0o755 })
    this.#originFd = openSync(this.origin, 'r')
    // With the dot it is the directory, without it the link to it.
    this.plain = `/proc/${process.pid}/fd/${this.#originFd}/.`
    this.actor = this.newActor()
  }

  static async mounted(options: TestVolumeOptions = {}): Promise<TestVolume> {
    const volume = new TestVolume(options)
    await volume.mount()
    return volume
  }

  /** One more process that can touch the mount, for what happens at the same time. */
  newActor(): Actor {
    const actor = new Actor(() => {
      this.#free()
    })
    this.#actors.push(actor)
    return actor
  }

  /** A path of the test's own beside the origin. */
  beside(name: string): string {
    return join(this.directory, name)
  }

  get store(): string {
    const isApart = this.#options.isStoreApart === true
    return isApart ? this.beside('store') : join(this.plain, '.bygone', 'store')
  }

  /** For every process that touches this volume: by its mark it is found again. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, ...this.variables, [volumeVariable]: this.directory }
  }

  /** Runs the command line to its end, whatever its exit code. */
  async bygone(...args: string[]): Promise<CommandResult> {
    return run(process.execPath, [cliPath, ...args], {
      cwd: this.directory,
      env: this.environment,
      deadlineMs: 60_000,
      onHang: () => {
        this.#free()
      },
    })
  }

  /** Runs a command that must succeed; returns its standard output. */
  async succeed(...args: string[]): Promise<string> {
    const { code, signal, stdout, stderr } = await this.bygone(...args)
    if (code !== 0) {
      throw new Error(`bygone ${args.join(' ')}: ${signal ?? `exit ${code}`}\n${stderr}${stdout}`)
    }
    return stdout
  }

  /** `bygone`, for a shell to run. */
  programCommand(): string {
    return `${process.execPath} ${cliPath}`
  }

  /** The whole command that mounts this volume. */
  mountCommand(): string[] {
    return [process.execPath, cliPath, ...this.#mountArguments()]
  }

  async mount(): Promise<void> {
    await this.succeed(...this.#mountArguments())
  }

  /** Mounts it, if it can. */
  async tryMount(): Promise<CommandResult> {
    return this.bygone(...this.#mountArguments())
  }

  async unmount(): Promise<void> {
    await this.succeed('unmount', this.live)
  }

  async remount(): Promise<void> {
    await this.unmount()
    await this.mount()
  }

  /** SIGKILL for every process of bygone that serves this volume, its supervisor included: the mount is dead. */
  kill(): void {
    killAll(() => this.processes())
  }

  /** The same, but not for commands that talk with the daemon. */
  killDaemon(): void {
    killAll(() => this.#daemons())
  }

  /** SIGKILL for the daemon, whose supervisor lives on. */
  async killOnlyDaemon(): Promise<void> {
    const { pid } = await this.status()
    kill(pid)
  }

  #daemons(): number[] {
    return this.processes().filter((pid) => commandLineOf(pid).includes('/daemon/'))
  }

  /** Until the kernel has taken down what was killed: SIGKILL does not wait. */
  async hasDied(): Promise<void> {
    await vi.waitFor(
      () => {
        if (this.processes().length > 0) throw new Error('killed, but still there')
      },
      { timeout: 10_000, interval: 5 },
    )
  }

  async killAndMount(): Promise<void> {
    this.kill()
    await this.hasDied()
    await this.mount()
  }

  /** Takes a snapshot; returns its name. */
  async snapshot(...options: string[]): Promise<string> {
    return (await this.succeed('snapshot', this.live, ...options)).trim()
  }

  snapshotPath(name: string): string {
    return join(this.live, name)
  }

  /** Names of the snapshots, oldest first, as `bygone list` has them. */
  async snapshots(): Promise<string[]> {
    const listed = JSON.parse(await this.succeed('list', this.live, '--json')) as
      { name: string }[] | { snapshots: { name: string }[] }
    return (Array.isArray(listed) ? listed : listed.snapshots).map(({ name }) => name).sort()
  }

  async status(): Promise<VolumeStatus> {
    return JSON.parse(await this.succeed('status', this.live, '--json')) as VolumeStatus
  }

  /** The processes that bygone has left running for this volume. */
  processes(): number[] {
    return processesMarked(`${volumeVariable}=${this.directory}`)
  }

  mounts(): string[] {
    return mountsBelow(this.directory).map(({ path }) => path)
  }

  /** Takes everything away by force. May be called twice. */
  async destroy(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#free()
    await Promise.all(this.#actors.map((actor) => actor.stop()))
    closeSync(this.#originFd)
    sweep(this.directory)
    const left = [...this.mounts(), ...this.processes()]
    if (left.length > 0) throw new Error(`left behind: ${left.join(' ')}`)
  }

  /** Ends it as `destroy` does, but leaves the files, as evidence; returns where they are. */
  async keep(): Promise<string> {
    this.#isOver = true
    this.#free()
    await Promise.all(this.#actors.map((actor) => actor.stop()))
    closeSync(this.#originFd)
    release(this.directory)
    const kept = join(tmpdir(), `bygone-evidence-${process.pid}-${Date.now()}`)
    renameSync(this.directory, kept)
    return kept
  }

  #mountArguments(): string[] {
    const { transport, chunkSize, isStoreApart, durability } = this.#options
    const option = (name: string, value: string | undefined) =>
      value === undefined ? [] : [name, value]
    return [
      'mount',
      this.origin,
      ...(this.live === this.origin ? [] : [this.live]),
      ...option('--transport', transport),
      ...option('--chunk-size', chunkSize),
      ...option('--durability', durability),
      ...option('--store', isStoreApart === true ? this.store : undefined),
    ]
  }

  /** Ends what waits for the mount, so that its process can be ended. */
  #free(): void {
    abortConnections(this.directory)
    killAll(() => this.processes())
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return '' // ended meanwhile
  }
}
