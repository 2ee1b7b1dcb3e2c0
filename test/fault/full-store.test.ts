import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { SmallDisk } from '../support/small-disk.js'
import { hiddenInRoot, TestVolume } from '../support/test-volume.js'
import { differencesOf } from '../support/tree.js'

// Goal: on a full store what needs nothing kept goes on, and so does all that makes room or ends a session.
// Method: the store's own disk is filled to the last block; single operations, kills and mounts with known results.

const chunkBytes = 65536

async function volumeOnOwnDisk() {
  const volume = new TestVolume({ isStoreApart: true, isMountedOver: false })
  const disk = await SmallDisk.make(volume.store)
  await volume.mount()
  return { volume, disk }
}

/** Names of `count` files of a few bytes in `directory` of the live tree, made now. */
async function makeFiles(volume: TestVolume, directory: string, count: number): Promise<void> {
  const lines = `
top = given['live'] + '/' + given['directory']
os.makedirs(top, exist_ok=True)
for at in range(given['count']):
    with open('%s/%05d' % (top, at), 'w') as file:
        file.write('file %d' % at)`
  const { live } = volume
  expect(await volume.actor.python(lines, { live, directory, count })).toEqual({ ok: null })
}

/** Whether a snapshot's directory has the `count` files that makeFiles made. */
async function expectFiles(volume: TestVolume, path: string, count: number): Promise<void> {
  const lines = `
names = sorted(os.listdir(given['path']))
result = [len(names), sum(open(given['path'] + '/' + name).read() != 'file %d' % int(name) for name in names)]`
  expect(await volume.actor.python(lines, { path })).toEqual({ ok: [count, 0] })
}

async function write(volume: TestVolume, path: string, offset: number, length: number) {
  return volume.actor.attempt(volume.live, { do: 'write', path, offset, seed: 1, length })
}

async function create(volume: TestVolume, path: string, length: number) {
  return volume.actor.attempt(volume.live, { do: 'create', path, mode: 0o644, seed: 2, length })
}

async function gauge(volume: TestVolume, name: string): Promise<number> {
  return (await volume.status()).gauges[name] ?? Number.NaN
}

const done = { ok: null }
const full = { errno: 'ENOSPC' }

describeMount('an origin whose disk is full', () => {
  test('tells of mapped pages that could be written back only in part', async () => {
    const volume = new TestVolume({ isStoreApart: true, isMountedOver: false })
    const disk = await SmallDisk.make(volume.origin)
    await volume.mount()
    disk.hideBallast('.bygone')
    // A fiftieth ext4 gives to nobody; of the rest there is for a part.
    disk.fill((48 << 20) / 50 + 300_000)
    const storing = `
with open(given['live'] + '/holes', 'w+b') as file:
    file.truncate(1 << 20)
    with mmap.mmap(file.fileno(), 1 << 20) as memory:
        memory[4096:] = b'x' * (len(memory) - 4096)
        try:
            memory.flush()
            result = 'flushed'
        except OSError as error:
            result = errno.errorcode[error.errno]
with open(given['live'] + '/holes', 'rb') as file, open(given['plain'] + '/holes', 'rb') as plain:
    seen, kept = file.read(), plain.read()
    result = [result, seen == kept, 0 < kept.count(b'x') < len(kept) - 4096]`
    const { live, origin: plain } = volume
    expect(await volume.actor.python(storing, { live, plain })).toEqual({
      ok: ['ENOSPC', true, true],
    })
  })

  test('leaves both directories as they were if a replaced one can not be retired', async () => {
    class Faulty extends TestVolume {
      override get environment(): NodeJS.ProcessEnv {
        return { ...super.environment, BYGONE_FAULTS: 'retire.exchanged=fail:ENOSPC' }
      }
    }
    const volume = new Faulty({ isMountedOver: false })
    await volume.mount()
    await makeFiles(volume, 'one', 3)
    const { actor, live, origin } = volume
    expect(await actor.attempt(live, { do: 'mkdir', path: 'two', mode: 0o700 })).toEqual(done)
    const name = await volume.snapshot()
    const before = await actor.fingerprint(origin, hiddenInRoot)
    const rename = { do: 'rename', from: 'one', to: 'two', flags: 0 }
    expect(await actor.attempt(live, rename)).toEqual(full)
    const without = ['mtime', 'ctime'] as const
    const after = await actor.fingerprint(origin, hiddenInRoot)
    expect(differencesOf(after, before, without)).toEqual([])
    expect(differencesOf(await actor.fingerprint(live, hiddenInRoot), before, without)).toEqual([])
    await expectFiles(volume, `${volume.snapshotPath(name)}/one`, 3)
  })
})

