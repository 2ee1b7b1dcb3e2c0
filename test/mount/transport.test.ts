import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Outcome } from '../support/actor.js'
import { succeed } from '../support/command.js'
import { CompiledProgram } from '../support/compiled-program.js'
import { describeMount } from '../support/requirements.js'
import type { TransportKind } from '../support/transport-messages.js'
import { transportFolders, TransportMount } from '../support/transport-mount.js'

const kinds: TransportKind[] = ['native', 'planned', 'fuse-native']

let program: CompiledProgram

beforeAll(() => {
  program = new CompiledProgram(transportFolders)
})

afterAll(() => {
  program.remove()
})

describeMount('a mount in use', () => {
  describe.each(kinds)('through %s', (kind) => {
    const isNative = kind !== 'fuse-native'
    /** What fuse-native can't do, see the header of fuse-native-transport.ts. */
    function testNative(name: string, check: () => Promise<void>): void {
      if (isNative) test(name, check)
    }

    let mount: TransportMount
    let directories = 0

    beforeAll(async () => {
      mount = await TransportMount.start(program, { kind })
    })

    afterAll(async () => {
      await mount.destroy()
    })

    /** Python in the mount, in a fresh directory, which `d` names. Names and paths there are bytes. */
    async function attempt(lines: string, given: object = {}): Promise<Outcome> {
      const directory = `${mount.path}/${directories++}`
      const prelude = `d = raw(given['directory'])\nos.mkdir(d)\nos.chdir(d)\n`
      return mount.actor.python(`try:\n${indented(`${prelude}${lines}`)}finally:\n os.chdir('/')`, {
        ...given,
        directory,
      })
    }

    async function result(lines: string, given: object = {}): Promise<unknown> {
      const { ok, errno } = await attempt(lines, given)
      if (errno !== undefined) throw new Error(`unexpected ${errno}`)
      return ok
    }

    test('a shell and its tools do their everyday work', async () => {
      const { code, stdout, stderr } = await mount.shell(`
        mkdir "$M/shell" && cd "$M/shell"
        mkdir -p a/b && echo one >a/b/f && echo two >>a/b/f && cp a/b/f g && mv g a/h
        ln -s b/f a/l && ln a/h a/i && chmod 600 a/h && touch -d 2001-02-03 a/b
        cat a/l && stat -c '%h %a' a/i && find . | sort && rm -r a && ls -A`)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout.split('\n')).toEqual([
        ...['one', 'two', '2 600', '.', './a', './a/b', './a/b/f', './a/h', './a/i', './a/l', ''],
      ])
    })

    test('a large file reads back as it was written, in any order', async () => {
      const lines = `
blocks = [random.Random(n).randbytes(1 << 20) for n in range(24)]
with open('large', 'wb') as f:
    for block in blocks: f.write(block)
order = random.Random(0).sample(range(24 * 16), 24 * 16)
whole = b''.join(blocks)
fd = os.open('large', os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
wrong = [n for n in order if os.pread(fd, 65537, n * 65536) != whole[n * 65536:][:65537]]
os.close(fd)
result = [os.stat('large').st_size, wrong]`
      expect(await result(lines)).toEqual([24 << 20, []])
    })

    test('writes at any offset change those bytes alone', async () => {
      const lines = `
r = random.Random(5)
mirror = bytearray(300000)
with open('f', 'wb') as f: f.write(mirror)
fd = os.open('f', os.O_RDWR)
for _ in range(200):
    data = r.randbytes(r.choice([1, 7, 4096, 10000])); at = r.randrange(0, 290000)
    os.pwrite(fd, data, at); mirror[at:at + len(data)] = data
os.close(fd)
result = open('f', 'rb').read() == bytes(mirror)`
      expect(await result(lines)).toBe(true)
    })

    test('truncation cuts off, and grows by zeros', async () => {
      const lines = `
with open('f', 'wb') as f: f.write(b'x' * 10000)
os.truncate('f', 5000); os.truncate('f', 6000)
with open('f', 'r+b') as f: f.truncate(7000)
data = open('f', 'rb').read()
result = [len(data), data.count(b'x'), data[5000:].count(0)]`
      expect(await result(lines)).toEqual([7000, 5000, 2000])
    })

    test('opening with O_TRUNC empties a file, and O_EXCL refuses one', async () => {
      expect(
        await attempt(`
open('f', 'wb').write(b'old')
open('f', 'wb').close()
assert os.stat('f').st_size == 0
os.open('f', os.O_CREAT | os.O_EXCL | os.O_WRONLY)`),
      ).toEqual({ errno: 'EEXIST' })
    })

    test('two who append lose nothing of each other', async () => {
      const lines = `
children = []
for letter in b'ab':
    pid = os.fork()
    if pid == 0:
        fd = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for _ in range(300): os.write(fd, bytes([letter]) * 10)
        os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
data = open('log', 'rb').read()
result = [len(data), data.count(b'a' * 10 ), data.count(b'b' * 10)]`
      expect(await result(lines)).toEqual([6000, 300, 300])
    })

    test('direct I/O reads and writes past the page cache', async () => {
      const lines = `
page = mmap.mmap(-1, 8192)
page.write(b'p' * 8192)
fd = os.open('f', os.O_RDWR | os.O_CREAT | os.O_DIRECT)
os.pwritev(fd, [page], 4096)
back = mmap.mmap(-1, 8192)
count = os.preadv(fd, [back], 8192)
os.close(fd)
result = [os.stat('f').st_size, count, back[:4096] == b'p' * 4096]`
      expect(await result(lines)).toEqual([12288, 4096, true])
    })

    test('what is written through a shared mapping is in the file', async () => {
      const lines = `
with open('f', 'wb') as f: f.write(b'.' * 20000)
fd = os.open('f', os.O_RDWR)
m = mmap.mmap(fd, 20000)
m[9000:9005] = b'hello'
m.flush(); m[15000:15002] = b'hi'; m.close(); os.close(fd)
data = open('f', 'rb').read()
result = [data[8999:9006].decode(), data[14999:15003].decode()]`
      expect(await result(lines)).toEqual(['.hello.', '.hi.'])
    })

    test('a file that is unlinked while it is open can still be read and written', async () => {
      const lines = `
fd = os.open('f', os.O_RDWR | os.O_CREAT)
os.write(fd, b'before')
os.unlink('f')
names = os.listdir('.')
os.write(fd, b' and after')
os.ftruncate(fd, 10)
result = [names, os.pread(fd, 100, 0).decode(), os.fstat(fd).st_size]
os.close(fd)
result += [os.listdir('.')]`
      expect(await result(lines)).toEqual([[], 'before and', 10, []])
    })

    test('a file that is renamed over while it is open keeps its bytes', async () => {
      const lines = `
open('f', 'wb').write(b'old')
open('g', 'wb').write(b'new')
fd = os.open('f', os.O_RDONLY)
os.rename('g', 'f')
result = [os.pread(fd, 9, 0).decode(), open('f').read(), os.listdir('.')]
os.close(fd)`
      expect(await result(lines)).toEqual(['old', 'new', ['f']])
    })

    test('a directory that is renamed takes its files along', async () => {
      const lines = `
os.makedirs('a/b'); open('a/b/f', 'w').write('x'); os.stat('a/b/f')
os.rename('a', 'c')
result = [os.path.exists('a/b/f'), open('c/b/f').read()]`
      expect(await result(lines)).toEqual([false, 'x'])
    })

    test.each([
      ['rmdir of a full directory', `os.mkdir('a'); os.mkdir('a/b'); os.rmdir('a')`, 'ENOTEMPTY'],
      ['unlink of a directory', `os.mkdir('a'); os.unlink('a')`, 'EISDIR'],
      ['rmdir of a file', `open('a', 'w'); os.rmdir('a')`, 'ENOTDIR'],
      ['mkdir of a name in use', `os.mkdir('a'); os.mkdir('a')`, 'EEXIST'],
      ['a path through a file', `open('a', 'w'); open('a/b')`, 'ENOTDIR'],
      ['a name of 256 bytes', `open('x' * 256, 'w')`, 'ENAMETOOLONG'],
    ])('%s fails as it does elsewhere', async (_, lines, errno) => {
      expect(await attempt(lines)).toEqual({ errno })
    })

    testNative('rename can exchange two names, or refuse one in use', async () => {
      const lines = `
open('a', 'w').write('A'); open('b', 'w').write('B')
checked(libc.renameat2(AT_FDCWD, d + b'/a', AT_FDCWD, d + b'/b', 2))
result = open('a').read() + open('b').read()
result += str(libc.renameat2(AT_FDCWD, d + b'/a', AT_FDCWD, d + b'/b', 1)) + errno.errorcode[ctypes.get_errno()]`
      expect(await result(lines)).toBe('BA-1EEXIST')
    })

    test('every name of a large directory is listed once, also while others go', async () => {
      const lines = `
names = ['%05d-%s' % (n, 'n' * (n % 60)) for n in range(3000)]
for name in names: open(name, 'w').close()
listed = []
with os.scandir('.') as entries:
    for n, entry in enumerate(entries):
        listed.append(entry.name)
        if n == 100: os.unlink(names[0] if entry.name != names[0] else names[1])
result = [len(listed), len(set(listed)), sorted(os.listdir('.'))[:2] == names[1:3]]`
      const [count, different] = (await result(lines)) as number[]
      expect(count).toBe(different)
      expect(count).toBeGreaterThanOrEqual(2999)
    })

    test('types and numbers of a listing are those of the files', async () => {
      const lines = `
open('f', 'w').close(); os.mkdir('d'); os.symlink('x', 'l'); os.mkfifo('p')
result = [[e.name, e.is_dir(follow_symlinks=False), e.is_symlink(), e.inode() == e.stat(follow_symlinks=False).st_ino]
          for e in sorted(os.scandir('.'), key=lambda e: e.name)]`
      expect(await result(lines)).toEqual([
        ['d', true, false, true],
        ['f', false, false, true],
        ['l', false, true, true],
        ['p', false, false, true],
      ])
    })

    const names: [what: string, name: string][] = [
      ['of 255 bytes', 'ü'.repeat(127) + 'x'],
      ['with a newline', 'two\nlines'],
      ['with a backslash and quotes', `\\"'$(x)`],
      ['in Japanese', '日本語'],
    ]
    test.each(names)('a name %s is kept as it is', async (_, name) => {
      const lines = `
name = given['name'].encode()
open(name, 'w').write('x'); os.rename(name, name + b''); os.mkdir('s'); os.rename(name, b's/' + name)
result = [os.listdir(b's') == [name], open(b's/' + name).read()]`
      expect(await result(lines, { name })).toEqual([true, 'x'])
    })

    testNative('a name that is not UTF-8 is kept as it is', async () => {
      const lines = `
name = bytes(n for n in range(1, 256) if n != 47)[:255]
open(name, 'w').write('x')
os.symlink(name, b'l')
os.setxattr(name, b'user.\\xff', b'v')
result = [name in os.listdir(b'.'), os.readlink(b'l') == name, os.listxattr(b'l') == ['user.\\udcff']]`
      expect(await result(lines)).toEqual([true, true, true])
    })

    test('a symlink keeps a long target', async () => {
      const lines = `
target = b'/t\\xc3\\xa4' * 900
os.symlink(target, b'l')
result = [os.readlink(b'l') == target, os.lstat(b'l').st_size == len(target)]`
      expect(await result(lines)).toEqual([true, true])
    })

    test('both times are kept, each as it was set', async () => {
      const lines = `
open('f', 'w').close()
os.utime('f', ns=(1_000_000_001_500_000_001, 1_600_000_000_123_456_789))
st = os.stat('f')
result = [st.st_atime_ns, st.st_mtime_ns]
result = [str(ns if given['isNative'] else ns // 1_000_000) for ns in result]`
      expect(await result(lines, { isNative })).toEqual(
        isNative
          ? ['1000000001500000001', '1600000000123456789']
          : ['1000000001500', '1600000000123'],
      )
    })

    testNative('one time alone can be set, and times before 1970', async () => {
      const lines = `
open('f', 'w').close()
os.utime('f', ns=(-1, 5_000_000_007))
os.utime('f', ns=(-1, -5_000_000_007))
subprocess.check_call(['touch', '-a', '-d', '@7', 'f'])
st = os.stat('f')
result = [st.st_atime_ns, st.st_mtime_ns]`
      expect(await result(lines)).toEqual([7_000_000_000, -5_000_000_007])
    })

    test('writing moves the time of change', async () => {
      const lines = `
open('f', 'w').close()
os.utime('f', (5, 5))
open('f', 'a').write('x')
deadline = time.time() + 10
while os.stat('f').st_mtime < 1e9 and time.time() < deadline: time.sleep(0.1)
result = os.stat('f').st_mtime > 1e9`
      expect(await result(lines)).toBe(true)
    })

    test('extended attributes are set, read, listed and removed', async () => {
      const lines = `
open('f', 'w').close()
os.setxattr('f', 'user.one', b'1' * 5000); os.setxattr('f', 'user.empty', b'')
result = [sorted(os.listxattr('f')), len(os.getxattr('f', 'user.one')), len(os.getxattr('f', 'user.empty'))]
os.removexattr('f', 'user.one')
result += [os.listxattr('f')]
def failing(act):
    try: act()
    except OSError as e: return errno.errorcode[e.errno]
result += [failing(lambda: os.getxattr('f', 'user.one')), failing(lambda: os.removexattr('f', 'user.one')),
           failing(lambda: os.setxattr('f', 'user.empty', b'x', os.XATTR_CREATE)),
           failing(lambda: os.setxattr('f', 'user.new', b'x', os.XATTR_REPLACE))]`
      expect(await result(lines)).toEqual([
        ['user.empty', 'user.one'],
        5000,
        0,
        ['user.empty'],
        'ENODATA',
        'ENODATA',
        'EEXIST',
        'ENODATA',
      ])
    })

    test('an extended attribute that does not fit is ERANGE, and its size can be asked for', async () => {
      const lines = `
open('f', 'w').close()
os.setxattr('f', 'user.a', b'value')
buffer = ctypes.create_string_buffer(8)
result = []
ctypes.set_errno(0)
for size in (0, 5, 4):
    result += [libc.getxattr(d + b'/f', b'user.a', buffer, size), ctypes.get_errno()]
    ctypes.set_errno(0)
for size in (0, 7, 6):
    result += [libc.listxattr(d + b'/f', buffer, size), ctypes.get_errno()]
    ctypes.set_errno(0)`
      const ERANGE = 34
      expect(await result(lines)).toEqual([5, 0, 5, 0, -1, ERANGE, 7, 0, 7, 0, -1, ERANGE])
    })

    test('modes, special bits and devices are kept', async () => {
      const lines = `
open('f', 'w').close(); os.chmod('f', 0o4751)
os.mknod('c', 0o20640 , os.makedev(1, 700))
os.mkdir('s', 0o700); os.chmod('s', 0o3777)
result = [oct(os.stat('f').st_mode), os.stat('c').st_rdev == os.makedev(1, 700), oct(os.stat('s').st_mode)]`
      expect(await result(lines)).toEqual(['0o104751', true, '0o43777'])
    })

    test('owner and group can be changed one by one', async () => {
      const lines = `
open('f', 'w').close()
os.chown('f', 1234, -1); os.chown('f', -1, 4321)
result = [os.stat('f').st_uid, os.stat('f').st_gid]`
      expect(await result(lines)).toEqual([1234, 4321])
    })

    testNative('a new file belongs to who made it, with the umask applied', async () => {
      const lines = `
os.chmod(d, 0o777)
def make():
    mask = os.umask(0o027)
    open('f', 'w').close(); os.mkdir('s'); os.symlink('x', 'l')
    os.umask(mask)
as_caller(1234, make)
result = [[os.lstat(n).st_uid, os.lstat(n).st_gid] for n in 'fsl'] + [oct(os.stat('f').st_mode), oct(os.stat('s').st_mode)]`
      expect(await result(lines)).toEqual([
        [1234, 1234],
        [1234, 1234],
        [1234, 1234],
        '0o100640',
        '0o40750',
      ])
    })

    test('the kernel keeps out who may not', async () => {
      const lines = `
open('f', 'w').close(); os.chmod('f', 0o600)
as_caller(1234, lambda: open('f'))`
      expect(await attempt(lines)).toEqual({ errno: 'EACCES' })
    })

    test('a write by another than root takes set-user-ID away', async () => {
      const lines = `
open('f', 'w').write('program'); os.chmod('f', 0o6777)
def change():
    fd = os.open('f', os.O_RDWR); os.pwrite(fd, b'P', 0); os.close(fd)
as_caller(1234, change)
result = [oct(os.stat('f').st_mode), open('f').read()]`
      expect(await result(lines)).toEqual(['0o100777', 'Program'])
    })

    test('truncation and chown by another than root take set-user-ID away', async () => {
      const lines = `
for name in 'tc':
    open(name, 'w').write('program'); os.chown(name, 1234, 1234); os.chmod(name, 0o4755)
as_caller(1234, lambda: os.truncate('t', 3))
as_caller(1234, lambda: os.chown('c', -1, 1234))
result = [oct(os.stat(name).st_mode) for name in 'tc']`
      expect(await result(lines)).toEqual(['0o100755', '0o100755'])
    })

    test('hard links are one file', async () => {
      const lines = `
open('a', 'w').write('x'); os.link('a', 'b'); open('b', 'a').write('y')
a, b = os.stat('a'), os.stat('b')
os.chmod('a', 0o640)
mode = oct(os.stat('b').st_mode)
os.unlink('a')
result = [a.st_ino == b.st_ino, b.st_nlink, mode, open('b').read(), os.stat('b').st_nlink]`
      expect(await result(lines)).toEqual([true, 2, '0o100640', 'xy', 1])
    })

    test('statfs tells what the file system says', async () => {
      const lines = `
st = os.statvfs('.')
result = [st.f_bsize, st.f_frsize, st.f_blocks, st.f_bfree, st.f_bavail, st.f_files, st.f_ffree, st.f_namemax]`
      expect(await result(lines)).toEqual([4096, 4096, 1000, 600, 500, 100, 50, 255])
    })

    test('fsync of files and directories returns', async () => {
      const lines = `
fd = os.open('f', os.O_RDWR | os.O_CREAT)
os.write(fd, b'x'); os.fsync(fd); os.fdatasync(fd); os.close(fd)
fd = os.open('.', os.O_RDONLY)
os.fsync(fd); os.close(fd)
result = True`
      expect(await result(lines)).toBe(true)
    })

    testNative('fallocate, holes and copies in the kernel work', async () => {
      const lines = `
fd = os.open('f', os.O_RDWR | os.O_CREAT)
os.posix_fallocate(fd, 0, 8192)
os.ftruncate(fd, 1 << 20); os.pwrite(fd, b'data', 1 << 19)
checked(libc.fallocate(fd, 3, 0, 8192))
to = os.open('g', os.O_RDWR | os.O_CREAT)
copied = os.copy_file_range(fd, to, 4, 1 << 19, 10)
result = [os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 1 << 19, os.SEEK_HOLE), copied, os.pread(to, 99, 0).hex()]`
      expect(await result(lines)).toEqual([
        1 << 19,
        (1 << 19) + 4096,
        4,
        '0'.repeat(20) + '64617461',
      ])
    })

    testNative('a file can be made without a name, and given one', async () => {
      const lines = `
fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b'x')
names = os.listdir('.')
checked(libc.linkat(AT_FDCWD, b'/proc/self/fd/%d' % fd, AT_FDCWD, b'named', 0x400))
result = [names, open('named').read(), oct(os.stat('named').st_mode)]`
      expect(await result(lines)).toEqual([[], 'x', '0o100640'])
    })

    test('locks work between processes', async () => {
      const lines = `
import fcntl
f = open('f', 'w')
fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX, 10)
def tried(lock):
    pid = os.fork()
    if pid == 0:
        try: lock(open('f', 'w'))
        except OSError: os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] >> 8
result = [tried(lambda f: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)),
          tried(lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)),
          tried(lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 20))]`
      expect(await result(lines)).toEqual([1, 1, 0])
    })

    test('an ioctl that nobody knows fails at once', async () => {
      const lines = `
import fcntl
fcntl.ioctl(open('f', 'w'), 0x12345678, b'')`
      expect(await attempt(lines)).toEqual({ errno: 'ENOTTY' })
    })

    test('poll says that a file is ready', async () => {
      const lines = `
import select
p = select.poll(); p.register(os.open('f', os.O_RDWR | os.O_CREAT))
result = len(p.poll(1000))`
      expect(await result(lines)).toBe(1)
    })

    test('many at a time get their answers', async () => {
      const { code, stderr } = await mount.shell(`
        mkdir "$M/many" && cd "$M/many"
        mkdir one && for i in $(seq 50); do echo $i >one/$i; done
        for i in 1 2 3 4; do (cp -r one copy$i && diff -r one copy$i && rm -r copy$i) & jobs="$jobs $!"; done
        for job in $jobs; do wait $job || exit 1; done
        [ "$(ls)" = one ]`)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    })

    test('a bug in a handler is EIO for that request, and a line in the log', async () => {
      const before = (await mount.state()).log.length
      expect(
        await mount.actor.python(`open(given['path'])`, { path: `${mount.path}/broken` }),
      ).toEqual({
        errno: 'EIO',
      })
      const { log } = await mount.state()
      expect(log.slice(before)).not.toEqual([])
      expect(log.slice(before).every((line) => line.includes('a bug in a handler'))).toBe(true)
      expect(await result(`result = os.listdir('.')`)).toEqual([])
    })

    test('a reader that is killed in the middle of its request harms nobody', async () => {
      const reader = mount.newActor()
      const path = `${mount.path}/slow`
      await reader.python(`open(given['path'], 'w').write('x' * 100000)`, { path })
      const slowRead = mount.slowRead()
      const reading = reader.python(`open(given['path']).read()`, { path })
      await slowRead
      process.kill(reader.pid, 'SIGKILL')
      await expect(reading).rejects.toThrow(/SIGKILL/)
      expect(await result(`result = os.listdir('.')`)).toEqual([])
      expect((await mount.state()).stats?.repliesRefused ?? 0).toBe(0)
    })

    if (kind === 'native') {
      test('bytes of open files are moved without being asked for', async () => {
        const before = (await mount.state()).stats
        await result(`
open('f', 'wb').write(b'x' * 100000)
result = open('f', 'rb').read()[:1].decode()`)
        const after = (await mount.state()).stats
        expect(after?.writesServed).toBeGreaterThan(before?.writesServed ?? 0)
        expect(after?.readsServed).toBeGreaterThan(before?.readsServed ?? 0)
      })
    }

    testNative('every reply was taken by the kernel', async () => {
      expect((await mount.state()).stats?.repliesRefused).toBe(0)
    })

    test('nothing stays open', async () => {
      await mount.actor.stop()
      await expect.poll(async () => (await mount.state()).handles).toBe(0)
    })
  })
})

