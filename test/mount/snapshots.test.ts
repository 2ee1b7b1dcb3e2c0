import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { hiddenInRoot, TestVolume } from '../support/test-volume.js'
import { differencesOf } from '../support/tree.js'

const makingOneOfEach = `
os.chdir(given['live'])
os.makedirs('dir/inner')
os.mkdir('empty')
open('file', 'w').write('old')
open('dir/inner/file', 'w').write('deep')
os.link('file', 'dir/hard')
os.symlink('file', 'symlink')
os.mkfifo('fifo')
os.mknod('device', 0o020644, os.makedev(1, 3))
os.setxattr('file', 'user.mark', b'1')
with open('sparse', 'wb') as sparse:
    sparse.truncate(1 << 30)
    os.pwrite(sparse.fileno(), b'x' * 4096, 512 << 20)
os.chdir('/')`

/** Every way to change a file system, at a snapshot's root; each must say EROFS. */
const changing = `
os.chdir(given['snapshot'])
live = given['live']
changes = {
    'open for writing': lambda: os.open('file', os.O_WRONLY),
    'open for reading and writing': lambda: os.open('file', os.O_RDWR),
    'open and truncate': lambda: os.open('file', os.O_RDONLY | os.O_TRUNC),
    'open to append': lambda: os.open('file', os.O_WRONLY | os.O_APPEND),
    'create': lambda: os.open('new', os.O_CREAT | os.O_WRONLY),
    'create in a directory below': lambda: os.open('dir/new', os.O_CREAT | os.O_WRONLY),
    'truncate': lambda: os.truncate('file', 1),
    'mkdir': lambda: os.mkdir('new'),
    'mkfifo': lambda: os.mkfifo('new'),
    'mknod': lambda: os.mknod('new', 0o020644, os.makedev(1, 5)),
    'symlink': lambda: os.symlink('x', 'new'),
    'link': lambda: os.link('file', 'new'),
    'link from the live tree': lambda: os.link(live + '/file', 'new'),
    'link into the live tree': lambda: os.link('file', live + '/new'),
    'unlink': lambda: os.unlink('file'),
    'unlink a symlink': lambda: os.unlink('symlink'),
    'rmdir': lambda: os.rmdir('empty'),
    'rename': lambda: os.rename('file', 'new'),
    'rename over': lambda: os.rename('file', 'dir/hard2'),
    'rename a directory': lambda: os.rename('dir', 'new'),
    'rename from the live tree': lambda: os.rename(live + '/file', 'new'),
    'rename into the live tree': lambda: os.rename('file', live + '/new'),
    'exchange': lambda: checked(libc.renameat2(AT_FDCWD, b'file', AT_FDCWD, b'symlink', 2)),
    'chmod': lambda: os.chmod('file', 0o600),
    'chmod the root': lambda: os.chmod('.', 0o700),
    'chown': lambda: os.chown('file', 1, 1),
    'chown a symlink': lambda: os.lchown('symlink', 1, 1),
    'utimes': lambda: os.utime('file', ns=(0, 0)),
    'touch': lambda: os.utime('dir'),
    'setxattr': lambda: os.setxattr('file', 'user.new', b'x'),
    'setxattr on a directory': lambda: os.setxattr('dir', 'user.new', b'x'),
    'removexattr': lambda: os.removexattr('file', 'user.mark'),
    'set an access list': lambda: os.setxattr('file', 'system.posix_acl_access', bytes.fromhex(
        '0200000001000600ffffffff04000400ffffffff20000400ffffffff')),
}
result = {}
for name, change in changes.items():
    try:
        change()
        result[name] = 'done'
    except OSError as error:
        if error.errno != errno.EROFS:
            result[name] = errno.errorcode[error.errno]
os.chdir('/')`

const changesAll = `
os.chdir(given['live'])
open('file', 'w').write('new bytes')
os.chmod('file', 0o600)
os.utime('dir/inner/file', ns=(5, 6))
os.unlink('symlink')
os.unlink('fifo')
os.rename('dir', 'moved')
os.rmdir('empty')
os.truncate('sparse', 5)
os.chdir('/')`

async function volumeWithSnapshot(): Promise<{ volume: TestVolume; name: string }> {
  const volume = await TestVolume.mounted({ chunkSize: '4K' })
  const made = await volume.actor.python(makingOneOfEach, { live: volume.live })
  expect(made).toEqual({ ok: null })
  return { volume, name: await volume.snapshot() }
}

