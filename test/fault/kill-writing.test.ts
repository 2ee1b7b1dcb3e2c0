import { expect, test } from 'vitest'
import { ActorGone } from '../support/actor.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { hiddenInRoot, TestVolume } from '../support/test-volume.js'
import { differencesOf } from '../support/tree.js'

const filling = `
os.chdir(given['origin'])
for number in range(4):
    with open('large-%d' % number, 'wb') as file:
        file.write(random.Random(number).randbytes(3 << 20))
for number in range(400):
    os.makedirs('dir/%d' % (number % 9), exist_ok=True)
    with open('dir/%d/%d' % (number % 9, number), 'w') as file:
        file.write('small %d' % number)
os.chdir('/')`

// What each must not be able to spoil, cut off at any point.
const destroying = {
  'overwrites large files': `
while True:
    with open(given['live'] + '/large-%d' % random.randrange(4), 'r+b') as file:
        file.seek(random.randrange(3 << 20))
        file.write(random.randbytes(random.randrange(1, 1 << 20)))`,
  'truncates and rewrites large files': `
while True:
    with open(given['live'] + '/large-%d' % random.randrange(4), 'wb') as file:
        file.write(random.randbytes(1 << 20))`,
  'removes everything': `
while True:
    shutil.rmtree(given['live'] + '/dir', ignore_errors=False)
    for number in range(400):
        os.makedirs(given['live'] + '/dir/%d' % (number % 9), exist_ok=True)
        open(given['live'] + '/dir/%d/%d' % (number % 9, number), 'w').close()`,
  'renames over files': `
while True:
    for number in range(400):
        path = given['live'] + '/dir/%d/%d' % (number % 9, number)
        open(path + '~', 'w').close()
        os.rename(path + '~', path)`,
}

describeMount('kill -9 of the daemon while a program', () => {
  test.each(Object.entries(destroying))('%s leaves every snapshot as it was', async (_, lines) => {
    const seed = seedOfThisRun()
    console.log(`BYGONE_SEED=${seed}`)
    const random = new Random(seed)
    const volume = new TestVolume({ chunkSize: '4K' })
    await volume.actor.python(filling, { origin: volume.origin })
    await volume.mount()
    const snapshot = volume.snapshotPath(await volume.snapshot())
    const wanted = await volume.actor.fingerprint(snapshot, [])
    for (let round = 0; round < 5; round++) {
      if (round > 0) await volume.snapshot()
      const actor = volume.newActor()
      const working = actor.python(lines, { live: volume.live }).catch((error: unknown) => {
        if (error instanceof ActorGone) return { errno: 'gone' }
        throw error
      })
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 300)))
      volume.kill()
      expect(await working).toHaveProperty('errno')
      await volume.hasDied()
      await volume.mount()
      const got = await volume.actor.fingerprint(snapshot, [])
      expect(differencesOf(got, wanted)).toEqual([])
    }
    // And the newest past is as sound as the first: what is live now can be kept and left alone.
    const live = await volume.actor.fingerprint(volume.live, hiddenInRoot)
    const last = volume.snapshotPath(await volume.snapshot())
    await volume.remount()
    expect(differencesOf(await volume.actor.fingerprint(last, []), live)).toEqual([])
  })
})

describeMount('a mount whose daemon was killed', () => {
  test.each(['native', 'fuse-native'] as const)(
    'fails every request at once, and the next mount takes its place (%s)',
    async (transport) => {
      const volume = await TestVolume.mounted({ transport })
      const op = { do: 'create', path: 'file', mode: 0o644, seed: 1, length: 100 }
      expect(await volume.actor.attempt(volume.live, op)).toEqual({ ok: null })
      const name = await volume.snapshot()
      volume.kill()
      await volume.hasDied()
      // The second if the kernel was just taking the connection down when it asked.
      expect([{ errno: 'ENOTCONN' }, { errno: 'ECONNABORTED' }]).toContainEqual(
        await volume.actor.attempt(volume.live, { do: 'list', path: '' }),
      )
      await volume.mount()
      expect(volume.mounts()).toEqual([volume.live])
      expect(await volume.snapshots()).toEqual([name])
      const listed = await volume.actor.attempt(volume.live, { do: 'list', path: '' })
      expect(listed).toEqual({ ok: ['file'] })
    },
  )

  test('can be unmounted, and leaves the origin as a plain directory', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const op = { do: 'create', path: 'file', mode: 0o644, seed: 1, length: 100 }
    await volume.actor.attempt(volume.live, op)
    await volume.snapshot()
    volume.kill()
    await volume.hasDied()
    await volume.unmount()
    expect(volume.mounts()).toEqual([])
    const listed = await volume.actor.attempt(volume.origin, { do: 'list', path: '' })
    expect(listed).toEqual({ ok: ['file'] })
  })
})
