import { expect, test } from 'vitest'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { hiddenInRoot, TestVolume } from '../support/test-volume.js'
import { differencesOf, type TreeEntry } from '../support/tree.js'

const changing = `
for number in range(20):
    with open(given['live'] + '/%d' % number, 'w') as file:
        file.write('round %d ' % given['round'] * 2000)
os.unlink(given['live'] + '/19')`

describeMount('kill -9 of the daemon', () => {
  test('in the middle of a snapshot leaves it whole or not there at all', async () => {
    const seed = seedOfThisRun()
    console.log(`BYGONE_SEED=${seed}`)
    const random = new Random(seed)
    const volume = await TestVolume.mounted({ chunkSize: '4K' })
    const started = Date.now()
    await volume.snapshot()
    const usualMs = Date.now() - started
    const trees = new Map<string, TreeEntry[]>()
    for (let round = 0; round < 12; round++) {
      await volume.actor.python(changing, { live: volume.live, round })
      const tree = await volume.actor.fingerprint(volume.live, hiddenInRoot)
      const before = await volume.snapshots()
      const snapshot = volume.bygone('snapshot', volume.live)
      await new Promise((resolve) => setTimeout(resolve, usualMs * (0.1 + random.next())))
      volume.killDaemon()
      const { code, stdout } = await snapshot
      await volume.hasDied()
      await volume.mount()
      const added = (await volume.snapshots()).filter((name) => !before.includes(name))
      // The command may die before it hears of success, but what it has said must be there.
      if (code === 0) expect(added).toEqual([stdout.trim()])
      expect(added.length).toBeLessThanOrEqual(1)
      for (const name of added) trees.set(name, tree)
      for (const [name, wanted] of trees) {
        const got = await volume.actor.fingerprint(volume.snapshotPath(name), [])
        expect(differencesOf(got, wanted), name).toEqual([])
      }
      const live = await volume.actor.fingerprint(volume.live, hiddenInRoot)
      expect(differencesOf(live, tree)).toEqual([])
    }
    console.log(`${trees.size} of 12 snapshots came to be`)
  })
})
