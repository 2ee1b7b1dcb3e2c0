import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { user, userPrefix } from '../support/as-user.js'
import { CliSandbox } from '../support/cli-sandbox.js'
import { run, succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: an ordinary user gets nothing out of root's daemon that he could not have without it.
// Method: what each adversary of README's threat model can do, done: by programs of that user, on real mounts.

/** Bits of capabilities(7) that the daemon must not have. */
const dangerous = { netAdmin: 12, sysModule: 16, sysRawio: 17, sysChroot: 18, sysBoot: 22, bpf: 39 }

async function asUser(volume: TestVolume, script: string, groups = '--clear-groups') {
  const [setpriv = '', ...rest] = userPrefix
  const prefix = rest.map((each) => (each === '--clear-groups' ? groups : each))
  return run(setpriv, [...prefix, 'sh', '-c', script], {
    cwd: '/',
    env: { ...volume.environment, LIVE: volume.live, BYGONE: volume.programCommand() },
    onHang: () => {
      volume.kill()
    },
  })
}

function statusesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) =>
    readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'),
  )
}

/** A program that tells who it runs as, for everybody and set-user-ID root, and a device that is root's to give. */
async function makePrivileged(volume: TestVolume): Promise<void> {
  const program = join(volume.origin, 'whoami')
  copyFileSync('/usr/bin/id', program)
  chmodSync(program, 0o4755)
  await succeed('mknod', ['-m', '666', join(volume.origin, 'device'), 'c', '1', '3'])
}

