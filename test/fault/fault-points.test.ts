import { expect, test } from 'vitest'
import { faultPoints, type FaultPoint } from '../../src/base/fault-points.js'
import { KillSubject } from '../support/kill-subject.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import type { TestVolumeOptions } from '../support/test-volume.js'

// Goal: whatever the daemon was doing when it is killed, every snapshot stays as it was, the one under
// way is there whole or not at all, and what programs were told has happened. Method: a volume is killed
// at one fault point (src/base/fault-points.ts) after the other; each mount recovers from the kill
// before, and all is compared with what the oracle kept aside.

/** What daemons do by themselves, around snapshots, and without a mount: struck in schedule, hooks and gc.test.ts of test/mount. */
const isElsewhere = (point: string) => /^(schedule|hooks|gc|index\.shrink)\./.test(point)
const everyPoint = (Object.keys(faultPoints) as FaultPoint[]).filter((point) => !isElsewhere(point))
const configurations: TestVolumeOptions[] = [
  {},
  { isMountedOver: false, isStoreApart: true, durability: 'strict' },
]

/** Runs the work for each item, as many at a time as there are workers; each worker has its share. */
async function shared<Item, Worker>(
  items: readonly Item[],
  workers: readonly Worker[],
  work: (item: Item, worker: Worker) => Promise<void>,
): Promise<void> {
  const left = [...items]
  await Promise.all(
    workers.map(async (worker) => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) {
        await work(item, worker)
      }
    }),
  )
}

function inGroups<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, at) => items.slice(at * size, (at + 1) * size))
}

describeMount('kill -9 of the daemon', () => {
  const seed = seedOfThisRun()
  console.log(`BYGONE_SEED=${seed}`)
  let passesOfFirst: Map<FaultPoint, number>
  let passesOfLater: Map<FaultPoint, number>

  test('can strike at every fault point there is', async () => {
    const subject = new KillSubject({}, new Random(seed))
    passesOfFirst = await subject.live()
    await subject.dieAt('retire.moved', 2)
    subject.damage({ isTorn: true, isIndexLost: false })
    const passes = await subject.live()
    subject.damage({ isTorn: false, isIndexLost: true })
    passesOfLater = new Map([...(await subject.live()), ...passes])
    const isPassed = (point: FaultPoint) => passesOfFirst.has(point) || passesOfLater.has(point)
    expect(everyPoint.filter((point) => !isPassed(point))).toEqual([])
  })

  test('while it makes a volume leaves one that can be mounted', async () => {
    const random = new Random(seed)
    // All others are passed again by every later mount.
    const points = everyPoint.filter((point) => /^(file|journal.segment|mount.volume)/.test(point))
    await shared(points, configurations, async (point, options) => {
      const subject = new KillSubject(options, random)
      const stage = await subject.dieAt(point, 1)
      expect(stage, point).toBe('mounting')
      await subject.end()
    })
  })

  test('at any later step leaves every snapshot as it was', async () => {
    const random = new Random(seed)
    const points = everyPoint.filter((point) => passesOfLater.has(point))
    await shared(inGroups(points, 8), configurations, async (group, options) => {
      const subject = new KillSubject(options, random)
      await subject.live()
      for (const point of group) {
        const isIndexRemoved = /^(index.remove|recovery.index.made)/.test(point)
        const isIndexOpened = point === 'recovery.index.opened'
        // A kill before may have come when there was none.
        if (isIndexOpened) await subject.live()
        // There is something to recover from only if the life before was cut off.
        else if (point.startsWith('recovery.')) await subject.dieAt('retire.moved', 2)
        const isIndexLost = isIndexRemoved || (!isIndexOpened && random.isLikely(0.2))
        subject.damage({ isTorn: random.isLikely(0.5), isIndexLost })
        const pass = random.between(1, passesOfLater.get(point) ?? 1)
        const stage = await subject.dieAt(point, pass)
        // What was killed while it recovered begins anew, and is killed again; of batches that was the last, perhaps.
        if (stage === 'mounting' && point !== 'recovery.batch') await subject.dieAt(point, 1)
      }
      await subject.end()
    })
  })
})
