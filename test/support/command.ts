import { spawn } from 'node:child_process'

export interface CommandResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  input?: string
  deadlineMs?: number
  /** Called when the deadline has passed, before the process is killed: must free it from a hung mount. */
  onHang?: () => void
}

/** Runs a program to its end, whatever its exit code. Past the deadline it is killed, with all its children. */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    // A group of its own, so that the deadline reaches what the program has started.
    detached: true,
    stdio: 'pipe',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    const deadlineMs = options.deadlineMs ?? 60_000
    const timer = setTimeout(() => {
      options.onHang?.()
      if (child.pid !== undefined) killGroup(child.pid)
      reject(new Error(`${program} ${args.join(' ')}: not done in ${deadlineMs} ms\n${stderr}`))
    }, deadlineMs)
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    // 'exit' and not 'close': a daemon that the program leaves behind may hold the pipes.
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      setImmediate(() => {
        resolve({ code, signal, stdout, stderr })
      })
    })
  })
}

/** Runs a program that must succeed; returns its standard output. */
export async function succeed(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await run(program, args, options)
  if (code !== 0) {
    throw new Error(`${program} ${args.join(' ')}: ${signal ?? `exit ${code}`}\n${stderr}${stdout}`)
  }
  return stdout
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