/** `2026-11-21_09.30.00` for `@GMT-2026.11.21-09.30.00`. */
function plainNameOf(name: string): string {
  return name.replace(/^@GMT-(\d+)\.(\d+)\.(\d+)-/, '$1-$2-$3_')
}

const list = `result = sorted(os.listdir(given['path']))`

describeMount('a snapshot', () => {
  test('is named after its time in UTC whatever the time zone, and names grow', async () => {
    const volume = await TestVolume.mounted()
    const zone = process.env['TZ']
    process.env['TZ'] = 'Asia/Tokyo'
    const from = Date.now()
    const first = await volume.snapshot()
    const second = await volume.snapshot()
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
    expect(first).toMatch(/^@GMT-\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d$/)
    expect(second > first).toBe(true)
    const [year, month, day, hour, minute, second0] = first.match(/\d+/g)?.map(Number) ?? []
    const time = Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second0)
    expect(Math.abs(time - from)).toBeLessThan(10_000)
    const listed = await volume.actor.python(list, { path: volume.live })
    expect(listed).toEqual({ ok: [first, second] })
    expect(await volume.snapshots()).toEqual([first, second])
  })

  test('says EROFS to every change', async () => {
    const { volume, name } = await volumeWithSnapshot()
    const snapshot = volume.snapshotPath(name)
    const before = await volume.actor.fingerprint(snapshot, [])
    const given = { snapshot, live: volume.live }
    expect(await volume.actor.python(changing, given)).toEqual({ ok: {} })
    expect(differencesOf(await volume.actor.fingerprint(snapshot, []), before)).toEqual([])
    const plain = `${volume.live}/.snapshots/${plainNameOf(name)}`
    expect(await volume.actor.python(changing, { ...given, snapshot: plain })).toEqual({ ok: {} })
  })

  test('is reached as @GMT-..., @latest, .snapshots/ and from every directory below', async () => {
    const { volume, name } = await volumeWithSnapshot()
    await volume.actor.python(changesAll, { live: volume.live })
    const plainName = plainNameOf(name)
    const read = async (path: string) =>
      volume.actor.python(`result = open(given['path']).read()`, { path: `${volume.live}/${path}` })
    for (const way of [name, '@latest', `.snapshots/${plainName}`]) {
      expect(await read(`${way}/file`), way).toEqual({ ok: 'old' })
      expect(await read(`${way}/dir/inner/file`), way).toEqual({ ok: 'deep' })
    }
    const listed = await volume.actor.python(list, { path: volume.live })
    expect(listed).toEqual({ ok: [name, 'device', 'file', 'moved', 'sparse'].sort() })
    const names = await volume.actor.python(list, { path: `${volume.live}/.snapshots` })
    expect(names).toEqual({ ok: [plainName] })
  })

  test('of a directory below is reached in it by path', async () => {
    const { volume, name } = await volumeWithSnapshot()
    const path = `${volume.live}/dir/inner`
    await volume.actor.python(`open(given['path'] + '/file', 'w').write('changed')`, { path })
    for (const way of [name, '@latest']) {
      const { ok } = await volume.actor.python(
        `result = [open(given['path']).read(), os.listdir(os.path.dirname(given['path']))]`,
        { path: `${path}/${way}/file` },
      )
      expect(ok, way).toEqual(['deep', ['file']])
    }
    const listed = await volume.actor.python(list, { path })
    expect(listed).toEqual({ ok: ['file'] })
  })

  test('is taken by mkdir in .snapshots, with that tag', async () => {
    const { volume } = await volumeWithSnapshot()
    const { ok } = await volume.actor.python(
      `os.mkdir(given['live'] + '/.snapshots/before-upgrade')
open(given['live'] + '/file', 'w').write('changed')
result = open(given['live'] + '/.snapshots/before-upgrade/file').read()`,
      { live: volume.live },
    )
    expect(ok).toBe('old')
    expect(await volume.snapshots()).toHaveLength(2)
    const again = `os.mkdir(given['live'] + '/.snapshots/before-upgrade')`
    expect(await volume.actor.python(again, { live: volume.live })).toEqual({ errno: 'EEXIST' })
    expect(await volume.snapshots()).toHaveLength(2)
  })

  test('keeps inode numbers over remounts; no two versions of a file share one', async () => {
    const { volume, name } = await volumeWithSnapshot()
    await volume.actor.python(changesAll, { live: volume.live })
    const names = [name, await volume.snapshot()]
    const look = async () => {
      const trees = [await volume.actor.fingerprint(volume.live, hiddenInRoot)]
      for (const each of names) {
        trees.push(await volume.actor.fingerprint(volume.snapshotPath(each), []))
      }
      return trees
    }
    const trees = await look()
    expect(differencesOf(trees[2] ?? [], trees[0] ?? [])).toEqual([])
    const seen = trees.flatMap((tree) => [...new Set(tree.map(({ ino }) => ino))])
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).not.toContain('0')
    const numbers = (all: typeof trees) =>
      all.map((tree) => tree.map(({ path, ino }) => [path, ino]))
    await volume.remount()
    expect(numbers((await look()).slice(1))).toEqual(numbers(trees.slice(1)))
    await volume.killAndMount()
    expect(numbers((await look()).slice(1))).toEqual(numbers(trees.slice(1)))
  })

  test('shows holes as holes', async () => {
    const { volume, name } = await volumeWithSnapshot()
    const given = { path: `${volume.snapshotPath(name)}/sparse`, live: `${volume.live}/sparse` }
    const look = `
fd = os.open(given['path'], os.O_RDONLY)
result = [list(tree.data_ranges(fd, os.fstat(fd).st_size)), os.fstat(fd).st_blocks]
os.close(fd)`
    const wanted = { ok: [[[512 << 20, (512 << 20) + 4096]], 8] }
    expect(await volume.actor.python(look, given)).toEqual(wanted)
    const over = `
fd = os.open(given['live'], os.O_WRONLY)
os.pwrite(fd, b'y' * 10000, (512 << 20) - 5000)
os.pwrite(fd, b'y' * 10000, 7)
os.ftruncate(fd, 600 << 20)
os.close(fd)`
    expect(await volume.actor.python(over, given)).toEqual({ ok: null })
    expect(await volume.actor.python(look, given)).toEqual(wanted)
    const copy = volume.beside('copy')
    await succeed('cp', ['-a', given.path, copy])
    expect((await succeed('stat', ['-c', '%b', copy])).trim()).toBe('8')
  })

  test('can be read by whom it could be read then, and by no one else', async () => {
    const volume = await TestVolume.mounted()
    const live = volume.live
    await volume.actor.python(
      `os.chdir(given['live'])
for name in ('secret', 'public'):
    open(name, 'w').write('old')
    os.chown(name, 1000, 1000)
os.chmod('secret', 0o600)
os.mkdir('closed')
open('closed/file', 'w').write('old')
os.chmod('closed', 0o700)
os.chdir('/')`,
      { live },
    )
    const snapshot = volume.snapshotPath(await volume.snapshot())
    const asNobody = async (path: string) =>
      volume.actor.python(`result = as_caller(65534, lambda: open(given['path']).read())`, { path })
    expect(await asNobody(`${live}/secret`)).toEqual({ errno: 'EACCES' })
    expect(await asNobody(`${snapshot}/secret`)).toEqual({ errno: 'EACCES' })
    await volume.actor.python(
      `os.chdir(given['live'])
os.chmod('secret', 0o644)
os.chmod('public', 0o600)
os.chmod('closed', 0o755)
os.chdir('/')`,
      { live },
    )
    expect(await asNobody(`${live}/secret`)).toEqual({ ok: 'old' })
    expect(await asNobody(`${live}/public`)).toEqual({ errno: 'EACCES' })
    expect(await asNobody(`${live}/closed/file`)).toEqual({ ok: 'old' })
    await volume.remount()
    expect(await asNobody(`${snapshot}/secret`)).toEqual({ errno: 'EACCES' })
    expect(await asNobody(`${snapshot}/closed/file`)).toEqual({ errno: 'EACCES' })
    expect(await asNobody(`${snapshot}/public`)).toEqual({ ok: 'old' })
  })

  test('does not let set-user-ID programs and devices work', async () => {
    const { volume } = await volumeWithSnapshot()
    const options = await succeed('findmnt', ['-n', '-o', 'OPTIONS', volume.live])
    expect(options).toContain('nosuid')
    expect(options).toContain('nodev')
  })
})
