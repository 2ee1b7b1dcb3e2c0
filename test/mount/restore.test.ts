import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { allAbilities, OperationGenerator } from '../support/operation-generator.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { cliPath, describeMount } from '../support/requirements.js'
import { hiddenInRoot, TestVolume } from '../support/test-volume.js'
import { differencesOf, type TreeEntry } from '../support/tree.js'

const making = `
top = given['live']
def put(name, text):
    with open(top + '/' + name, 'w') as file:
        file.write(text)
put('same', 'never changed')
put('changed', 'as it was')
put('touched', 'its times only')
put('removed', 'will be gone')
put('moved', 'elsewhere soon')
put('was-file', 'a directory soon')
os.mkdir(top + '/was-directory'); put('was-directory/inner', 'gone with it')
os.makedirs(top + '/kept/deep'); put('kept/deep/leaf', 'leaf')
put('linked', 'two names'); os.link(top + '/linked', top + '/kept/second')
put('alone-1', 'equal'); put('alone-2', 'equal')
os.symlink('changed', top + '/link')
os.mkfifo(top + '/fifo')
os.mknod(top + '/device', 0o20640, os.makedev(4, 1000))
put('program', 'set-user-ID'); os.chown(top + '/program', 1234, 4321); os.chmod(top + '/program', 0o6755)
os.setxattr(top + '/changed', 'user.note', b'kept')
os.setxattr(top + '/kept', 'system.posix_acl_default',
            bytes.fromhex('0200000001000700ffffffff02000500e803000004000500ffffffff10000500ffffffff20000500ffffffff'))
os.setxattr(top + '/touched', 'system.posix_acl_access',
            bytes.fromhex('0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff'))
with open(top + '/holes', 'wb') as file:
    file.truncate(2 << 20)
    file.seek(1 << 20); file.write(b'data' * 3000)
with open(top + '/zeros', 'wb') as file:
    file.write(bytes(100000))
with open(top + '/large', 'wb') as file:
    for number in range(3000):
        file.write(b'%07d ' % number * 128)
os.close(os.open(os.fsencode(top) + b'/not-utf8-\\xfe', os.O_CREAT))
os.utime(top + '/kept', ns=(-7, 978307200123456789))
os.utime(top + '/touched', ns=(1, 2))`

const changing = `
top = given['live']
def put(name, text):
    with open(top + '/' + name, 'w') as file:
        file.write(text)
put('changed', 'some thing'); os.removexattr(top + '/changed', 'user.note')
os.utime(top + '/touched', ns=(5, 6)); os.removexattr(top + '/touched', 'system.posix_acl_access')
os.unlink(top + '/removed')
os.rename(top + '/moved', top + '/moved-away')
os.unlink(top + '/was-file'); os.mkdir(top + '/was-file'); put('was-file/new', 'new')
os.unlink(top + '/was-directory/inner'); os.rmdir(top + '/was-directory'); put('was-directory', 'a file')
put('kept/deep/leaf', 'fael'); os.makedirs(top + '/new/tree'); put('new/tree/leaf', 'x')
os.chmod(top + '/new', 0)
os.unlink(top + '/kept/second'); put('kept/second', 'two names')
os.unlink(top + '/alone-2'); os.link(top + '/alone-1', top + '/alone-2')
os.unlink(top + '/link'); os.symlink('other', top + '/link')
os.unlink(top + '/fifo'); put('fifo', 'a file')
os.unlink(top + '/device'); os.mknod(top + '/device', 0o20640, os.makedev(4, 1001))
os.chown(top + '/program', 0, 0); os.chmod(top + '/program', 0o600)
os.setxattr(top + '/kept', 'user.more', b'new')
with open(top + '/holes', 'r+b') as file:
    file.write(b'x' * 200000)
    file.truncate(3 << 20)
with open(top + '/zeros', 'r+b') as file:
    file.truncate(0); file.truncate(100000)
with open(top + '/large', 'r+b') as file:
    file.seek(700000); file.write(b'changed')
    file.seek(2500000); file.truncate()
os.unlink(os.fsencode(top) + b'/not-utf8-\\xfe')
put('@other', 'new')
os.chmod(top, 0o700); os.utime(top, ns=(3, 4))`

