import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'
import { differencesOf, type TreeEntry } from '../support/tree.js'

// Deletions at random against the oracle are in oracle.test.ts and test/model/volume-oracle.test.ts, with kill -9
// at each step in test/fault/fault-points.test.ts.

const changeAll = `
top, round = given['live'], given['round']
open(top + '/large', 'ab').close()
with open(top + '/large', 'r+b') as file:
    file.seek(round * 100000)
    file.write(bytes([65 + round]) * 300000)
if os.path.exists(top + '/removed-%d' % round):
    os.unlink(top + '/removed-%d' % round)
open(top + '/removed-%d' % (round + 1), 'wb').write(b'r' * 2000000)
os.makedirs(top + '/made-%d/below' % round)
open(top + '/made-%d/below/file' % round, 'w').write('made %d' % round)`

/** Many names, little data. */
const replaceAll = `
top, round = given['live'], given['round']
for number in range(600):
    if round > 0:
        os.unlink('%s/a file of some name %d' % (top, number))
    with open('%s/a file of some name %d' % (top, number), 'wb') as file:
        file.write(b'%d' % round)`

/** What the files in directories of that name take on the disk, but for what is set aside. */
function blockBytesBelow(path: string, name: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.parentPath.endsWith(`/${name}`) && entry.name !== 'reserve')
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0)
}

/** Five snapshots with a change of everything before each, and how each looked. */
async function withSnapshots(volume: TestVolume, first = 0): Promise<Map<string, TreeEntry[]>> {
  const kept = new Map<string, TreeEntry[]>()
  for (let round = first; round < first + 5; round++) {
    const changed = await volume.actor.python(changeAll, { live: volume.live, round })
    expect(changed.errno).toBeUndefined()
    const name = await volume.snapshot()
    kept.set(name, await volume.actor.fingerprint(volume.snapshotPath(name), []))
  }
  return kept
}

function retired(volume: TestVolume): string[] {
  return readdirSync(join(volume.plain, '.bygone', 'retired'))
}

