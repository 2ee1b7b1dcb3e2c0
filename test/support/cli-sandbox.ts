import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type CommandResult, run, succeed } from './command.js'
import { sweep, temporaryPrefix, volumeVariable } from './leftovers.js'
import { abortConnections, killAll, mountsBelow, processesMarked } from './mounts.js'
import { cliPath, needBuiltProgram } from './requirements.js'

export interface RunAs {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** A shell script that runs before, in a mount namespace of the command's own. */
  namespace?: string
  /** As this user, with no capabilities. */
  uid?: number
}

/**
 * A temporary directory in which the command line is run, for tests of what it says. `mk` makes what a test
 * needs; after the test nothing of it is left, whatever has happened.
 */
export class CliSandbox {
  readonly directory: string

  constructor() {
    needBuiltProgram()
    this.directory = mkdtempSync(join(tmpdir(), temporaryPrefix()))
    chmodSync(this.directory, 0o755)
    onTestFinished(() => {
      sweep(this.directory)
    })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Makes directories (a name that ends with a slash) and files with some text. */
  mk(...names: string[]): void {
    for (const name of names) {
      const path = this.path(name)
      mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true })
      if (!name.endsWith('/')) writeFileSync(path, `${name}\n`)
    }
  }

  async bygone(args: readonly string[], as: RunAs = {}): Promise<CommandResult> {
    let command = [process.execPath, cliPath, ...args]
    if (as.uid !== undefined) {
      const id = String(as.uid)
      command = ['/usr/bin/setpriv', `--reuid=${id}`, `--regid=${id}`, '--clear-groups', ...command]
    }
    if (as.namespace !== undefined) {
      command = ['unshare', '-m', 'sh', '-ec', `${as.namespace}\nexec "$@"`, 'sh', ...command]
    }
    const [program = '', ...rest] = command
    return run(program, rest, {
      cwd: as.cwd ?? this.directory,
      env: { ...process.env, ...as.env, [volumeVariable]: this.directory },
      deadlineMs: 40_000,
      onHang: () => {
        this.free()
      },
    })
  }

  /** The same as a shell would be given it. */
  command(...args: string[]): string {
    return [process.execPath, cliPath, ...args].map((arg) => `'${arg}'`).join(' ')
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, [volumeVariable]: this.directory }
  }

  /** A command that must succeed; returns its standard output. */
  async succeed(...args: string[]): Promise<string> {
    const { code, signal, stdout, stderr } = await this.bygone(args)
    if (code === 0) return stdout
    throw new Error(`bygone ${args.join(' ')}: ${signal ?? `exit ${code}`}\n${stderr}`)
  }

  /**
   * A shell script that must succeed, for what touches a mount: this process never does. The command line is
   * `$BYGONE` there.
   */
  async shell(script: string): Promise<string> {
    return succeed('sh', ['-ec', script], {
      cwd: this.directory,
      env: {
        ...process.env,
        [volumeVariable]: this.directory,
        BYGONE: `${process.execPath} ${cliPath}`,
      },
      deadlineMs: 30_000,
      onHang: () => {
        this.free()
      },
    })
  }

  mounts(): string[] {
    return mountsBelow(this.directory).map(({ path }) => path)
  }

  processes(): number[] {
    return processesMarked(`${volumeVariable}=${this.directory}`)
  }

  /** SIGKILL for every daemon that was started here. */
  killAll(): void {
    killAll(() => this.processes())
  }

  /** Everything below the directory, but what is below a mount. */
  files(below = this.directory): string[] {
    if (below !== this.directory && this.mounts().includes(below)) return [below]
    return readdirSync(below, { withFileTypes: true }).flatMap((entry) => {
      const path = join(below, entry.name)
      return entry.isDirectory() ? [path, ...this.files(path)] : [path]
    })
  }

  free(): void {
    abortConnections(this.directory)
    this.killAll()
  }
}
