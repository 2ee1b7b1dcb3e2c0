import { execFileSync } from 'node:child_process'
import { expect, test, vi } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'

// name_to_handle_at(2) and open_by_handle_at(2), as an NFS server uses them. A handle is kept as text.
const handles = `
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def failed():
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def handle_of(path):
    buffer = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 136)
    if libc.name_to_handle_at(-100, path.encode(), buffer, ctypes.byref(ctypes.c_int()), 0) != 0:
        failed()
    return buffer.raw[:8 + struct.unpack_from('I', buffer)[0]].hex()
def opened(handle, flags):
    mount = os.open(given['live'], os.O_RDONLY)
    try:
        fd = libc.open_by_handle_at(mount, bytes.fromhex(handle), flags)
        return fd if fd >= 0 else failed()
    finally:
        os.close(mount)
def place(handle):
    fd = opened(handle, os.O_PATH | os.O_NOFOLLOW)
    try:
        return [os.fstat(fd).st_ino, os.readlink('/proc/self/fd/%d' % fd)]
    except OSError as error:
        return error.errno
    finally:
        os.close(fd)
`

/** Has the kernel forget what nobody uses. */
const dropping = `
with open('/proc/sys/vm/drop_caches', 'w') as file:
    file.write('2')
`

class Handles {
  readonly volume: TestVolume

  constructor(volume: TestVolume) {
    this.volume = volume
  }

  async of(...paths: string[]): Promise<string[]> {
    const lines = `${handles}result = [handle_of(given['live'] + '/' + path) for path in given['paths']]`
    return (await this.#python(lines, { paths })) as string[]
  }

  /** The number and name of what a handle leads to, looked up afresh; an errno's name if it leads nowhere. */
  async place(handle: string): Promise<unknown> {
    const lines = `${handles}${dropping}result = place(given['handle'])`
    const { ok, errno } = await this.volume.actor.python(lines, this.#given({ handle }), 60_000)
    return errno ?? ok
  }

  /** The kernel may take its time to forget, also when it is told to. */
  async becomesStale(handle: string): Promise<void> {
    await vi.waitFor(
      async () => {
        expect(await this.place(handle)).toBe('ESTALE')
      },
      { timeout: 10_000, interval: 50 },
    )
  }

  /** Reads what a handle leads to, and writes `text` over it. */
  async exchange(handle: string, text: string): Promise<unknown> {
    return this.#python(
      `${handles}${dropping}
fd = opened(given['handle'], os.O_RDWR)
result = os.read(fd, 100).decode()
os.pwrite(fd, given['text'].encode(), 0)
os.close(fd)`,
      { handle, text },
    )
  }

  async #python(lines: string, given: object): Promise<unknown> {
    const outcome = await this.volume.actor.python(lines, this.#given(given), 60_000)
    expect(outcome.errno).toBeUndefined()
    return outcome.ok
  }

  #given(given: object): object {
    return { ...given, live: this.volume.live }
  }
}

/**
 * A volume on an ext4 of its own: not every temporary directory's file system can find files by their number. With
 * few inodes each is soon used again. It goes with the volume.
 */
async function onDisk(options: TestVolumeOptions = {}, inodes = 512): Promise<TestVolume> {
  const volume = new TestVolume(options)
  const image = volume.beside('image')
  execFileSync('truncate', ['--size=64M', image])
  execFileSync('mkfs.ext4', ['-q', '-N', String(inodes), image])
  execFileSync('mount', ['-o', 'loop', image, volume.origin])
  await volume.mount()
  return volume
}

