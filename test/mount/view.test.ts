import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

describeMount('the live tree', () => {
  test('gives new files to the caller, with the umask and group of a plain file system', async () => {
    const volume = await TestVolume.mounted()
    const making = `
os.chdir(given['top'])
os.mkdir('shared')
os.chmod('shared', 0o2777)
os.chown('shared', 0, 77)
os.mkdir('open')
os.chmod('open', 0o777)
def make():
    old = os.umask(0o027)
    for directory in ('shared', 'open'):
        open(directory + '/file', 'w').close()
        os.mkdir(directory + '/directory')
        os.mkfifo(directory + '/fifo')
        os.symlink('x', directory + '/symlink')
    os.umask(old)
as_caller(65534, make)
def look(path):
    st = os.lstat(path)
    return [path, oct(st.st_mode), st.st_uid, st.st_gid]
result = [look(os.path.join(d, name)) for d in ('shared', 'open') for name in sorted(os.listdir(d))]
os.chdir('/')`
    const onMount = await volume.actor.python(making, { top: volume.live })
    await succeed('mkdir', [volume.beside('plain')])
    const onPlain = await volume.actor.python(making, { top: volume.beside('plain') })
    expect(onMount).toEqual(onPlain)
    expect(onMount.ok).toContainEqual(['open/file', '0o100640', 65534, 65534])
  })

  test('applies default access lists as a plain file system does', async () => {
    const volume = await TestVolume.mounted()
    const script = `mkdir d; setfacl -d -m u:65534:rwx,g:77:r-x,o::--- d; cd d
      umask 077; touch file; mkdir directory; getfacl -nR .`
    const onMount = await succeed('sh', ['-ec', script], { cwd: volume.live })
    await succeed('mkdir', [volume.beside('plain')])
    expect(onMount).toBe(await succeed('sh', ['-ec', script], { cwd: volume.beside('plain') }))
    expect(onMount).toContain('user:65534:rwx')
  })

  test('lets a user in by an access list alone', async () => {
    const volume = await TestVolume.mounted()
    await succeed('sh', ['-ec', 'echo secret >f; chmod 600 f; setfacl -m u:65534:r f'], {
      cwd: volume.live,
    })
    const read = `result = as_caller(given['uid'], lambda: open(given['path']).read())`
    const path = `${volume.live}/f`
    expect(await volume.actor.python(read, { path, uid: 65534 })).toEqual({ ok: 'secret\n' })
    expect(await volume.actor.python(read, { path, uid: 65533 })).toEqual({ errno: 'EACCES' })
    const snapshot = `${volume.snapshotPath(await volume.snapshot())}/f`
    await succeed('setfacl', ['-b', path])
    expect(await volume.actor.python(read, { path, uid: 65534 })).toEqual({ errno: 'EACCES' })
    expect(await volume.actor.python(read, { path: snapshot, uid: 65534 })).toEqual({
      ok: 'secret\n',
    })
  })

  test('lists a directory of 5,000 names whole, also while they are being removed', async () => {
    const volume = await TestVolume.mounted()
    const { ok } = await volume.actor.python(
      `os.chdir(given['top'])
os.mkdir('many')
wanted = sorted('file-%05d' % number for number in range(5000))
for name in wanted:
    open('many/' + name, 'w').close()
whole = sorted(os.listdir('many')) == wanted
removed = 0
with os.scandir('many') as listing:
    for entry in listing:
        os.unlink(entry.path)
        removed += 1
os.rmdir('many')
result = [whole, removed]
os.chdir('/')`,
      { top: volume.live },
    )
    expect(ok).toEqual([true, 5000])
  })

  test('tells the room on the file system of the origin', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const { ok } = await volume.actor.python(
      `tell = lambda path: (lambda s: [s.f_frsize, s.f_blocks, s.f_files, s.f_namemax])(os.statvfs(path))
result = [tell(given['live']), tell(given['origin'])]`,
      { live: volume.live, origin: volume.origin },
    )
    const [live, origin] = ok as number[][]
    expect(live).toEqual(origin)
  })

  test('lands in the plain origin, and shows what the origin held before', async () => {
    const volume = new TestVolume({ isMountedOver: false })
    await succeed('sh', ['-c', 'mkdir a; echo before >a/b'], { cwd: volume.origin })
    await volume.mount()
    expect(await succeed('cat', [`${volume.live}/a/b`])).toBe('before\n')
    await succeed('sh', ['-c', 'echo after >a/c; mv a/b a/d'], { cwd: volume.live })
    expect(await succeed('sh', ['-c', 'cat a/c a/d; ls a'], { cwd: volume.origin })).toBe(
      'after\nbefore\nc\nd\n',
    )
    await volume.unmount()
    expect(await succeed('ls', ['-A', volume.origin])).toBe('.bygone\na\n')
  })

  test('holds locks between processes', async () => {
    const volume = await TestVolume.mounted()
    const path = `${volume.live}/lock`
    const locking = `
import fcntl
held = os.open(given['path'], os.O_CREAT | os.O_RDWR)
getattr(fcntl, given['how'])(held, fcntl.LOCK_EX | fcntl.LOCK_NB)`
    const other = volume.newActor()
    for (const how of ['flock', 'lockf']) {
      const given = { path: path + how, how }
      expect(await volume.actor.python(locking, given)).toEqual({ ok: null })
      expect(await other.python(locking, given)).toEqual({ errno: 'EAGAIN' })
    }
  })

  test('shares a file between all its names, also through an open handle after the last is gone', async () => {
    const volume = await TestVolume.mounted()
    const { ok } = await volume.actor.python(
      `os.chdir(given['top'])
fd = os.open('one', os.O_CREAT | os.O_RDWR)
os.link('one', 'two')
os.write(fd, b'through one')
seen = [open('two').read(), os.stat('two').st_nlink, os.stat('one').st_ino == os.stat('two').st_ino]
os.unlink('one')
seen.append(os.fstat(fd).st_nlink)
os.unlink('two')
os.pwrite(fd, b'unnamed', 0)
seen += [os.fstat(fd).st_nlink, os.pread(fd, 7, 0).decode(), os.listdir('.')]
os.close(fd)
result = seen
os.chdir('/')`,
      { top: volume.live },
    )
    expect(ok).toEqual(['through one', 2, true, 1, 0, 'unnamed', []])
  })
})
