import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { onTestFailed, onTestFinished, vi } from 'vitest'
import { type CommandResult, run, succeed } from './command.js'
import { kill } from './mounts.js'
import type { TestVolume } from './test-volume.js'

/** Unix users that every Debian has: one who may do everything, one who is nobody special. */
export type SmbUser = 'root' | 'daemon'

const password = 'secret'
const directories = ['private', 'lock', 'state', 'cache', 'pid', 'ncalrpc'] as const

/** An smbd of the test's own on the loopback, which serves the given sections of smb.conf. */
export class SambaServer {
  readonly #volume: TestVolume
  readonly #directory: string
  readonly #port: number
  #smbd: ChildProcess | undefined
  /** What it had said when it ended: its file does not outlive the test. */
  #lastLog = ''

  private constructor(volume: TestVolume, port: number) {
    this.#volume = volume
    this.#directory = volume.beside('smb')
    this.#port = port
  }

  static async start(volume: TestVolume, sections: readonly string[]): Promise<SambaServer> {
    const server = new SambaServer(volume, await freePort())
    onTestFailed(() => {
      console.log(`smbd's log:\n${server.#lastLog}`)
    })
    onTestFinished(() => server.stop())
    await server.#start(sections)
    return server
  }

  get configFile(): string {
    return join(this.#directory, 'smb.conf')
  }

  /** Runs commands of smbclient's, a session for all of them. Most of its complaints are on its stdout. */
  async client(share: string, commands: string, user: SmbUser = 'root'): Promise<CommandResult> {
    return run('smbclient', [...this.#login(share, user), '-c', commands], {
      cwd: this.#directory,
      env: this.#environment,
      deadlineMs: 60_000,
      onHang: () => {
        this.#volume.kill()
      },
    })
  }

  /** A client that stays. */
  session(share: string): SambaSession {
    const program = ['-o0', 'smbclient', ...this.#login(share, 'root')]
    const env = this.#environment
    return new SambaSession(spawn('stdbuf', program, { env, stdio: ['pipe', 'pipe', 'ignore'] }))
  }

  /** `close-share NAME` and the like, for the smbd and each of its children. */
  async control(...message: string[]): Promise<void> {
    await succeed('smbcontrol', ['-s', this.configFile, 'smbd', ...message])
  }

  /** SIGTERM: it ends its children too. May be called twice. */
  async stop(): Promise<void> {
    const smbd = this.#smbd
    this.#smbd = undefined
    if (smbd?.pid === undefined) return
    const { pid } = smbd
    smbd.kill('SIGTERM')
    const timer = setTimeout(() => {
      kill(-pid)
    }, 5000)
    if (smbd.exitCode === null && smbd.signalCode === null) {
      await new Promise((resolve) => smbd.once('exit', resolve))
    }
    clearTimeout(timer)
    // Whatever of its group has not heard of it.
    kill(-pid)
    this.#lastLog = this.#log()
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...this.#volume.environment, TZ: 'UTC', LC_ALL: 'C.UTF-8' }
  }

  #login(share: string, user: SmbUser): string[] {
    const port = String(this.#port)
    return [`//127.0.0.1/${share}`, '-p', port, '-U', `${user}%${password}`, '-s', this.configFile]
  }

  async #start(sections: readonly string[]): Promise<void> {
    const [, ...others] = directories
    mkdirSync(join(this.#directory, 'private'), { recursive: true, mode: 0o700 })
    for (const name of others) mkdirSync(join(this.#directory, name), { mode: 0o755 })
    writeFileSync(this.configFile, `${this.#global()}\n${sections.join('\n')}\n`)
    for (const user of ['root', 'daemon'] satisfies SmbUser[]) {
      const input = `${password}\n${password}\n`
      await succeed('smbpasswd', ['-c', this.configFile, '-a', '-s', user], { input })
    }
    const args = ['--foreground', `--configfile=${this.configFile}`, '--no-process-group']
    // A session of its own: on SIGTERM it signals its whole process group.
    this.#smbd = spawn('smbd', args, {
      detached: true,
      stdio: 'ignore',
      env: this.#volume.environment,
    })
    await vi.waitFor(
      async () => {
        if (this.#smbd?.exitCode !== null) throw new Error(`smbd has ended:\n${this.#log()}`)
        const { code, stdout } = await this.client('IPC$', 'exit')
        if (code !== 0) throw new Error(`smbd does not answer: ${stdout}\n${this.#log()}`)
      },
      { timeout: 20_000, interval: 20 },
    )
  }

  #global(): string {
    const paths = { lock: 'lock directory', state: 'state directory', cache: 'cache directory' }
    const lines = Object.entries(paths).map(([name, key]) => `${key} = ${this.#directory}/${name}`)
    return [
      '[global]',
      'server role = standalone server',
      `smb ports = ${this.#port}`,
      'interfaces = 127.0.0.1',
      'bind interfaces only = yes',
      'disable netbios = yes',
      `private dir = ${this.#directory}/private`,
      `pid directory = ${this.#directory}/pid`,
      `ncalrpc dir = ${this.#directory}/ncalrpc`,
      `passdb backend = smbpasswd:${this.#directory}/private/smbpasswd`,
      ...lines,
      `log file = ${this.#directory}/log`,
      'log level = 1',
      'load printers = no',
      'printcap name = /dev/null',
      'disable spoolss = yes',
    ].join('\n')
  }

  #log(): string {
    const path = join(this.#directory, 'log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
}

/** A client's connection that lasts over several commands. */
export class SambaSession {
  readonly #client: ChildProcessByStdio<Writable, Readable, null>
  #said = ''

  constructor(client: ChildProcessByStdio<Writable, Readable, null>) {
    this.#client = client
    client.stdin.on('error', () => undefined)
    client.stdout.setEncoding('utf8').on('data', (text: string) => (this.#said += text))
    onTestFinished(() => {
      client.kill('SIGKILL')
    })
  }

  /** What it says to one command, as soon as that has an end of this form. */
  async says(command: string, end: RegExp): Promise<string> {
    this.#said = ''
    this.#client.stdin.write(`${command}\n`)
    return vi.waitFor(
      () => {
        if (!end.test(this.#said)) throw new Error(`no end of: ${this.#said}`)
        return this.#said
      },
      { timeout: 20_000, interval: 10 },
    )
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new Error('no free port'))
      })
    })
  })
}
