import { type ChildProcess, spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs'
import { onTestFinished, vi } from 'vitest'
import { run, succeed } from './command.js'
import { kill } from './mounts.js'
import type { TestVolume } from './test-volume.js'

/** PostgreSQL refuses to run as root: nobody does. */
const user = 65534
const asUser = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups']
const debianVersions = '/usr/lib/postgresql'

/** The programs of the newest version that Debian's packages have installed. */
function programsDirectory(): string {
  const versions = existsSync(debianVersions) ? readdirSync(debianVersions).map(Number) : []
  const newest = Math.max(...versions)
  if (!Number.isFinite(newest)) throw new Error(`no PostgreSQL in ${debianVersions}`)
  return `${debianVersions}/${newest}/bin`
}

/** What pgbench's tables must agree on at any instant: each transaction adds the same to all four. */
const sums = `SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches),
  (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)`
const wrongAccounts = `SELECT count(*) FROM pgbench_accounts LEFT JOIN
  (SELECT aid, sum(delta) AS moved FROM pgbench_history GROUP BY aid) history USING (aid) WHERE abalance <> coalesce(moved, 0)`

/**
 * One PostgreSQL server of a test's own, reached by a Unix socket in a private directory. The data directory is
 * the caller's choice: in a live tree, or a copy out of a snapshot. Whatever happens, the server ends with the test.
 */
export class PostgresServer {
  readonly #volume: TestVolume
  readonly #data: string
  readonly #sockets: string
  readonly #programs = programsDirectory()
  #server: ChildProcess | undefined

  /** `name` tells a test's servers apart. */
  constructor(volume: TestVolume, name: string, data: string) {
    this.#volume = volume
    this.#data = data
    this.#sockets = volume.beside(`postgres-${name}`)
    mkdirSync(this.#sockets)
    chownSync(this.#sockets, user, user)
    onTestFinished(async () => {
      await this.#end('SIGQUIT')
    })
  }

  /** Makes the cluster, with checksums, in a directory that the user owns. */
  async init(): Promise<void> {
    await this.program('initdb', `--pgdata=${this.#data}`, '--auth=trust', '--data-checksums')
  }

  /** Returns when the server answers: after recovery, if it was needed. */
  async start(): Promise<void> {
    const log = openSync(`${this.#sockets}/log`, 'a')
    const settings = ['-k', this.#sockets, '-c', 'listen_addresses=']
    const command = [`${this.#programs}/postgres`, '-D', this.#data, ...settings]
    const server = spawn('setpriv', [...asUser, ...command], {
      // Not in the mount, which it would keep busy.
      cwd: this.#sockets,
      env: this.#environment,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#server = server
    await vi.waitFor(
      async () => {
        if (server.exitCode !== null) throw new Error(`postgres ended\n${this.log()}`)
        await this.program('psql', '--command=SELECT 1')
      },
      { timeout: 60_000, interval: 100 },
    )
  }

  async stop(): Promise<void> {
    await this.#end('SIGINT')
  }

  /** Nobody shuts anything down; its processes are gone when this returns. */
  async kill(): Promise<void> {
    const { pid } = this.#server ?? {}
    const children = await childrenOf(pid ?? 0)
    for (const child of children) kill(child)
    await this.#end('SIGKILL')
    await vi.waitFor(() => {
      if (children.some((child) => existsSync(`/proc/${child}`))) throw new Error('still there')
    }, 10_000)
  }

  log(): string {
    return readFileSync(`${this.#sockets}/log`, 'utf8')
  }

  /** Runs one of PostgreSQL's own programs against this server; returns its output. */
  async program(name: string, ...args: string[]): Promise<string> {
    return succeed('setpriv', [...asUser, `${this.#programs}/${name}`, ...args], {
      cwd: this.#sockets,
      env: this.#environment,
      deadlineMs: 240_000,
      onHang: () => {
        this.#volume.kill()
      },
    })
  }

  /** One row of values, by `|`. */
  async query(sql: string): Promise<string> {
    const args = ['--no-align', '--tuples-only', '--quiet', `--command=${sql}`]
    return (await this.program('psql', ...args)).trim()
  }

  /** Transactions of pgbench that the database has. */
  async transactions(): Promise<number> {
    return Number(await this.query('SELECT count(*) FROM pgbench_history'))
  }

  /** Returns when pgbench has come so far. */
  async until(transactions: number): Promise<void> {
    await vi.waitFor(
      async () => {
        const count = await this.transactions()
        if (count < transactions) throw new Error(`only ${count} transactions`)
      },
      { timeout: 60_000, interval: 100 },
    )
  }

  /** Throws unless every table and index is sound, all of it can be dumped, and pgbench's books balance. */
  async check(): Promise<void> {
    await this.program(
      'pg_amcheck',
      '--all',
      '--install-missing',
      '--heapallindexed',
      '--parent-check',
    )
    await this.program('pg_dumpall', '--no-sync', '--file=/dev/null')
    const balances = (await this.query(sums)).split('|')
    if (new Set(balances).size !== 1) throw new Error(`balances differ: ${balances.join(' ')}`)
    const wrong = await this.query(wrongAccounts)
    if (wrong !== '0') throw new Error(`${wrong} accounts do not match their history`)
  }

  get #environment(): NodeJS.ProcessEnv {
    return {
      ...this.#volume.environment,
      HOME: this.#sockets,
      PGHOST: this.#sockets,
      PGUSER: 'nobody',
      PGDATABASE: 'postgres',
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server?.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill(signal)
    const timer = setTimeout(() => server.kill('SIGKILL'), 30_000)
    await ended
    clearTimeout(timer)
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)])
  return stdout.split('\n').filter(Boolean).map(Number)
}
