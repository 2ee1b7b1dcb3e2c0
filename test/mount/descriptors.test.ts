import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { comesToRest, held } from '../support/rest.js'
import { TestVolume } from '../support/test-volume.js'

/** Mounted by a daemon that may have no more than `descriptorsMax` descriptors. */
async function mountedWith(descriptorsMax: number): Promise<TestVolume> {
  const volume = new TestVolume()
  const limit = `--nofile=${descriptorsMax}:${descriptorsMax}`
  await succeed('prlimit', [limit, ...volume.mountCommand()], { env: volume.environment })
  const { pid } = await volume.status()
  expect(readFileSync(`/proc/${pid}/limits`, 'latin1')).toMatch(
    new RegExp(`^Max open files +${descriptorsMax} +${descriptorsMax}`, 'm'),
  )
  return volume
}

/** Opens until it is refused; `result` is how many, and the errno. All stay open. */
const openAll = `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
opened, refusal = [], None
while refusal is None and len(opened) < given['most']:
    try:
        opened.append(os.open(given['live'] + '/%d' % len(opened), os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        refusal = errno.errorcode[error.errno]
result = [len(opened), refusal]
handles['opened'] = opened
`

/** What must work all the same while nothing more can be opened. */
const goOn = `
live, opened = given['live'], handles['opened']
refused = live + '/%d' % len(opened)
assert not os.path.exists(refused), 'left behind by the refusal'
for fd in opened:
    os.pwrite(fd, b'written', 0)
os.fsync(opened[0])
for number in range(min(len(opened), 500)):
    assert os.stat('%s/%d' % (live, number)).st_size == 7
    assert len(os.listdir(given['plain'])) > 0
os.mkdir(live + '/directory')
os.rename(live + '/0', live + '/directory/renamed')
os.symlink('target', live + '/symlink')
os.link(live + '/1', live + '/directory/linked')
os.truncate(live + '/1', 3)
os.setxattr(live + '/2', 'user.name', b'value')
for number in range(3, len(opened)):
    os.unlink('%s/%d' % (live, number))
    assert os.fstat(opened[number]).st_nlink == 0
    assert os.pread(opened[number], 100, 0) == b'written'
try:
    os.listdir(live)
    result = 'listed'
except OSError as error:
    result = errno.errorcode[error.errno]
`

const closeAll = `
for fd in handles.pop('opened'):
    os.close(fd)
result = sorted(name for name in os.listdir(given['live']) if name[0] != '@')
`

describeMount('descriptors', () => {
  test.each([
    [256, 1],
    [12_000, 10_000],
  ])('used up (of %i) are EMFILE for the next open, and nothing else', async (limit, least) => {
    const volume = await mountedWith(limit)
    await comesToRest(volume, Infinity)
    const { descriptors = 0 } = await held(volume)
    const { actor, live, plain } = volume
    const { ok } = await actor.python(openAll, { live, most: limit })
    const [count, refusal] = ok as [number, string]
    expect(refusal).toBe('EMFILE')
    expect(count).toBeGreaterThanOrEqual(least)
    const snapshot = await volume.snapshot()
    expect(await actor.python(goOn, { live, plain })).toEqual({ ok: 'EMFILE' })
    expect(await volume.snapshots()).toEqual([snapshot])
    const names = ['1', '2', 'directory', 'symlink']
    expect(await actor.python(closeAll, { live })).toEqual({ ok: names })
    await comesToRest(volume, descriptors)
  })

  test('are enough for more directories than there are descriptors, and deeper', async () => {
    const volume = await mountedWith(256)
    const { live } = volume
    const { ok } = await volume.actor.python(
      `top = live = given['live']
for number in range(400):
    os.mkdir('%s/%d' % (live, number))
    open('%s/%d/file' % (live, number), 'w').close()
os.chdir(live)
for level in range(300):
    os.mkdir('deep')
    os.chdir('deep')
    open('file', 'w').close()
os.chdir(live)
# Both directories of a rename may be far from the root, and not be in use.
for level in range(250):
    os.chdir('deep')
bottom = os.open('.', os.O_RDONLY)
os.chdir(live)
for number in range(400):
    for other in range(20):
        assert not os.path.exists('%s/%d/none%d' % (live, (number + other + 1) % 400, number))
    os.rename('%d/file' % number, 'from%d' % number, dst_dir_fd=bottom)
result = [len(os.listdir(bottom)), sum(len(os.listdir('%s/%d' % (live, n))) for n in range(400))]
os.close(bottom)
os.chdir('/')`,
      { live },
    )
    expect(ok).toEqual([402, 0])
    const found = await succeed('find', [live, '-type', 'f'], { deadlineMs: 60_000 })
    expect(found.trim().split('\n')).toHaveLength(700)
    await volume.snapshot()
    const past = await succeed('find', [live, '-type', 'f'], { deadlineMs: 60_000 })
    expect(past.trim().split('\n')).toHaveLength(1400)
  })
})
