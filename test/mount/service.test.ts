import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { python } from '../support/actor.js'
import { CliSandbox } from '../support/cli-sandbox.js'
import { run } from '../support/command.js'
import { describeMount } from '../support/requirements.js'

// `bygone daemon` as a service manager runs it; the manager is a process that listens on a datagram socket.

const listening = `
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('\\0' + sys.argv[1][1:] if sys.argv[1].startswith('@') else sys.argv[1])
print('listening', flush=True)
while True:
    print(listener.recv(4096).decode().replace('\\n', '|'), flush=True)`

/** What a service says to its manager. */
class Manager {
  readonly heard: string[] = []
  readonly socket: string

  private constructor(socket: string) {
    this.socket = socket
  }

  static async listen(socket: string): Promise<Manager> {
    const manager = new Manager(socket)
    const child = spawn(python, ['-c', listening, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      manager.heard.push(...text.split('\n').filter((line) => line !== ''))
    })
    await manager.hears('listening')
    return manager
  }

  async hears(line: string, count = 1): Promise<void> {
    await vi.waitFor(
      () => {
        expect(this.heard.filter((each) => each === line).length).toBeGreaterThanOrEqual(count)
      },
      { timeout: 40_000, interval: 20 },
    )
  }
}

/** Two volumes of one store that have been mounted before, each with a snapshot. */
async function twoVolumes(): Promise<CliSandbox> {
  const box = new CliSandbox()
  box.mk('a/file', 'b/file')
  await box.succeed('mount', './a', '--store', './store')
  await box.succeed('mount', './b', '--store', './store')
  await box.succeed('snapshot', './a', './b')
  await box.succeed('unmount', './a')
  await box.succeed('unmount', './b')
  return box
}

function end(box: CliSandbox, command: string, signal: NodeJS.Signals): void {
  const pid = box.processes().find((each) => {
    return readFileSync(`/proc/${each}/cmdline`, 'latin1').split('\0')[2] === command
  })
  if (pid === undefined) throw new Error(`no ${command} runs`)
  process.kill(pid, signal)
}

describeMount('bygone daemon', () => {
  test.each(['a path', 'an abstract name'])(
    'serves all volumes of a store, tells its manager by %s, and unmounts at SIGTERM',
    async (kind) => {
      const box = await twoVolumes()
      const path = box.path('notify')
      const manager = await Manager.listen(kind === 'a path' ? path : `@${path}`)
      const env = { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '200000' }
      const serving = box.bygone(['daemon', './store'], { env })
      await manager.hears('READY=1')
      expect(manager.heard).toEqual(['listening', 'STATUS=serves a, b', 'READY=1'])
      expect(box.mounts().sort()).toEqual([box.path('a'), box.path('b')])
      await manager.hears('WATCHDOG=1', 3)
      await box.succeed('snapshot', './a', './b')
      end(box, 'daemon', 'SIGTERM')
      const { code, stdout, stderr } = await serving
      expect(manager.heard).toContain('STOPPING=1')
      expect([code, stdout]).toEqual([0, ''])
      expect(stderr.split('\n').filter((line) => line.includes('snapshot @GMT'))).toHaveLength(2)
      expect(stderr.split('\n').filter((line) => !line.startsWith('bygone: '))).toEqual([''])
      expect(box.mounts()).toEqual([])
      expect(box.processes()).toEqual([])
    },
  )

  test('serves one volume by its origin, others at mount points of their own, and ends with the last', async () => {
    const box = await twoVolumes()
    const one = box.bygone(['daemon', './a'])
    await vi.waitFor(() => {
      expect(box.mounts()).toEqual([box.path('a')])
    }, 20_000)
    // The store has its daemon.
    const second = await box.bygone(['daemon', './store', 'b'])
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/^bygone: the store .* is served by another daemon .*\n$/)
    await box.succeed('unmount', './a')
    expect((await one).code).toBe(0)
    box.mk('mount-point/')
    const named = box.bygone(['daemon', './store', 'b=./mount-point'])
    await vi.waitFor(() => {
      expect(box.mounts()).toEqual([box.path('mount-point')])
    }, 20_000)
    // Killed, and started again, as Restart=on-failure does.
    box.killAll()
    expect((await named).signal).toBe('SIGKILL')
    const again = box.bygone(['daemon', './store'])
    await vi.waitFor(async () => {
      expect(await box.succeed('list', './b', '--format', '{name}')).toMatch(/^@GMT.*\n$/)
      expect(box.mounts().sort()).toEqual([box.path('a'), box.path('b')])
    }, 20_000)
    end(box, 'daemon', 'SIGINT')
    expect((await again).code).toBe(0)
  })

  test('goes on without a volume that can not be mounted, and says so', async () => {
    const box = await twoVolumes()
    await box.shell('mv a gone')
    const manager = await Manager.listen(box.path('notify'))
    const serving = box.bygone(['daemon', './store'], { env: { NOTIFY_SOCKET: manager.socket } })
    await manager.hears('READY=1')
    expect(manager.heard).toContain('STATUS=serves b; NOT mounted: a')
    end(box, 'daemon', 'SIGTERM')
    const { code, stderr } = await serving
    expect(code).toBe(1)
    expect(stderr).toMatch(/^bygone: a is not mounted: .*a.*\n/)
  })

  test('says in one line what it can not serve', async () => {
    const box = await twoVolumes()
    box.mk('nothing/', 'empty/')
    const wrong: [string[], number, RegExp][] = [
      [['./nosuch'], 5, /can't reach .*nosuch/],
      [['./nothing'], 5, /is neither: name a store, or the origin of a volume/],
      [['./a', 'b'], 64, /is the origin of one volume/],
      [['./store', 'c'], 5, /has no volume 'c'/],
      [['./store', '=x'], 64, /NAME, or NAME=DIR/],
      [['./store', 'a=./nosuch'], 5, /nosuch does not exist/],
    ]
    for (const [args, code, words] of wrong) {
      const result = await box.bygone(['daemon', ...args])
      expect(result.stderr, args.join(' ')).toMatch(/^bygone: [^\n]+\n$/)
      expect(result.stderr).toMatch(words)
      expect([result.code, result.stdout], args.join(' ')).toEqual([code, ''])
    }
    expect(box.mounts()).toEqual([])
  })

  test('has units that systemd takes without a word', async () => {
    const box = new CliSandbox()
    mkdirSync(box.path('user'))
    const program = box.path('bygone')
    writeFileSync(program, '#!/bin/sh\n')
    chmodSync(program, 0o755)
    for (const unit of ['bygone@.service', 'user/bygone@.service']) {
      const source = join(import.meta.dirname, '../../scripts/systemd', unit)
      copyFileSync(source, box.path(unit))
      const text = readFileSync(source, 'utf8')
      expect(text).toContain('ExecStart=/usr/local/bin/bygone daemon %f\n')
      writeFileSync(box.path(unit), text.replace('/usr/local/bin/bygone', program))
      expect(existsSync(box.path(unit))).toBe(true)
      const user = unit.startsWith('user/') ? ['--user'] : []
      const args = [...user, 'verify', '--man=no', box.path(unit)]
      const env = { ...process.env, XDG_RUNTIME_DIR: box.directory }
      const result = await run('systemd-analyze', args, { env })
      expect([result.code, result.stdout, result.stderr], unit).toEqual([0, '', ''])
    }
  })
})
