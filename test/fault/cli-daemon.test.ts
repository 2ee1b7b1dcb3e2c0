import { existsSync, renameSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { kill, mountsBelow } from '../support/mounts.js'
import { describeMount } from '../support/requirements.js'

interface Status {
  pid: number
  device: string
  state: string
}

async function mounted(...args: string[]): Promise<CliSandbox> {
  const box = new CliSandbox()
  box.mk('o/file', 'm/')
  await box.succeed('mount', 'o', ...args)
  return box
}

async function status(box: CliSandbox, volume: string): Promise<Status> {
  return JSON.parse(await box.succeed('status', volume, '--json')) as Status
}

async function nothingLeft(box: CliSandbox): Promise<void> {
  await vi.waitFor(() => {
    expect(box.mounts()).toEqual([])
    expect(box.processes()).toEqual([])
  }, 15_000)
}

describeMount('a daemon that was killed', () => {
  test.each([['over the origin'], ['beside it', 'm']])(
    '%s leaves a mount that the next mount replaces, and a past that is whole',
    async (_, ...mountPoint) => {
      const box = await mounted(...mountPoint)
      const shown = mountPoint[0] ?? 'o'
      const name = (await box.succeed('snapshot', 'o')).trim()
      await box.shell(`echo new >${shown}/file; rm -f ${shown}/file`)
      box.killAll()
      expect(box.mounts()).toHaveLength(1)
      await box.succeed('mount', 'o', ...mountPoint)
      expect(box.mounts()).toHaveLength(1)
      expect(await box.shell(`cat ${shown}/${name}/file`)).toBe('o/file\n')
      await box.succeed('unmount', 'o')
      await nothingLeft(box)
    },
  )

  test.each(['snapshot', 'list', 'status'])('is what %s says, with what to do', async (command) => {
    const box = await mounted()
    box.killAll()
    await vi.waitFor(() => {
      expect(box.processes()).toEqual([])
    })
    const result = await box.bygone([command, 'o'])
    expect(result.stderr).toMatch(
      /^bygone: the daemon of .*\/o.* is gone: `bygone mount` it again\n$/,
    )
    expect(result.code).toBe(1)
  })

  test('leaves a mount that unmount takes away', async () => {
    const box = await mounted()
    box.killAll()
    const result = await box.bygone(['unmount', 'o'])
    expect(result.stderr).toMatch(/^bygone: the daemon of .* had died/)
    expect(result.code).toBe(0)
    await nothingLeft(box)
  })
})

describeMount('a daemon', () => {
  test('takes the mount away when somebody aborts the connection', async () => {
    const box = await mounted()
    const { device } = await status(box, 'o')
    // In a namespace of its own, for not every machine has this mounted.
    const abort = `/sys/fs/fuse/connections/${device.split(':')[1] ?? ''}/abort`
    await box.shell(
      `unshare -m sh -ec 'mount -t fusectl none /sys/fs/fuse/connections; echo 1 >${abort}'`,
    )
    await nothingLeft(box)
    await box.succeed('mount', 'o')
  })

  test('ends on SIGTERM although a program uses the mount', async () => {
    const box = await mounted()
    const { pid } = await status(box, 'o')
    const user = box.shell('cd o; sleep 15 || true')
    await sleep(500)
    process.kill(pid, 'SIGTERM')
    await vi.waitFor(() => {
      expect(box.mounts()).toEqual([])
      expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    }, 10_000)
    await user
  })

  test('serves on while strangers talk nonsense to its socket', async () => {
    const box = await mounted()
    const { device } = await status(box, 'o')
    for (const nonsense of ['\n', '{', 'x'.repeat(100_000), '{"command":"mount","order":{}}\n']) {
      const socket = connect(`/run/bygone/${device}.sock`)
      socket.on('error', () => undefined)
      await new Promise<void>((resolve) => socket.end(nonsense, resolve))
      socket.destroy()
    }
    expect((await status(box, 'o')).state).toBe('mounted')
  })

  test('that another one has the store of is refused', async () => {
    const box = new CliSandbox()
    box.mk('o/', 's/')
    const holder = box.shell('exec flock s/lock sleep 20')
    await sleep(300)
    const result = await box.bygone(['mount', 'o', '--store', 's'])
    expect(result.stderr).toMatch(/^bygone: another daemon serves the store .*\/s: [^\n]+\n$/)
    expect(result.code).toBe(1)
    expect(box.files().map((path) => path.slice(box.directory.length))).toEqual([
      '/o',
      '/s',
      '/s/lock',
    ])
    box.killAll()
    await expect(holder).rejects.toThrow()
  })
})

describeMount('mounts at the same time', () => {
  test('of one origin: one works, the others say that it is mounted', async () => {
    const box = new CliSandbox()
    box.mk('o/file')
    const results = await Promise.all(Array.from({ length: 5 }, () => box.bygone(['mount', 'o'])))
    expect(results.filter(({ code }) => code === 0)).toHaveLength(1)
    for (const { code, stderr } of results.filter((each) => each.code !== 0)) {
      expect(stderr).toMatch(/^bygone: [^\n]*(mounted already|in the hands of)[^\n]*\n$/)
      expect(code).toBe(3)
    }
    expect(box.mounts()).toHaveLength(1)
    await box.succeed('unmount', 'o')
    await nothingLeft(box)
  })

  test('of volumes of one store: all work, by one daemon', async () => {
    const box = new CliSandbox()
    const names = ['a', 'b', 'c', 'd']
    box.mk(...names.map((name) => `${name}/file`))
    await Promise.all(names.map((name) => box.succeed('mount', name, '--store', 's')))
    const states = await Promise.all(names.map((name) => status(box, `./${name}`)))
    expect(new Set(states.map(({ pid }) => pid)).size).toBe(1)
    const snapshots = (await box.succeed('snapshot', ...names.map((name) => `./${name}`))).trim()
    expect(new Set(snapshots.split('\n')).size).toBe(1)
    expect(snapshots.split('\n')).toHaveLength(4)
    await Promise.all(names.map((name) => box.succeed('unmount', `./${name}`)))
    await nothingLeft(box)
  })

  test('and unmounts, again and again: the last word counts', async () => {
    const box = new CliSandbox()
    box.mk('a/file', 'b/file')
    await box.succeed('mount', 'a', '--store', 's')
    for (let round = 0; round < 5; round++) {
      // The daemon ends with its last volume while the next one comes.
      const [unmount, mount] = await Promise.all([
        box.bygone(['unmount', './a']),
        box.bygone(['mount', 'b', '--store', 's']),
      ])
      expect([unmount.stderr, mount.stderr, unmount.code, mount.code]).toEqual(['', '', 0, 0])
      await box.succeed('mount', 'a')
      await box.succeed('unmount', './b')
    }
  })
})

describeMount('a mount that is interrupted', () => {
  test.each(['o/.bygone', 'o/.bygone/store/catalog.json', 'o/.bygone/volume.json'])(
    'when there is %s already leaves nothing',
    async (made) => {
      const box = new CliSandbox()
      box.mk('o/file')
      const mounting = box.bygone(['mount', 'o'])
      await vi.waitUntil(() => existsSync(box.path(made)), { timeout: 20_000, interval: 1 })
      // The command line alone, as Ctrl-C does: the daemon has a session of its own.
      kill(Math.min(...box.processes()))
      const { signal } = await mounting
      expect(signal).toBe('SIGKILL')
      await nothingLeft(box)
      expect(box.files().sort()).toEqual([box.path('o'), box.path('o/file')])
      await box.succeed('mount', 'o')
      await box.succeed('unmount', 'o')
    },
  )
})

describeMount('unmount', () => {
  test('of a mount in use names who uses it, and with --force unmounts all the same', async () => {
    const box = await mounted()
    const user = box.shell('cd o; exec 3<file; sleep 20 || true')
    await sleep(500)
    const result = await box.bygone(['unmount', 'o'])
    expect(result.stderr).toMatch(/^bygone: .*\/o is in use by s[hleep]+ \(pid \d+\).*--force\n$/)
    expect(result.code).toBe(1)
    expect(mountsBelow(box.directory)).toHaveLength(1)
    await box.succeed('unmount', 'o', '--force')
    expect(box.mounts()).toEqual([])
    for (const pid of box.processes()) kill(pid)
    await expect(user).rejects.toThrow()
  })

  test('from inside the mount names the shell and not itself', async () => {
    const box = await mounted()
    const result = await box.bygone(['unmount'], { cwd: box.path('o') })
    expect(result.stderr).toBe('')
    expect(result.code).toBe(0)
  })
})

describeMount('a volume', () => {
  test.each(['with blanks', 'comma,and\\backslash', 'new\nline', 'ünïcode-日本', 'quote\'"$(x)'])(
    'may have any name: %j',
    async (name) => {
      const box = new CliSandbox()
      box.mk(`${name}/file`)
      const path = box.path(name)
      await box.succeed('mount', path)
      expect((await box.succeed('snapshot', path)).trim()).toMatch(/^@GMT-/)
      expect(await box.succeed('list', path)).toMatch(/@GMT-/)
      const second = await box.bygone(['mount', path])
      expect(second.stderr).toMatch(/^bygone: [^\n]+\n$/)
      expect(second.code).toBe(3)
      await box.succeed('unmount', path)
      await nothingLeft(box)
    },
  )

  test('is known by its name, its origin, its mount point and any path inside', async () => {
    const box = new CliSandbox()
    box.mk('o/sub/file', 'm/')
    const name = `volume-${process.pid}`
    await box.succeed('mount', 'o', 'm', '--name', name)
    const { device } = await status(box, name)
    for (const volume of ['o', 'm', './o/sub', 'm/sub', box.path('m/sub/file')]) {
      expect((await status(box, volume)).device).toBe(device)
    }
    const inside = await box.bygone(['status', '--json'], { cwd: box.path('m/sub') })
    expect((JSON.parse(inside.stdout) as Status).device).toBe(device)
    await box.succeed('unmount', name)
    expect((await status(box, 'o/sub')).state).toBe('unmounted')
  })

  test('that is named by a word which is also a directory of another one is not guessed', async () => {
    const box = new CliSandbox()
    const name = `both-${process.pid}`
    box.mk('o/', `${name}/`)
    await box.succeed('mount', 'o', '--name', name)
    await box.succeed('mount', name, '--name', 'other')
    const result = await box.bygone(['snapshot', name])
    expect(result.stderr).toMatch(/could be .*\/both-\d+ and .*\/o: give the path/)
    expect(result.code).toBe(64)
    await box.succeed('snapshot', `./${name}`)
  })

  test('keeps its past when its origin is moved', async () => {
    const box = await mounted()
    const name = await box.succeed('snapshot', 'o', '-m', 'before the move')
    await box.succeed('unmount', 'o')
    renameSync(box.path('o'), box.path('p'))
    expect(await box.succeed('list', 'p')).toContain(name.trim())
    await box.succeed('mount', 'p')
    expect(await box.shell(`cat p/${name.trim()}/file`)).toBe('o/file\n')
  })

  test('tells which names of the origin its mount hides', async () => {
    const box = new CliSandbox()
    box.mk('o/@GMT-2020.01.01-00.00.00/file', 'o/.snapshots/file', 'o/@latest')
    const { code, stdout, stderr } = await box.bygone(['mount', 'o'])
    expect(stderr.trim().split('\n').sort()).toEqual([
      expect.stringMatching(/^bygone: .*\/o\/\.snapshots is hidden/),
      expect.stringMatching(/^bygone: .*\/o\/@GMT-2020\.01\.01-00\.00\.00 is hidden/),
      expect.stringMatching(/^bygone: .*\/o\/@latest is hidden/),
    ])
    expect(stdout).toBe('')
    expect(code).toBe(0)
    expect(await box.shell('ls -A o')).toBe('')
  })

  test('is listed with memo and tags, the newest last', async () => {
    const box = await mounted()
    const first = (await box.succeed('snapshot', 'o', '-m', 'a memo '.repeat(30))).trim()
    const second = (await box.succeed('snapshot', 'o', '--tag', 'x', '--tag', 'y')).trim()
    expect(second > first).toBe(true)
    const lines = (await box.succeed('list', 'o')).trim().split('\n')
    expect(lines.map((line) => line.slice(21, 45).trim())).toEqual(['SNAPSHOT', first, second])
    expect(lines[1]).toContain('a memo '.repeat(30).trim())
    expect(lines[2]).toContain('x y')
    await box.succeed('unmount', 'o')
    const listed = JSON.parse(await box.succeed('list', 'o', '--json')) as {
      snapshots: { tags: string[] }[]
    }
    expect(listed.snapshots.map(({ tags }) => tags)).toEqual([[], ['x', 'y']])
  })

  test('served in the foreground ends with the command', async () => {
    const box = new CliSandbox()
    box.mk('o/file')
    const serving = box.bygone(['mount', 'o', '--foreground'])
    await vi.waitFor(() => {
      expect(box.mounts()).toHaveLength(1)
    }, 10_000)
    await box.succeed('snapshot', 'o')
    const [pid = 0] = box.processes()
    process.kill(pid, 'SIGINT')
    const { code, stdout, stderr } = await serving
    expect(stderr).toMatch(/^bygone: mounted .*\nbygone: snapshot @GMT.*\nbygone: unmounted .*\n$/)
    expect(stdout).toBe('')
    expect(code).toBe(0)
    await nothingLeft(box)
  })
})