describeMount('an ordinary user and root’s daemon', () => {
  test('which keeps no more capabilities than it needs, in any thread', async () => {
    const volume = await TestVolume.mounted()
    const statuses = statusesOf((await volume.status()).pid)
    expect(statuses.length).toBeGreaterThan(4)
    for (const status of statuses) {
      expect(status).toMatch(/^NoNewPrivs:\s*1$/m)
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) {
        const bits = BigInt(`0x${new RegExp(`^${set}:\\s*(\\w+)$`, 'm').exec(status)?.[1] ?? 'f'}`)
        for (const bit of Object.values(dangerous)) expect((bits >> BigInt(bit)) & 1n).toBe(0n)
      }
    }
  })

  test('set-user-ID programs and devices have no effect, live and in snapshots', async () => {
    const volume = new TestVolume()
    await makePrivileged(volume)
    await volume.mount()
    const past = `"$LIVE/${await volume.snapshot()}"`
    const { stdout } = await asUser(
      volume,
      `for top in "$LIVE" ${past}; do "$top/whoami" -u; cat "$top/device" 2>/dev/null || echo no; done`,
    )
    expect(stdout).toBe(`${user}\nno\n${user}\nno\n`)
  })

  test('set-user-ID programs and devices work where root asked for it', async () => {
    const volume = new TestVolume()
    await makePrivileged(volume)
    await volume.succeed('mount', '--suid', '--dev', volume.origin)
    const { stdout } = await asUser(volume, `"$LIVE/whoami" -u; cat "$LIVE/device" && echo yes`)
    expect(stdout).toBe('0\nyes\n')
  })

  test('what lay behind a closed door then stays closed, by whatever way he comes', async () => {
    const volume = new TestVolume()
    for (const path of ['private', 'private/below', 'shared', 'shared/below']) {
      mkdirSync(join(volume.origin, path))
    }
    for (const path of ['private', 'shared']) {
      writeFileSync(join(volume.origin, path, 'below', 'file'), path)
      chmodSync(join(volume.origin, path), 0o750)
    }
    chownSync(join(volume.origin, 'shared'), 0, 12_345)
    await succeed('setfacl', ['-m', `u:${user + 1}:x`, join(volume.origin, 'private')])
    await volume.mount()
    const name = await volume.snapshot()
    await volume.actor.python(
      `for each in ('private', 'shared'):\n    os.chmod(given['top'] + '/' + each, 0o755)\nresult = 0`,
      { top: volume.live },
    )
    const look = (path: string, groups?: string) =>
      asUser(volume, `cat "$LIVE/${path}" 2>&1 | sed 's/.*: //'`, groups)
    expect((await look(`${name}/private/below/file`)).stdout).toBe('Permission denied\n')
    expect((await look(`private/below/${name}/file`)).stdout).toBe('Permission denied\n')
    expect((await look('private/below/@latest/file')).stdout).toBe('Permission denied\n')
    expect((await look(`shared/below/${name}/file`)).stdout).toBe('Permission denied\n')
    expect((await look(`shared/below/${name}/file`, '--groups=12345')).stdout).toBe('shared')
    expect((await look(`shared/below/${name}/file`)).stdout).toBe('Permission denied\n')
    const named = await run('setpriv', [
      ...[`--reuid=${user + 1}`, '--regid=1', '--clear-groups'],
      ...['cat', join(volume.live, `private/below/${name}/file`)],
    ])
    expect(named.stdout).toBe('private')
  })

  test('learns nothing of his volumes, and may ask for nothing', async () => {
    const volume = await TestVolume.mounted()
    await volume.succeed('snapshot', volume.live, '--tag', 'a-secret-tag')
    for (const command of ['list', 'status "$LIVE"', 'snapshot "$LIVE"', 'unmount "$LIVE"']) {
      const { code, stdout, stderr } = await asUser(volume, `$BYGONE ${command}`)
      expect([command, stdout]).toEqual([command, ''])
      expect(stderr).not.toContain('secret')
      if (command !== 'list') expect(code).not.toBe(0)
    }
  })

  test('can’t lead it out of his origin by exchanging directories for links', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const outside = volume.beside('outside')
    mkdirSync(outside)
    writeFileSync(join(outside, 'file'), 'untouched')
    chownSync(volume.origin, user, user)
    const made = await asUser(
      volume,
      `cd '${volume.origin}' && mkdir work work/below && echo his >work/file && ln -s '${outside}' link`,
    )
    expect(made.code).toBe(0)
    await volume.snapshot()
    const swapping = asUser(
      volume,
      `cd '${volume.origin}' && end=$(($(date +%s) + 6)) && while [ $(date +%s) -lt $end ]; do
        mv -T work real; mv -T link work; mv -T work link; mv -T real work
      done`,
    )
    // Each step by descriptors that no link leads to: whatever happens outside, the daemon has done it.
    const working = volume.actor.python(
      `
end = time.time() + 5
done = {}
top = os.open(given['top'], os.O_RDONLY | os.O_DIRECTORY)
def attempt(name, work):
    try:
        at = os.open('work', os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    except OSError:
        return
    try:
        work(at)
        done[name] = done.get(name, 0) + 1
    except OSError:
        pass
    finally:
        os.close(at)
def write(at):
    fd = os.open('file', os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, dir_fd=at)
    try:
        os.write(fd, b'through the mount')
    finally:
        os.close(fd)
while time.time() < end:
    attempt('write', write)
    attempt('mkdir', lambda at: os.mkdir('dir', dir_fd=at))
    attempt('chmod', lambda at: os.chmod('file', 0o600, dir_fd=at))
    attempt('symlink', lambda at: os.symlink('x', 'made', dir_fd=at))
    attempt('rename', lambda at: os.rename('made', 'renamed', src_dir_fd=at, dst_dir_fd=at))
    attempt('unlink', lambda at: os.unlink('file', dir_fd=at))
    attempt('unlink', lambda at: os.unlink('renamed', dir_fd=at))
    attempt('rmdir', lambda at: os.rmdir('dir', dir_fd=at))
os.close(top)
result = done`,
      { top: volume.live },
      60_000,
    )
    const [{ ok }] = await Promise.all([working, swapping])
    // Which of them get through between two exchanges is chance; that some do, shows that they were tried.
    expect(Object.keys(ok as object)).not.toEqual([])
    expect(readdirSync(outside)).toEqual(['file'])
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('untouched')
    expect(statSync(join(outside, 'file')).mode & 0o777).toBe(0o644)
  })
})