describeMount('a deleted snapshot', () => {
  test.each([
    ['the newest', [4]],
    ['the oldest', [0]],
    ['one in the middle', [2]],
    ['all but one', [4, 0, 2, 1]],
  ])('is gone, and all others stay: %s', async (_, order) => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const kept = await withSnapshots(volume)
    const names = [...kept.keys()]
    for (const at of order) {
      const name = names[at] ?? ''
      expect(await volume.succeed('delete', name, '--volume', volume.live)).toBe(`${name}\n`)
      kept.delete(name)
    }
    await volume.succeed('gc', volume.live)
    expect(await volume.snapshots()).toEqual([...kept.keys()])
    const listed = await volume.actor.python(`result = os.listdir(given['live'])`, {
      live: volume.live,
    })
    expect((listed.ok as string[]).filter((name) => name.startsWith('@')).sort()).toEqual([
      ...kept.keys(),
    ])
    // What is changed now must be kept for those that are left.
    await volume.actor.python(changeAll, { live: volume.live, round: 5 })
    for (const round of ['', 'remounted']) {
      if (round !== '') await volume.remount()
      for (const [name, before] of kept) {
        const now = await volume.actor.fingerprint(volume.snapshotPath(name), [])
        expect(differencesOf(now, before), name).toEqual([])
      }
    }
    await volume.unmount()
    await volume.succeed('check', '--data', volume.origin)
  })

  test('gives back its space, in the store and of removed files', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    await withSnapshots(volume)
    expect(retired(volume).length).toBeGreaterThan(0)
    await volume.succeed('delete', 'all', '--volume', volume.live)
    await volume.succeed('gc', volume.live)
    expect(retired(volume)).toEqual([])
    const log = readFileSync(join(volume.store, 'daemon.log'), 'utf8')
    expect(log).toMatch(/swept: \d+ elements, [1-9]\d{5,} bytes of data, [1-9]\d* files/)
    // By itself too, and after a kill.
    await withSnapshots(volume, 5)
    await volume.succeed('delete', 'all', '--volume', volume.live)
    await volume.killAndMount()
    await vi.waitFor(
      () => {
        expect(retired(volume)).toEqual([])
      },
      { timeout: 20_000, interval: 50 },
    )
  })

  test('leaves hardly more in the journal than if it had never been', async () => {
    const takenBytes = async (isDeleted: (round: number) => boolean, isTaken = true) => {
      const volume = await TestVolume.mounted({ chunkSize: '4K' })
      for (let round = 0; round < 4; round++) {
        const changed = await volume.actor.python(replaceAll, { live: volume.live, round })
        expect(changed.errno).toBeUndefined()
        if (isTaken || !isDeleted(round)) await volume.snapshot('--tag', `round-${round}`)
      }
      const deleted = [0, 1, 2, 3].filter((round) => isTaken && isDeleted(round))
      if (deleted.length > 0) {
        const tags = deleted.map((round) => `round-${round}`)
        await volume.succeed('delete', ...tags, '--volume', volume.live)
      }
      await volume.succeed('gc', volume.live)
      await volume.unmount()
      await volume.succeed('check', '--data', volume.origin)
      return blockBytesBelow(join(volume.store, 'volumes'), 'journal')
    }
    const isDeleted = (round: number) => round === 1 || round === 2
    const after = await takenBytes(isDeleted)
    const never = await takenBytes(isDeleted, false)
    expect(after).toBeLessThan(never * 1.1 + (64 << 10))
  })

  test('answers ESTALE to who is still in it', async () => {
    const volume = await TestVolume.mounted()
    const [name = ''] = [...(await withSnapshots(volume)).keys()]
    const opened = await volume.actor.python(
      `handles['file'] = os.open(given['path'] + '/large', os.O_RDONLY)
handles['directory'] = os.open(given['path'] + '/made-0', os.O_RDONLY)`,
      { path: volume.snapshotPath(name) },
    )
    expect(opened.errno).toBeUndefined()
    await volume.succeed('delete', name, '--volume', volume.live)
    const { ok } = await volume.actor.python(`
def said(work):
    try:
        return work()
    except OSError as error:
        return errno.errorcode[error.errno]
# What the kernel has cached of a file is what was in it.
os.posix_fadvise(handles['file'], 0, 0, os.POSIX_FADV_DONTNEED)
result = [
    said(lambda: len(os.pread(handles['file'], 10, 0))),
    said(lambda: os.stat('below', dir_fd=handles['directory']) and 'there'),
]
for fd in (handles.pop('file'), handles.pop('directory')):
    os.close(fd)`)
    expect(ok).toEqual(['ESTALE', 'ESTALE'])
  })

  test('is deleted by rmdir in .snapshots, by root and the owner alone', async () => {
    const volume = await TestVolume.mounted()
    const { live } = volume
    await volume.actor.python(
      `os.mkdir(given['live'] + '/.snapshots/tagged'); os.chmod(given['live'], 0o777)`,
      { live },
    )
    const remove = (uid: number) =>
      volume.actor.python(
        `result = as_caller(given['uid'], lambda: os.rmdir(given['live'] + '/.snapshots/tagged'))`,
        { live, uid },
      )
    expect((await remove(65534)).errno).toBe('EPERM')
    expect((await volume.snapshots()).length).toBe(1)
    expect((await remove(0)).errno).toBeUndefined()
    expect(await volume.snapshots()).toEqual([])
    expect((await remove(0)).errno).toBe('ENOENT')
  })

  test('that is held, or none at all, is refused, and nothing changes', async () => {
    const volume = await TestVolume.mounted()
    const first = await volume.snapshot('--tag', 'kept')
    const second = await volume.snapshot()
    await volume.succeed('hold', '--volume', volume.live, 'kept')
    for (const [revision, code, words] of [
      ['kept', 1, /held/],
      ['all', 1, /held/],
      ['nothing-like-it', 5, /./],
      ['7', 5, /./],
      ['last)..', 64, /./],
    ] as const) {
      const refused = await volume.bygone('delete', revision, '--volume', volume.live)
      expect({ revision, code: refused.code }).toEqual({ revision, code })
      expect(refused.stderr).toMatch(words)
      expect(refused.stderr.trim().split('\n')).toHaveLength(1)
      expect(refused.stdout).toBe('')
    }
    expect(await volume.snapshots()).toEqual([first, second])
    await volume.succeed('delete', 'kept', '--force', '--volume', volume.live)
    await volume.unmount()
    expect(await volume.succeed('delete', 'latest', '--volume', volume.origin)).toBe(`${second}\n`)
    await volume.mount()
    expect(await volume.snapshots()).toEqual([])
  })
})