describeMount('a mount on its own', () => {
  const forEver = 1e9

  interface Started {
    mount: TransportMount
    /** Python in the mount: its result, or the name of the errno. */
    python: (lines: string) => Promise<unknown>
  }

  async function started(options: Parameters<typeof TransportMount.start>[1]): Promise<Started> {
    const mount = await TransportMount.start(program, options)
    onTestFinished(() => mount.destroy())
    const python = async (lines: string): Promise<unknown> => {
      const { ok, errno } = await mount.actor.python(
        `os.chdir(given['path'])\ntry:\n${indented(lines)}finally:\n os.chdir('/')`,
        { path: mount.path },
      )
      return errno ?? ok
    }
    return { mount, python }
  }

  describe.each(kinds)('through %s', (kind) => {
    test('is gone after umount: the transport returns and has closed everything', async () => {
      const { mount, python } = await started({ kind })
      await python(`open('f', 'w').write('x')`)
      const { state, wasDestroyed } = await mount.unmount()
      expect({ handles: state.handles, wasDestroyed }).toEqual({ handles: 0, wasDestroyed: true })
      expect(state.log).toEqual([])
      expect(await mount.exited()).toBe(0)
      await expect.poll(() => mount.processes().length).toBe(0)
    })

    test('detached while a file is open, it serves that file to its end', async () => {
      const { mount, python } = await started({ kind })
      await python(`tree.held = open('f', 'w+'); tree.held.write('x'); tree.held.flush()`)
      await succeed('umount', ['-l', mount.path])
      const lines = `
tree.held.write('y'); tree.held.flush(); tree.held.seek(0)
result = tree.held.read()
tree.held.close()`
      expect(await mount.actor.python(lines)).toEqual({ ok: 'xy' })
      expect((await mount.returned()).wasDestroyed).toBe(true)
      expect(await mount.exited()).toBe(0)
    })

    test('whose process is killed says so to everybody, and hangs nobody', async () => {
      const { mount, python } = await started({ kind })
      await python(`open('slow', 'w').write('x' * 100000)`)
      const slowRead = mount.slowRead()
      const reading = python(`result = open('slow').read()`)
      await slowRead
      await mount.kill()
      expect(await reading).toMatch(/^(ENOTCONN|ECONNABORTED|EIO)$/)
      const { path } = mount
      const dead = { errno: 'ENOTCONN' }
      await expect.poll(() => mount.actor.python(`os.stat(given['path'])`, { path })).toEqual(dead)
      await expect.poll(() => mount.processes().length).toBe(0)
    })
  })

  test.each(['native', 'planned'] as const)(
    'through %s: lookups are all taken back once the kernel drops its caches',
    async (kind) => {
      const { mount, python } = await started({ kind, ttlMs: forEver })
      const kept = await python(`
os.makedirs('a/b')
for n in range(500): open('a/b/%d' % n, 'w').close()
for n in range(100): os.rename('a/b/%d' % n, 'a/x%d' % n)
for n in range(50): os.link('a/x%d' % n, 'a/y%d' % n)
for n in range(60, 80): os.unlink('a/x%d' % n)
subprocess.check_output(['find', '.', '-ls'])
result = len(os.listdir('a'))`)
      expect(kept).toBe(1 + 80 + 50)
      expect((await mount.state()).nodes).toBe(1 + 2 + 480)
      const nodesAfterDrop = async (): Promise<number> => {
        await succeed('sh', ['-c', 'echo 2 >/proc/sys/vm/drop_caches'])
        return (await mount.state()).nodes
      }
      await expect.poll(nodesAfterDrop, { timeout: 20_000, interval: 200 }).toBe(1)
      expect(await python(`result = len(os.listdir('a/b'))`)).toBe(400)
    },
  )

  test('a name that may be trusted for long is dropped when the kernel is told so', async () => {
    const { mount, python } = await started({ kind: 'native', ttlMs: forEver })
    await python(`open('f', 'w').close(); os.stat('f')`)
    await mount.ask({ ask: 'removeBehind', name: 'f' })
    expect(await python(`result = os.path.exists('f')`)).toBe(true)
    await mount.ask({ ask: 'invalidateEntry', name: 'f' })
    await expect.poll(() => python(`result = os.path.exists('f')`)).toBe(false)
  })

  test('an absent name is remembered for as long as it may be, and dropped on notice', async () => {
    const { mount, python } = await started({ kind: 'native', ttlMs: forEver })
    const requestsAfterLooking = async (): Promise<number> => {
      await python(`for _ in range(10): os.path.exists('f')`)
      return (await mount.state()).stats?.requests ?? 0
    }
    await requestsAfterLooking()
    const before = await requestsAfterLooking()
    expect(await requestsAfterLooking()).toBeLessThan(before + 10)
    await mount.ask({ ask: 'invalidateEntry', name: 'f' })
    await expect.poll(requestsAfterLooking).toBeGreaterThan(before)
  })

  test('cached pages stay from one open to the next, until the kernel is told otherwise', async () => {
    const { mount, python } = await started({ kind: 'native', ttlMs: forEver, keepCache: true })
    await python(`open('f', 'w').write('old')`)
    expect(await python(`result = open('f').read()`)).toBe('old')
    await mount.ask({ ask: 'writeBehind', name: 'f', text: 'new' })
    expect(await python(`result = open('f').read()`)).toBe('old')
    await mount.ask({ ask: 'invalidateNode', name: 'f' })
    await expect.poll(() => python(`result = open('f').read()`)).toBe('new')
  })

  test('a cached listing is read without asking, until something is made there', async () => {
    const { mount, python } = await started({ kind: 'native', ttlMs: forEver, keepCache: true })
    await python(`
for n in range(100): open(str(n), 'w').close()
os.listdir('.'); os.listdir('.')`)
    const before = (await mount.state()).stats?.requests ?? 0
    expect(await python(`result = sum(len(os.listdir('.')) for _ in range(10))`)).toBe(1000)
    // Each is opened and closed. To read it would take two requests more. A close is not waited for.
    expect((await mount.state()).stats?.requests).toBeLessThan(before + 10 * 3)
    expect(await python(`open('new', 'w').close(); result = len(os.listdir('.'))`)).toBe(101)
  })

  test('what the kernel offers is in force', async () => {
    const { mount } = await started({ kind: 'native' })
    const { agreement } = await mount.state()
    expect(agreement?.protocol).toMatch(/^7\.\d+$/)
    expect(agreement?.features).toEqual(
      expect.arrayContaining(['readdirplus', 'parallel-dirops', 'posix-acl', 'max-pages']),
    )
  })

  test('ACLs are kept and enforced', async () => {
    const { mount } = await started({ kind: 'native' })
    const { code, stdout, stderr } = await mount.shell(`
      cd "$M" && chmod 755 "$M" .. && echo x >f && chmod 600 f && setfacl -m u:1234:r f
      getfacl -cn f | grep 1234
      setpriv --reuid=1234 --regid=1234 --clear-groups cat f
      ! setpriv --reuid=1235 --regid=1235 --clear-groups cat f 2>/dev/null
      echo x >g && chown 1234:77 g && chmod 2755 g
      setpriv --reuid=1234 --regid=1234 --clear-groups setfacl -m u:1236:r g
      stat -c %a g`)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n')).toEqual(['user:1234:r--', 'x', '755', ''])
  })

  test('stops when it is told so, whoever is still there', async () => {
    const { mount, python } = await started({ kind: 'native' })
    await python(`tree.held = open('f', 'w')`)
    await mount.ask({ ask: 'stop' })
    expect((await mount.returned()).wasDestroyed).toBe(true)
    expect(await mount.exited()).toBe(0)
    expect(await python(`os.listdir('.')`)).toBe('ENOTCONN')
  })

  test('through fuse-native: while it is in use unmounting is refused, and then is not', async () => {
    const { mount, python } = await started({ kind: 'fuse-native' })
    await python(`tree.held = open('f', 'w')`)
    await expect(mount.ask({ ask: 'unmount' })).rejects.toThrow(/busy/)
    expect(await python(`tree.held.close(); result = os.listdir('.')`)).toEqual(['f'])
    await mount.ask({ ask: 'unmount' })
    expect((await mount.returned()).wasDestroyed).toBe(true)
    expect(mount.mounts()).toEqual([])
  })

  test.each([
    ['is not there', 'none', /fuse-native: Mountpoint does not exist/],
    ['has too long a path', Array(6).fill('x'.repeat(200)).join('/'), /more than 1023 bytes/],
  ])('through fuse-native: a mount point that %s is refused', async (_, mountName, told) => {
    await expect(TransportMount.start(program, { kind: 'fuse-native', mountName })).rejects.toThrow(
      told,
    )
  })

  test('through fuse-native: names that are not UTF-8 are refused', async () => {
    const { python } = await started({ kind: 'fuse-native' })
    expect(await python(`open(b'\\xff', 'w')`)).toBe('EINVAL')
    expect(await python(`os.symlink(b'\\xff', 'l')`)).toBe('EINVAL')
    expect(await python(`result = os.listdir('.')`)).toEqual([])
  })
})

function indented(lines: string): string {
  return lines
    .split('\n')
    .map((line) => ` ${line}\n`)
    .join('')
}