describeMount('file handles', () => {
  test.each([
    ['over the origin', {}],
    ['at its own mount point', { isMountedOver: false }],
  ])(
    'lead to the same file when the kernel has forgotten it, it has another name, and after a remount, %s',
    async (_, options) => {
      const volume = await onDisk(options)
      const kept = new Handles(volume)
      const { live } = volume
      await volume.actor.python(
        `os.makedirs(given['live'] + '/a/b/c')
open(given['live'] + '/a/b/file', 'w').write('first')
os.symlink('target', given['live'] + '/a/link')`,
        { live },
      )
      const [a = '', c = '', file = '', link = ''] = await kept.of(
        'a',
        'a/b/c',
        'a/b/file',
        'a/link',
      )
      const inodes = await volume.actor.python(
        `result = [os.lstat(given['live'] + path).st_ino for path in ('/a', '/a/b/c', '/a/b/file', '/a/link')]`,
        { live },
      )
      const [inodeA, inodeC, inodeFile, inodeLink] = inodes.ok as number[]
      expect(await kept.place(a)).toEqual([inodeA, `${live}/a`])
      expect(await kept.place(c)).toEqual([inodeC, `${live}/a/b/c`])
      expect(await kept.place(file)).toMatchObject([inodeFile, expect.anything()])
      expect(await kept.place(link)).toMatchObject([inodeLink, expect.anything()])

      await volume.actor.python(
        `os.rename(given['live'] + '/a/b', given['live'] + '/a/moved')
os.rename(given['live'] + '/a', given['live'] + '/other')`,
        { live },
      )
      expect(await kept.place(c)).toEqual([inodeC, `${live}/other/moved/c`])
      await volume.remount()
      expect(await kept.place(c)).toEqual([inodeC, `${live}/other/moved/c`])
      expect(await kept.exchange(file, 'second')).toBe('first')
    },
  )

  test('a write to a file that was found by its handle leaves snapshots as they are', async () => {
    const volume = await onDisk()
    const kept = new Handles(volume)
    const { live } = volume
    await volume.actor.python(`open(given['live'] + '/file', 'w').write('before')`, { live })
    const [file = ''] = await kept.of('file')
    const snapshot = volume.snapshotPath(await volume.snapshot())
    expect(await kept.exchange(file, 'after!')).toBe('before')
    const read = `result = [open(given[name] + '/file').read() for name in ('live', 'snapshot')]`
    expect(await volume.actor.python(read, { live, snapshot })).toEqual({
      ok: ['after!', 'before'],
    })
    await volume.remount()
    expect(await volume.actor.python(read, { live, snapshot })).toEqual({
      ok: ['after!', 'before'],
    })
  })

  test('of what was removed are stale, also while a snapshot keeps it', async () => {
    const volume = await onDisk()
    const kept = new Handles(volume)
    const { live } = volume
    await volume.actor.python(
      `os.mkdir(given['live'] + '/directory')
open(given['live'] + '/file', 'w').close()
os.link(given['live'] + '/file', given['live'] + '/hard')`,
      { live },
    )
    const [directory = '', file = ''] = await kept.of('directory', 'file')
    await volume.snapshot()
    await volume.actor.python(
      `os.rmdir(given['live'] + '/directory')
os.unlink(given['live'] + '/file')`,
      { live },
    )
    await kept.becomesStale(directory)
    expect(await kept.place(file)).toMatchObject([expect.anything(), expect.anything()])
    await volume.actor.python(`os.unlink(given['live'] + '/hard')`, { live })
    await kept.becomesStale(file)
    await volume.remount()
    await kept.becomesStale(file)
    await kept.becomesStale(directory)
  })

  test('never lead to a later file with the same inode number', async () => {
    const volume = await onDisk({ isStoreApart: true }, 48)
    const kept = new Handles(volume)
    const { live } = volume
    const filled = await volume.actor.python(
      `count = 0
try:
    while True:
        open(given['live'] + '/%d' % count, 'x').close()
        count += 1
except OSError as error:
    assert error.errno == 28, error
result = count`,
      { live },
    )
    expect(filled.ok).toBeGreaterThan(3)
    const [file = ''] = await kept.of('1')
    const again = await volume.actor.python(
      `before = os.stat(given['live'] + '/1').st_ino
os.unlink(given['live'] + '/1')
# The inode is free when the kernel has told the daemon that it has forgotten the file.
deadline = time.monotonic() + 20
while True:
    try:
        open(given['live'] + '/new', 'x').close()
        break
    except OSError as error:
        if error.errno != errno.ENOSPC or time.monotonic() > deadline:
            raise
        time.sleep(0.01)
result = [before, os.stat(given['live'] + '/new').st_ino]`,
      { live },
    )
    expect(again.errno).toBeUndefined()
    const [before, after] = again.ok as number[]
    expect(after).toBe(before)
    await kept.becomesStale(file)
    await volume.remount()
    await kept.becomesStale(file)
    const [later = ''] = await kept.of('new')
    expect(await kept.place(later)).toMatchObject([after, expect.anything()])
  })

  test('of a snapshot never lead to anything else after a remount', async () => {
    const volume = await onDisk()
    const kept = new Handles(volume)
    await volume.actor.python(`open(given['live'] + '/file', 'w').close()`, { live: volume.live })
    const name = await volume.snapshot()
    const [directory = '', file = ''] = await kept.of(name, `${name}/file`)
    await volume.remount()
    // The same files under the same ids, if ids were all that a handle holds.
    await kept.of(name, `${name}/file`)
    await kept.becomesStale(directory)
    await kept.becomesStale(file)
  })
})