describeMount('what an ordinary user has prepared for root', () => {
  /** An origin of the user's in a directory of his, and beside it one that is nobody's business of his. */
  function prepared(): CliSandbox {
    const sandbox = new CliSandbox()
    sandbox.mk('his/origin/file', 'private/volumes/kept', 'private/catalog.json')
    for (const path of ['his', 'his/origin']) chownSync(sandbox.path(path), user, user)
    chmodSync(sandbox.path('private'), 0o700)
    return sandbox
  }
  const untouched = (sandbox: CliSandbox): void => {
    expect(readdirSync(sandbox.path('private')).sort()).toEqual(['catalog.json', 'volumes'])
    expect(readdirSync(sandbox.path('private/volumes'))).toEqual(['kept'])
  }

  test.each<[string, (sandbox: CliSandbox) => Promise<unknown>]>([
    [
      'a directory of his for bygone’s',
      (sandbox) =>
        succeed('install', ['-d', '-o', String(user), sandbox.path('his/origin/.bygone')]),
    ],
    [
      'a link for bygone’s directory',
      (sandbox) =>
        succeed('ln', ['-s', sandbox.path('private'), sandbox.path('his/origin/.bygone')]),
    ],
    [
      'a pipe for the marker',
      async (sandbox) => {
        await succeed('install', ['-d', '-o', String(user), sandbox.path('his/origin/.bygone')])
        await succeed('mkfifo', [sandbox.path('his/origin/.bygone/volume.json')])
      },
    ],
    [
      'a marker that leads to another store',
      (sandbox) => {
        mkdirSync(sandbox.path('his/origin/.bygone'))
        const id = '0123456789abcdef'
        const marker = {
          ...{ format: 'bygone-volume', version: 1, volumeId: id, storeId: id },
          ...{ storePath: sandbox.path('private'), originBirth: null },
          originIno: statSync(sandbox.path('his/origin')).ino,
        }
        const path = sandbox.path('his/origin/.bygone/volume.json')
        writeFileSync(path, JSON.stringify(marker))
        for (const each of ['his/origin/.bygone', 'his/origin/.bygone/volume.json']) {
          chownSync(sandbox.path(each), user, user)
        }
        return Promise.resolve()
      },
    ],
  ])('%s is refused, and nothing is followed', async (_, prepare) => {
    const sandbox = prepared()
    await prepare(sandbox)
    for (const args of [
      ['mount', sandbox.path('his/origin')],
      ['list', sandbox.path('his/origin')],
    ]) {
      const { code, stderr } = await sandbox.bygone(args)
      expect([args[0], code]).not.toEqual([args[0], 0])
      expect(stderr.trim().split('\n')).toHaveLength(1)
    }
    expect(sandbox.mounts()).toEqual([])
    untouched(sandbox)
  })

  test('a store of his, or one in which he could have put anything, is refused', async () => {
    const sandbox = prepared()
    sandbox.mk('origin/', 'his/store/', 'open/planted', 'empty/')
    chownSync(sandbox.path('his/store'), user, user)
    chmodSync(sandbox.path('open'), 0o777)
    chmodSync(sandbox.path('empty'), 0o777)
    const mount = (store: string) =>
      sandbox.bygone(['mount', sandbox.path('origin'), '--store', sandbox.path(store)])
    expect(await mount('his/store')).toMatchObject({ code: 1 })
    expect((await mount('open')).stderr).toContain('could be written to by others')
    expect(readdirSync(sandbox.path('his/store'))).toEqual([])
    expect((await mount('empty')).stderr).toBe('')
    expect(statSync(sandbox.path('empty')).mode & 0o777).toBe(0o700)
    await sandbox.succeed('unmount', sandbox.path('origin'))
  })
})
