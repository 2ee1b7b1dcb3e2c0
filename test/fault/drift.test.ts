import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'

// Goal: what is changed in the origin while it is not mounted never shows in a snapshot: it is EIO there, and all
// that was not touched reads as before.
// Method: one file or directory for each way to change one behind the mount's back; what each snapshot shows
// is compared with what it showed when it was taken, also after the files were changed through the mount too.

/** Files by what will be done to them, in the directory of the same name. */
const make = `
os.chdir(given['top'])
for name in given['names']:
    os.mkdir(name)
    for file in ('file', 'other'):
        with open(name + '/' + file, 'wb') as out:
            out.write((name + file).encode() * 20000)
    os.setxattr(name + '/file', 'user.mine', b'then')
    os.mkdir(name + '/below')
    open(name + '/below/deep', 'w').write('deep')
    os.symlink('target of then', name + '/link')
os.chdir('/')`

const changeUnseen = `
os.chdir(given['top'])
def rewrite(path):
    before = os.stat(path)
    with open(path, 'r+b') as out:
        out.write(b'UNSEEN')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
rewrite('content/file')
os.truncate('cut/file', 10)
with open('new', 'wb') as out:
    out.write(b'UNSEEN' * 100)
os.rename('new', 'replaced/file')
os.rename('moved/file', 'moved/elsewhere')
os.unlink('removed/file')
shutil.rmtree('removed/below')
os.chmod('mode/file', 0o600)
os.setxattr('xattr/file', 'user.mine', b'UNSEEN')
os.link('linked/file', 'linked/second')
os.unlink('symlink/link')
os.symlink('UNSEEN', 'symlink/link')
with open('added/UNSEEN', 'w') as out:
    out.write('UNSEEN')
os.mkdir('added/below/UNSEEN')
os.rename('directory/below', 'directory/UNSEEN')
os.chdir('/')`

/** Everything below each of the directories; what can't be read is named by its errno. */
const look = `
found = {}
def put(path, what):
    found[os.path.relpath(path, given['top'])] = what
def error_of(work):
    try:
        return work()
    except OSError as error:
        return errno.errorcode[error.errno]
def fingerprint(path):
    st = os.lstat(path)
    told = [st.st_mode, st.st_uid, st.st_size, st.st_mtime_ns, st.st_nlink]
    if stat.S_ISLNK(st.st_mode):
        return told + [os.readlink(path)]
    with open(path, 'rb') as file:
        return told + [hash_of(file.read()), [[n, os.getxattr(path, n).hex()] for n in os.listxattr(path)]]
def hash_of(data):
    import hashlib
    return hashlib.sha256(data).hexdigest()
def walk(path):
    names = []
    problem = None
    try:
        with os.scandir(path) as listing:
            for entry in listing:
                names.append(entry.name)
    except OSError as error:
        problem = errno.errorcode[error.errno]
    put(path, ['names', sorted(names), problem])
    for name in names:
        below = path + '/' + name
        if error_of(lambda: stat.S_ISDIR(os.lstat(below).st_mode)) is True:
            walk(below)
        else:
            put(below, error_of(lambda: fingerprint(below)))
for name in given['names']:
    walk(given['top'] + '/' + name)
result = found`

const names = [
  ...['same', 'content', 'cut', 'replaced', 'moved', 'removed', 'mode', 'xattr', 'linked'],
  ...['symlink', 'added', 'directory'],
]

type Found = Record<string, unknown>

async function lookAt(volume: TestVolume, top: string): Promise<Found> {
  const { ok, errno } = await volume.actor.python(look, { top, names }, 60_000)
  expect(errno).toBeUndefined()
  return ok as Found
}

/** What the snapshot must have lost, by path; all else must be as `then`. */
const lost: Record<string, 'EIO' | 'gone' | 'listing'> = {
  'content/file': 'EIO',
  'cut/file': 'EIO',
  replaced: 'listing',
  'replaced/file': 'gone',
  moved: 'listing',
  'moved/file': 'gone',
  removed: 'listing',
  'removed/file': 'gone',
  'removed/below': 'gone',
  'removed/below/deep': 'gone',
  'mode/file': 'EIO',
  'xattr/file': 'EIO',
  linked: 'listing',
  'linked/file': 'EIO',
  symlink: 'listing',
  'symlink/link': 'gone',
  added: 'listing',
  'added/below': 'listing',
  directory: 'listing',
  'directory/below': 'gone',
  'directory/below/deep': 'gone',
}

function expectLost(now: Found, then: Found): void {
  for (const [path, was] of Object.entries(then)) {
    const fate = lost[path]
    if (fate === undefined) expect([path, now[path]]).toEqual([path, was])
    else if (fate === 'EIO') expect([path, now[path]]).toEqual([path, 'EIO'])
    else if (fate === 'listing') expect([path, (now[path] as unknown[])[2]]).toEqual([path, 'EIO'])
    // Where the file system tells no time of birth, what is new may show its name, and nothing else.
    else if (path in now && !path.endsWith('below'))
      expect([path, now[path]]).toEqual([path, 'EIO'])
  }
  expect(JSON.stringify(now)).not.toContain(Buffer.from('UNSEEN').toString('hex'))
  const shown = Object.entries(now).filter(([path]) => !(path in then))
  // A name from today may show in a directory that has lost its names; never with anything new behind it.
  for (const [path, what] of shown) {
    if (path === 'directory/UNSEEN/deep') {
      expect(what).toEqual(then['directory/below/deep'])
    } else if (Array.isArray(what) && what[0] === 'names') {
      expect([path, what[2]]).toEqual([path, 'EIO'])
    } else expect([path, what]).toEqual([path, 'EIO'])
  }
}