test('list tells what each snapshot has changed and holds alone, and deleting it frees that', async () => {
  const volume = await TestVolume.mounted()
  const MiB = 1 << 20
  const run = async (lines: string) => {
    const { errno } = await volume.actor.python(lines, { live: volume.live })
    expect(errno).toBeUndefined()
  }
  await run(`
for name, count in (('overwritten', 4), ('removed', 2)):
    open(given['live'] + '/' + name, 'wb').write(os.urandom(count << 20))`)
  const first = await volume.snapshot()
  await run(`
with open(given['live'] + '/overwritten', 'r+b') as file:
    file.write(os.urandom(3 << 20))`)
  await volume.snapshot()
  await run(`os.unlink(given['live'] + '/removed')`)
  await volume.snapshot()
  const listed = async (options = ['--wait']) => {
    const format = '{changedBytes} {changedElements} {uniqueBytes}'
    const lines = await volume.succeed('list', volume.live, ...options, '--format', format)
    return lines
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' '))
  }
  const inMiB = (bytes = '') => (bytes === '' ? bytes : Math.round(Number(bytes) / MiB))
  const rows = await listed()
  expect(rows.map(([changed, , unique]) => [inMiB(changed), inMiB(unique)])).toEqual([
    ['', 3],
    [3, 0],
    [2, 0],
  ])
  // Chunks of 64 KiB, the file's attributes; a name, and those of the file and of its directory.
  expect(rows.map(([, elements]) => elements)).toEqual(['', '49', '3'])
  const diskBytes = async () => {
    const { stdout } = await volume.bygone('status', volume.live, '--json')
    return (JSON.parse(stdout) as { storeBytes: number }).storeBytes
  }
  const before = await diskBytes()
  await volume.succeed('delete', first, '-V', volume.live)
  await volume.succeed('gc', volume.live)
  expect(inMiB(String(before - (await diskBytes())))).toBe(3)
  expect((await listed()).map(([changed, , unique]) => [inMiB(changed), inMiB(unique)])).toEqual([
    ['', 2],
    [2, 0],
  ])
  // What has been counted is told of a volume that is not mounted, too; what came later is not known until it is counted.
  const counted = await listed()
  await volume.unmount()
  expect(await listed([])).toEqual(counted)
  await volume.mount()
  await run(`
with open(given['live'] + '/overwritten', 'r+b') as file:
    file.write(os.urandom(1 << 20))`)
  await volume.snapshot()
  await volume.unmount()
  const unknown = (rows: string[][]) => rows.map((row) => row.map((each) => each !== ''))
  expect(unknown(await listed([]))).toEqual([
    [false, false, true],
    [true, true, false],
    [false, false, false],
  ])
  const whole = await listed()
  expect(whole.map(([changed, , unique]) => [inMiB(changed), inMiB(unique)])).toEqual([
    ['', 2],
    [2, 0],
    [1, 0],
  ])
  await volume.mount()
  expect(await listed()).toEqual(whole)
})
