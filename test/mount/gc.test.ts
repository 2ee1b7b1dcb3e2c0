import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Faults } from '../support/faults.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'
import { differencesOf, type TreeEntry } from '../support/tree.js'

// What a sweep may free and what it must keep is in test/model (volume-oracle, store-crashes). Here: that it does so too
// when nobody has mounted the volume, and that nothing of it looks as if the volume had been mounted.

const changeAll = `
top, round = given['live'], given['round']
if round == 0:
    open(top + '/untouched', 'wb').write(b'u' * 100000)
    open(top + '/linked', 'wb').write(b'l' * 100000)
    os.link(top + '/linked', top + '/other-name')
elif round == 1:
    os.unlink(top + '/linked')
open(top + '/large', 'ab').close()
with open(top + '/large', 'r+b') as file:
    file.seek(round * 100000)
    file.write(bytes([65 + round]) * 300000)
if round > 0:
    os.unlink(top + '/removed-%d' % (round - 1))
    for number in range(100):
        os.unlink(top + '/small-%d' % number)
open(top + '/removed-%d' % round, 'wb').write(b'r' * 500000)
for number in range(100):
    open(top + '/small-%d' % number, 'w').write('%d' % round)`

/** Snapshots with a change of everything before each, and how each looked. */
async function history(volume: TestVolume): Promise<Map<string, TreeEntry[]>> {
  const kept = new Map<string, TreeEntry[]>()
  for (let round = 0; round < 5; round++) {
    const { errno } = await volume.actor.python(changeAll, { live: volume.live, round })
    expect(errno).toBeUndefined()
    const name = await volume.snapshot()
    kept.set(name, await volume.actor.fingerprint(volume.snapshotPath(name), []))
  }
  return kept
}

async function expectAsBefore(volume: TestVolume, kept: Map<string, TreeEntry[]>): Promise<void> {
  for (const [name, before] of kept) {
    const now = await volume.actor.fingerprint(volume.snapshotPath(name), [])
    expect(differencesOf(now, before), name).toEqual([])
  }
}

/** Of the journal and of removed files, on the disk. */
function takenBytes(volume: TestVolume): number {
  const bytes = (path: string) =>
    readdirSync(path)
      .filter((name) => name !== 'reserve')
      .reduce((sum, name) => sum + statSync(join(path, name)).blocks * 512, 0)
  const [id = ''] = readdirSync(join(volume.store, 'volumes'))
  const retired = join(volume.plain, '.bygone', 'retired')
  return bytes(join(volume.store, 'volumes', id, 'journal')) + bytes(retired)
}

async function isUnswept(volume: TestVolume): Promise<boolean> {
  const status = JSON.parse(await volume.succeed('status', volume.origin, '--json')) as {
    isUnswept: boolean
  }
  return status.isUnswept
}

const manyNames = `
top, round = given['live'], given['round']
for number in range(400):
    path = '%s/a file of some name %d' % (top, number)
    if round > 0:
        os.unlink(path)
    open(path, 'w').close()`

