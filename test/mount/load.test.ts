import { expect, test } from 'vitest'
import { run } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { comesToRest, held } from '../support/rest.js'
import { TestVolume } from '../support/test-volume.js'

// BYGONE_LOAD=10 for ten times as much of everything.
const scale = Number(process.env['BYGONE_LOAD'] ?? 1)
const deadlineMs = 120_000 * scale

/** Lines of Python that run `work(number)` in `processes` processes at once; `failed` counts those that failed. */
const atOnce = `
def at_once(processes, work):
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(number)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    return sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)
`

const cycles = `${atOnce}
path = given['live'] + '/file'
with open(path, 'w') as file:
    file.write('x' * 100)
def work(number):
    flags = os.O_RDWR if number % 2 else os.O_RDONLY
    for cycle in range(given['cycles'] // 8):
        fd = os.open(path, flags)
        if cycle % 16 == 0:
            assert os.pread(fd, 100, 0) == b'x' * 100
        os.close(fd)
result = at_once(8, work)
`

const manyFiles = `
directory = given['live'] + '/many'
os.mkdir(directory)
for number in range(given['files']):
    os.close(os.open('%s/%d' % (directory, number), os.O_CREAT | os.O_WRONLY))
names = os.listdir(directory)
result = [len(names), len(set(names)), sum(os.stat(directory + '/' + name).st_size for name in names)]
`

// Below one another, by relative paths: the whole is longer than a path may be.
const deepTree = `
os.chdir(given['live'])
for level in range(given['levels']):
    os.mkdir('d' * 100)
    os.chdir('d' * 100)
    with open('file', 'w') as file:
        file.write(str(level))
result = 0
for level in reversed(range(given['levels'])):
    result += open('file').read() == str(level)
    os.rename('file', '../moved%d' % level)
    os.chdir('..')
os.chdir('/')
`

const mixed = `${atOnce}
import collections
def work(number):
    choose = random.Random(given['seed'] + number)
    root = given['live'] + '/mixed/%d' % (number % 16)
    os.makedirs(root, exist_ok=True)
    expected = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL,
                errno.EPERM, errno.ESTALE, errno.ELOOP, errno.EBUSY)
    path = lambda: root + '/' + choose.choice('abcdefgh')
    def write():
        fd = os.open(path(), os.O_CREAT | os.O_RDWR)
        os.pwrite(fd, b'w' * choose.randrange(1, 9000), choose.randrange(70000))
        os.close(fd)
    def unlinked():
        name = path()
        fd = os.open(name, os.O_CREAT | os.O_RDWR)
        try:
            os.unlink(name)
            os.pwrite(fd, b'gone', 0)
            os.fstat(fd)
        finally:
            os.close(fd)
    def look():
        for name in os.listdir(root):
            os.lstat(root + '/' + name)
    def past():
        snapshots = sorted(os.listdir(given['live'] + '/.snapshots'))
        if snapshots:
            below = given['live'] + '/.snapshots/' + choose.choice(snapshots) + '/mixed'
            for directory, _, files in os.walk(below):
                for name in files:
                    if not os.path.islink(directory + '/' + name):
                        with open(directory + '/' + name, 'rb') as file:
                            file.read()
    actions = [write, write, unlinked, look, past,
               lambda: os.mkdir(path()), lambda: os.rmdir(path()), lambda: os.unlink(path()),
               lambda: os.rename(path(), path()), lambda: os.rename(path(), path()),
               lambda: os.link(path(), path()), lambda: os.symlink('target', path()),
               lambda: os.truncate(path(), choose.randrange(70000)), lambda: os.chmod(path(), 0o700),
               lambda: os.listdir(root + '/@latest')]
    for _ in range(given['actions']):
        try:
            choose.choice(actions)()
        except OSError as error:
            if error.errno not in expected:
                raise
result = at_once(64, work)
`

describeMount('a mount under load', () => {
  test('holds nothing any more for what was used, once the kernel has forgotten it', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    await comesToRest(volume, Infinity)
    const { descriptors = 0 } = await held(volume)
    const python = async (lines: string, given: object) => {
      const { ok, errno } = await volume.actor.python(lines, given, deadlineMs)
      return ok ?? errno
    }
    const { live } = volume

    expect(await python(cycles, { live, cycles: 100_000 * scale })).toBe(0)
    const files = 20_000 * scale
    expect(await python(manyFiles, { live, files })).toEqual([files, files, 0])
    expect(await python(deepTree, { live, levels: 50 })).toBe(50)

    const seed = 1
    const working = volume.newActor().python(mixed, { live, seed, actions: 30 * scale }, deadlineMs)
    const progress = { isOver: false }
    const ended = working.finally(() => (progress.isOver = true))
    while (!progress.isOver) await volume.snapshot()
    expect(await ended).toEqual({ ok: 0 })

    const below = await run('find', [live, '-path', '*/@*', '-prune', '-o', '-print'], {
      deadlineMs,
    })
    expect(below.stderr).toBe('')
    await comesToRest(volume, descriptors)
    const removed = await run('sh', ['-c', 'rm -rf "$1"/[!@.]*', 'sh', live], { deadlineMs })
    expect(removed).toMatchObject({ code: 0, stderr: '' })
    await comesToRest(volume, descriptors)
  })
})