/** All but what nobody can set, and what the file system sets aside, or writes to, as it likes. */
const without = ['ctime', 'blocks'] as const

async function fingerprint(volume: TestVolume): Promise<TreeEntry[]> {
  return volume.actor.fingerprint(volume.live, hiddenInRoot)
}

async function python(volume: TestVolume, lines: string, given: object = {}): Promise<unknown> {
  const said = await volume.actor.python(lines, { live: volume.live, ...given })
  expect(said.errno).toBeUndefined()
  return said.ok
}

describeMount('restore', () => {
  test('makes everything as it was, and keeps how it was before', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const { live } = volume
    await python(volume, making)
    const then = await fingerprint(volume)
    const name = await volume.snapshot()
    await python(volume, changing)
    const between = await fingerprint(volume)
    const shown = await volume.succeed('restore', name, '-V', live, '--dry-run')
    const lines = shown.trim().split('\n')
    expect(lines).toContain('change  changed (content, times, xattrs)')
    expect(lines).toContain('change  touched (times, xattrs)')
    expect(lines).toContain('replace was-file')
    expect(lines).toContain('link    kept/second (to linked)')
    expect(lines).toContain('remove  new')
    expect(shown).not.toMatch(/ same|moved-away\/|kept\/deep\/leaf \(mode/)
    expect(differencesOf(await fingerprint(volume), between)).toEqual([])

    const before = (await volume.succeed('restore', name, '-V', live, '--yes')).trim()
    expect(differencesOf(await fingerprint(volume), then, without)).toEqual([])
    const blocks = `result = os.stat(given['live'] + '/holes').st_blocks`
    expect(await python(volume, blocks)).toBeLessThan((1 << 20) / 512)
    const kept = await volume.actor.fingerprint(volume.snapshotPath(before), hiddenInRoot)
    expect(differencesOf(kept, between, ['linkCounts'])).toEqual([])
    const past = await volume.actor.fingerprint(volume.snapshotPath(name), hiddenInRoot)
    expect(differencesOf(past, then)).toEqual([])
    // Again there is nothing to do, and so no snapshot is taken.
    const again = await volume.bygone('restore', name, '-V', live, '--yes')
    expect(again).toMatchObject({ code: 0, stdout: '' })
    expect(await volume.succeed('restore', name, '-V', live, '--dry-run')).toBe('')
    expect(await volume.snapshots()).toEqual([name, before])
    // And forth again.
    await volume.succeed('restore', before, '-V', live, '--yes')
    expect(differencesOf(await fingerprint(volume), between, without)).toEqual([])
    await volume.unmount()
    await volume.succeed('check', '--data', volume.origin)
  })

  test('goes to any snapshot from any other, whatever was done between them', async () => {
    const seed = seedOfThisRun()
    console.log(`BYGONE_SEED=${seed}`)
    const random = new Random(seed)
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const generator = new OperationGenerator(random, 4096, allAbilities)
    const kept = new Map<string, TreeEntry[]>()
    for (let round = 0; round < 4; round++) {
      for (let count = 0; count < 120; count++) {
        const { op, happened } = generator.next()
        const { errno } = await volume.actor.attempt(volume.live, op)
        if (errno === undefined) happened()
      }
      for (const { op, happened } of generator.closeAll()) {
        await volume.actor.attempt(volume.live, op)
        happened()
      }
      const entries = await fingerprint(volume)
      kept.set(await volume.snapshot(), entries)
    }
    const names = [...kept.keys()]
    for (const name of [0, 3, 1, 2].map((at) => names[at] ?? '')) {
      await volume.succeed('restore', name, '-V', volume.live, '--yes')
      const live = await fingerprint(volume)
      expect(differencesOf(live, kept.get(name) ?? [], without), name).toEqual([])
      expect(await volume.succeed('restore', name, '-V', volume.live, '--dry-run'), name).toBe('')
    }
    for (const [name, entries] of kept) {
      const past = await volume.actor.fingerprint(volume.snapshotPath(name), hiddenInRoot)
      expect(differencesOf(past, entries, ['blocks']), name).toEqual([])
    }
  })

  test('that was killed or interrupted can be run again, and says what it leaves', async () => {
    const random = new Random(seedOfThisRun())
    const volume = await TestVolume.mounted()
    await python(
      volume,
      `for number in range(400):
    os.makedirs(given['live'] + '/d%d' % (number % 20), exist_ok=True)
    open(given['live'] + '/d%d/f%d' % (number % 20, number), 'w').write('text %d' % number * 2000)`,
    )
    const then = await fingerprint(volume)
    const name = await volume.snapshot()
    const spoil = `import shutil
for number in range(20):
    shutil.rmtree(given['live'] + '/d%d' % number, ignore_errors=True)`
    const start = () =>
      spawn(process.execPath, [cliPath, 'restore', name, '-V', volume.live, '--yes'], {
        env: volume.environment,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
    const hasBegun = `
made = lambda: sum(name.startswith('d') for name in os.listdir(given['live']))
deadline = time.monotonic() + 30
while made() < given['count'] and time.monotonic() < deadline:
    time.sleep(0.002)`
    for (const signal of ['SIGKILL', 'SIGINT', 'SIGKILL'] as const) {
      await python(volume, spoil)
      const child = start()
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      const ended = new Promise((resolve) => child.once('exit', resolve))
      await python(volume, hasBegun, { count: 1 + random.below(12) })
      child.kill(signal)
      const code = await ended
      if (signal === 'SIGINT' && code !== 0) {
        expect(code).toBe(1)
        expect(stderr).toMatch(
          /^bygone: interrupted: \d+ of 4\d\d changes are made, .*run it again to finish, or `bygone restore @GMT-\S+` to go back\n$/,
        )
      }
      await volume.succeed('restore', name, '-V', volume.live, '--yes')
      expect(differencesOf(await fingerprint(volume), then, without)).toEqual([])
    }
    const past = await volume.actor.fingerprint(volume.snapshotPath(name), hiddenInRoot)
    expect(differencesOf(past, then)).toEqual([])
  })

  test('of one path leaves all others alone', async () => {
    const volume = await TestVolume.mounted()
    await python(volume, making)
    const name = await volume.snapshot()
    const then = await fingerprint(volume)
    await python(volume, changing)
    const between = await fingerprint(volume)
    for (const path of ['kept/deep', 'removed', './was-directory/inner']) {
      await volume.succeed('restore', name, path, '-V', volume.live, '--yes')
    }
    const now = await fingerprint(volume)
    const isRestored = ({ path }: TreeEntry) =>
      /^(kept\/deep|removed|was-directory)(\/|$)/.test(path)
    expect(differencesOf(now.filter(isRestored), then.filter(isRestored), without)).toEqual([])
    const isOther = (entry: TreeEntry) => !isRestored(entry) && entry.path !== ''
    expect(differencesOf(now.filter(isOther), between.filter(isOther), ['linkCounts'])).toEqual([])
  })

  test('replaces a program that runs, and goes on with that', async () => {
    const volume = await TestVolume.mounted()
    const { live } = volume
    await python(volume, `import shutil; shutil.copy('/bin/sleep', given['live'] + '/program')`)
    const name = await volume.snapshot()
    const then = await fingerprint(volume)
    await python(
      volume,
      `import subprocess
with open(given['live'] + '/program', 'ab') as file:
    file.write(b'longer')
handles['running'] = subprocess.Popen([given['live'] + '/program', '60'])`,
    )
    await volume.succeed('restore', name, '-V', live, '--yes')
    expect(differencesOf(await fingerprint(volume), then, without)).toEqual([])
    await python(
      volume,
      `running = handles.pop('running')
result = running.poll()
running.kill()
running.wait()`,
    )
  })
})