describeMount('gc of a volume that is not mounted', () => {
  test('frees what it would free if it were, wherever it is killed', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K', isMountedOver: false })
    const { origin } = volume
    const kept = await history(volume)
    const names = [...kept.keys()]
    await volume.unmount()
    const before = takenBytes(volume)
    const deleted = names.slice(0, 4)
    const said = await volume.bygone('delete', ...deleted, '-V', origin)
    expect(said.stdout).toBe(`${deleted.join('\n')}\n`)
    expect(said.stderr).toMatch(/freed by `bygone gc`, or when the volume is mounted/)
    for (const name of deleted) kept.delete(name)
    for (const point of [
      'sweep.removed',
      'sweep.forgotten',
      'sweep.discarded',
      'compaction.written',
      'gc.swept',
      'close.synced',
    ]) {
      const faults = new Faults(volume.directory, `${point}=kill`)
      volume.variables = faults.variables
      expect((await volume.bygone('gc', origin)).signal, point).toBe('SIGKILL')
      volume.variables = {}
      expect(await isUnswept(volume), point).toBe(true)
    }
    expect((await volume.bygone('gc', origin)).stderr).toMatch(/1 file has other names/)
    // What only a mount may do is left to it, and nothing else.
    expect(readdirSync(join(volume.plain, '.bygone', 'retired'))).toHaveLength(1)
    expect(takenBytes(volume)).toBeLessThan(before / 10)
    await volume.succeed('check', '--data', origin)
    await volume.mount()
    await expectAsBefore(volume, kept)
    await volume.succeed('gc', volume.live)
    expect(readdirSync(join(volume.plain, '.bygone', 'retired'))).toEqual([])
    await expectAsBefore(volume, kept)
    expect(await isUnswept(volume)).toBe(false)
  })

  test('is no session: what is changed in the plain origin until the next mount counts as unseen', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K', isMountedOver: false })
    const { origin } = volume
    const kept = await history(volume)
    const [first = '', second = '', ...others] = kept.keys()
    await volume.unmount()
    await volume.succeed('delete', first, '-V', origin)
    volume.variables = new Faults(volume.directory, 'gc.swept=kill').variables
    expect((await volume.bygone('gc', origin)).signal).toBe('SIGKILL')
    volume.variables = {}
    writeFileSync(join(origin, 'untouched'), 'changed unseen')
    await volume.bygone('gc', origin)
    await volume.mount()
    const read = await volume.actor.python(`open(given['path'], 'rb').read(10)`, {
      path: join(volume.snapshotPath(second), 'untouched'),
    })
    expect(read.errno).toBe('EIO')
    // All that the origin's file was not needed for is as it was.
    for (const name of [second, ...others]) {
      const now = await volume.actor.fingerprint(volume.snapshotPath(name), ['untouched'])
      const before = kept.get(name)?.filter(({ path }) => !path.startsWith('untouched')) ?? []
      expect(differencesOf(now, before), name).toEqual([])
    }
  })

  test('keeps others from mounting it, and works beside the daemon of the store', async () => {
    const volume = await TestVolume.mounted({ isStoreApart: true })
    const { origin } = volume
    const kept = await history(volume)
    const [first = ''] = kept.keys()
    await volume.unmount()
    await volume.succeed('delete', first, '-V', origin)
    // Another volume of the store is mounted: its daemon has the catalog.
    const other = volume.beside('other')
    await volume.actor.python(`os.mkdir(given['other'])`, { other })
    await volume.succeed('mount', other, '--store', volume.store)
    const [second = ''] = [...kept.keys()].slice(1)
    expect(await volume.succeed('delete', second, '-V', origin)).toBe(`${second}\n`)
    expect(await volume.succeed('delete', '0', '-V', origin, '--dry-run')).toMatch(
      /^@.*\nwould free/,
    )
    const gc = volume.bygone('gc', origin)
    const mounted = await volume.tryMount()
    if (mounted.code !== 0) expect(mounted.stderr).toMatch(/in the hands of another/)
    const collected = await gc
    if (collected.code !== 0) expect(collected.stderr).toMatch(/in the hands of another|in use/)
    // At least one of them had it.
    expect([mounted.code, collected.code]).toContain(0)
    if (mounted.code !== 0) await volume.mount()
    for (const name of [first, second]) kept.delete(name)
    await volume.succeed('gc', volume.live)
    expect(await volume.snapshots()).toEqual([...kept.keys()])
    await expectAsBefore(volume, kept)
    expect(await isUnswept(volume)).toBe(false)
    await volume.succeed('unmount', other)
  })
})

describeMount('the index', () => {
  test('shrinks when most of it is free and the volume is closed, wherever that is killed', async () => {
    const volume = await TestVolume.mounted({ chunkSize: '4K', isMountedOver: false })
    const { origin, live } = volume
    const [id = ''] = readdirSync(join(volume.store, 'volumes'))
    const index = join(volume.store, 'volumes', id, 'index')
    const bytes = () => statSync(join(index, 'data.mdb')).size
    const names: string[] = []
    for (let round = 0; round < 3; round++) {
      await volume.actor.python(manyNames, { live, round })
      names.push(await volume.snapshot())
    }
    await volume.actor.python(manyNames, { live, round: 3 })
    const [kept = ''] = names.slice(-1)
    const before = await volume.actor.fingerprint(volume.snapshotPath(kept), [])
    await volume.succeed('delete', ...names.slice(0, -1), '-V', live)
    await volume.unmount()
    const full = bytes()
    const inode = statSync(join(index, 'data.mdb')).ino
    const bound = { BYGONE_INDEX_FREE_BYTES: String(8 << 10) }
    for (const point of ['index.shrink.copied', 'index.shrink.renamed']) {
      volume.variables = { ...new Faults(volume.directory, `${point}=kill`).variables, ...bound }
      expect((await volume.bygone('gc', origin)).signal, point).toBe('SIGKILL')
      volume.variables = {}
      expect(statSync(join(index, 'data.mdb')).ino === inode, point).toBe(point.endsWith('copied'))
      const wanted = { wasIndexRebuilt: point.endsWith('renamed') }
      await volume.mount()
      const status = JSON.parse(await volume.succeed('status', live, '--json')) as object
      expect(status, point).toHaveProperty('recovery.wasIndexRebuilt', wanted.wasIndexRebuilt)
      const now = await volume.actor.fingerprint(volume.snapshotPath(kept), [])
      expect(differencesOf(now, before), point).toEqual([])
      await volume.unmount()
    }
    // An index that was built anew has all again.
    volume.variables = bound
    await volume.succeed('gc', origin)
    expect(bytes()).toBeLessThan(full / 2)
    expect(readdirSync(index).sort()).toEqual(['data.mdb', 'state', 'state.tmp', 'survey.json'])
    await volume.succeed('check', '--data', origin)
    await volume.mount()
    const status = JSON.parse(await volume.succeed('status', live, '--json')) as object
    expect(status).toHaveProperty('recovery.wasIndexRebuilt', false)
    const now = await volume.actor.fingerprint(volume.snapshotPath(kept), [])
    expect(differencesOf(now, before)).toEqual([])
  })
})