describeMount('a store whose disk is full', () => {
  test('refuses what a snapshot needs something kept of, and nothing else', async () => {
    const { volume, disk } = await volumeOnOwnDisk()
    expect(await create(volume, 'old', 8 * chunkBytes)).toEqual(done)
    const name = await volume.snapshot()
    const before = await volume.actor.fingerprint(volume.snapshotPath(name), [])
    expect(await write(volume, 'old', 0, chunkBytes)).toEqual(done)
    const { live } = volume
    expect(await volume.actor.attempt(live, { do: 'mkdir', path: 'new', mode: 0o755 })).toEqual(
      done,
    )
    disk.fill()
    expect(await write(volume, 'old', 4 * chunkBytes, 100)).toEqual(full)
    expect(await write(volume, 'old', 0, chunkBytes)).toEqual(done)
    expect(await create(volume, 'new/file', 1 << 20)).toEqual(done)
    expect(await write(volume, 'new/file', 100, 1 << 20)).toEqual(done)
    // A page that was stored through a mapping is refused when it is written, and then shows what the file has.
    const mapping = `
with open(given['live'] + '/old', 'r+b') as file, mmap.mmap(file.fileno(), 0) as memory:
    memory[300000:300004] = b'page'
    try:
        memory.flush()
    except OSError as error:
        result = [errno.errorcode[error.errno]]
with open(given['live'] + '/old', 'rb') as file:
    result.append(b'page' in file.read())`
    expect(await volume.actor.python(mapping, { live })).toEqual({ ok: ['ENOSPC', false] })
    expect(await gauge(volume, 'changesRefused')).toBeGreaterThan(0)
    expect(await volume.actor.fingerprint(volume.snapshotPath(name), [])).toEqual(before)
    disk.free()
    expect(await write(volume, 'old', 4 * chunkBytes, 100)).toEqual(done)
    expect(await volume.actor.fingerprint(volume.snapshotPath(name), [])).toEqual(before)
  })

  test('has room for removals, also after a kill, and takes a new reserve when there is space', async () => {
    const { volume, disk } = await volumeOnOwnDisk()
    const count = 400
    await makeFiles(volume, 'some', count)
    await makeFiles(volume, 'more', count)
    const name = await volume.snapshot()
    const reserve = await gauge(volume, 'reserveBytes')
    expect(reserve).toBeGreaterThan(500_000)
    disk.fill()
    const remove = (path: string) => volume.actor.attempt(volume.live, { do: 'rmtree', path })
    expect(await remove('some')).toEqual(done)
    const left = await gauge(volume, 'reserveBytes')
    expect(left).toBeLessThan(reserve)
    // What is set aside is not for others.
    expect(await create(volume, 'big', 1)).toEqual(full)
    await volume.killAndMount()
    await expectFiles(volume, `${volume.snapshotPath(name)}/some`, count)
    expect(await create(volume, 'big', 1)).toEqual(full)
    expect(await remove('more')).toEqual(done)
    expect(await gauge(volume, 'indexEntriesPending')).toBeGreaterThan(0)
    disk.free()
    await vi.waitFor(async () => {
      expect(await gauge(volume, 'reserveBytes')).toBeGreaterThan(reserve - 10_000)
      expect(await gauge(volume, 'indexEntriesPending')).toBe(0)
    }, 20_000)
    await volume.remount()
    for (const directory of ['some', 'more']) {
      await expectFiles(volume, `${volume.snapshotPath(name)}/${directory}`, count)
    }
  })

  test('gets room by deleting a snapshot', async () => {
    const { volume, disk } = await volumeOnOwnDisk()
    const bytes = 8 << 20
    expect(await create(volume, 'old', bytes)).toEqual(done)
    await makeFiles(volume, 'some', 300)
    const first = await volume.snapshot()
    expect(await write(volume, 'old', 0, bytes)).toEqual(done)
    const removal = { do: 'rmtree', path: 'some' }
    expect(await volume.actor.attempt(volume.live, removal)).toEqual(done)
    const second = await volume.snapshot()
    const before = await volume.actor.fingerprint(volume.snapshotPath(second), [])
    disk.fill()
    expect(await write(volume, 'old', 0, bytes)).toEqual(full)
    await volume.succeed('delete', '--volume', volume.live, first)
    await vi.waitFor(async () => {
      expect(await write(volume, 'old', 0, bytes / 2)).toEqual(done)
    }, 20_000)
    expect(await volume.snapshots()).toEqual([second])
    expect(await volume.actor.fingerprint(volume.snapshotPath(second), [])).toEqual(before)
  })

  test('takes snapshots, which need no room', async () => {
    const { volume, disk } = await volumeOnOwnDisk()
    await makeFiles(volume, 'some', 3)
    disk.fill()
    const names = [await volume.snapshot(), await volume.snapshot('-m', 'm'.repeat(4000))]
    await volume.remount()
    expect(await volume.snapshots()).toEqual(names)
    for (const name of names) await expectFiles(volume, `${volume.snapshotPath(name)}/some`, 3)
  })

  test('is not begun: nothing is left of a first mount', async () => {
    const volume = new TestVolume({ isStoreApart: true, isMountedOver: false })
    const disk = await SmallDisk.make(volume.store)
    mkdirSync(join(volume.store, 'lost+found'))
    disk.hideBallast('lost+found')
    disk.fill()
    const before = readdirSync(volume.store)
    const failed = await volume.bygone('mount', volume.origin, volume.live, '--store', volume.store)
    expect(failed).toMatchObject({ code: 4, stdout: '' })
    expect(failed.stderr).toMatch(/^bygone: .*free some space.*\n$/)
    expect(readdirSync(volume.store)).toEqual(before)
    expect(readdirSync(volume.origin)).toEqual([])
    disk.free()
    await volume.mount()
  })

  test('that has lost its index says that it needs room, and is whole with it', async () => {
    const { volume, disk } = await volumeOnOwnDisk()
    await makeFiles(volume, 'some', 100)
    const name = await volume.snapshot()
    await volume.actor.attempt(volume.live, { do: 'rmtree', path: 'some' })
    await volume.unmount()
    const volumes = join(volume.store, 'volumes')
    const index = join(volumes, readdirSync(volumes)[0] ?? '', 'index')
    rmSync(index, { recursive: true })
    disk.fill()
    const failed = await volume.bygone('mount', volume.origin, volume.live, '--store', volume.store)
    expect(failed).toMatchObject({ code: 4, stdout: '' })
    disk.free()
    await volume.mount()
    expect(statSync(index).isDirectory()).toBe(true)
    await expectFiles(volume, `${volume.snapshotPath(name)}/some`, 100)
  })
})