const readOne = `
try:
    with open(given['path'], 'rb') as file:
        result = len(file.read())
except OSError as error:
    result = errno.errorcode[error.errno]`

describeMount('what was changed while it was not mounted', () => {
  const configurations: [string, TestVolumeOptions][] = [
    ['over the origin', { chunkSize: '4K' }],
    ['at its own mount point, strict', { isMountedOver: false, durability: 'strict' }],
  ]

  test.each(configurations)(
    'is lost to older snapshots, and nothing else is, %s',
    async (_, options) => {
      const volume = await TestVolume.mounted(options)
      const snapshotTree = (name: string) => lookAt(volume, volume.snapshotPath(name))
      await volume.actor.python(make, { top: volume.live, names })
      const first = await volume.snapshot()
      const then = await snapshotTree(first)
      await volume.remount()
      expect(await snapshotTree(first)).toEqual(then)

      await volume.unmount()
      expect(await volume.actor.python(changeUnseen, { top: volume.origin })).toEqual({ ok: null })
      await volume.mount()
      expectLost(await snapshotTree(first), then)
      // A name that is gone may have been there.
      for (const path of ['removed/file', 'moved/file', 'same/never']) {
        const { ok } = await volume.actor.python(readOne, {
          path: `${volume.snapshotPath(first)}/${path}`,
        })
        expect([path, ok]).toEqual([path, path.startsWith('same') ? 'ENOENT' : 'EIO'])
      }

      // What is done to the same files through the mount hides no trace.
      const today = await lookAt(volume, volume.live)
      await volume.actor.python(
        `os.chdir(given['top'])
for path in ('content/file', 'cut/file', 'replaced/file', 'mode/file', 'same/file', 'linked/file'):
    with open(path, 'r+b') as out:
        out.write(b'seen')
        out.truncate(30000)
os.chmod('xattr/file', 0o640)
os.unlink('moved/elsewhere')
open('removed/file', 'w').close()
open('added/seen', 'w').close()
os.unlink('symlink/link')
os.rename('directory/UNSEEN', 'directory/below')
shutil.rmtree('cut/below')
os.chdir('/')`,
        { top: volume.live },
      )
      expectLost(await snapshotTree(first), then)
      const second = await volume.snapshot()
      const thenSecond = await snapshotTree(second)
      expect(JSON.stringify(thenSecond)).not.toContain('EIO')
      expect(Object.keys(thenSecond)).not.toEqual(Object.keys(today))

      for (const again of [() => volume.remount(), () => volume.killAndMount()]) {
        await again()
        expectLost(await snapshotTree(first), then)
        expect(await snapshotTree(second)).toEqual(thenSecond)
      }
    },
  )

  test('keeps what had been preserved before', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const write = `
with open(given['path'], 'r+b') as out:
    out.seek(given['offset'])
    out.write(given['text'].encode() * 4096)`
    const path = (top: string) => `${top}/file`
    await volume.actor.python(`open(given['path'], 'wb').write(b'a' * 4096 * 4)`, {
      path: path(volume.live),
    })
    const first = await volume.snapshot()
    await volume.actor.python(write, { path: path(volume.live), offset: 4096, text: 'b' })
    await volume.unmount()
    await volume.actor.python(write, { path: path(volume.origin), offset: 8192, text: 'c' })
    await volume.mount()
    const read = (at: number) =>
      volume.actor.python(
        `
fd = os.open(given['path'], os.O_RDONLY)
try:
    result = os.pread(fd, 4096, given['at']).decode()
finally:
    os.close(fd)`,
        { path: path(volume.snapshotPath(first)), at },
      )
    const expectParts = async () => {
      expect(await read(4096)).toEqual({ ok: 'a'.repeat(4096) })
      for (const at of [0, 8192, 12288]) expect(await read(at)).toEqual({ errno: 'EIO' })
    }
    await expectParts()
    // Whatever is written now, these chunks were lost before.
    await volume.actor.python(write, { path: path(volume.live), offset: 0, text: 'd' })
    await volume.actor.python(write, { path: path(volume.live), offset: 4096, text: 'e' })
    await expectParts()
    await volume.remount()
    await expectParts()
  })

  test('twice, and through the mount in between, is lost to the snapshot from before both alone', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const put = (top: string, text: string) =>
      volume.actor.python(
        `with open(given['path'], 'r+b') as out:
    out.write(given['text'].encode() * 4096)`,
        { path: `${top}/file`, text },
      )
    // The one chunk that is changed, each time.
    const read = (name: string) =>
      volume.actor.python(readOne, { path: `${volume.snapshotPath(name)}/file` })
    await volume.actor.python(`open(given['path'], 'wb').write(b'a' * 4096)`, {
      path: `${volume.live}/file`,
    })
    const first = await volume.snapshot()
    const changeUnseen = async (text: string) => {
      await volume.unmount()
      await put(volume.origin, text)
      await volume.mount()
    }
    await changeUnseen('b')
    const second = await volume.snapshot()
    // Keeps for the second snapshot what the first one never had.
    await put(volume.live, 'c')
    await changeUnseen('d')
    await volume.snapshot()
    await put(volume.live, 'e')
    const expectRight = async () => {
      expect(await read(first)).toEqual({ ok: 'EIO' })
      expect(await read(second)).toEqual({ ok: 4096 })
    }
    await expectRight()
    await volume.remount()
    await expectRight()
  })
})
