import { expect, test } from 'vitest'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { type StressOptions, StressVolume } from './stress-volume.js'

// Goal: nothing that can happen changes a snapshot or loses what a program was told is done. Method: lives of
// a volume, one after the other (see stress-volume.ts). `npm run stress -- --minutes N --seed S`.

const configurations: StressOptions[] = [
  { chunkSize: '4K' },
  { isMountedOver: false, chunkSize: '64K', isStoreApart: true, isStoreFilled: true },
  { durability: 'strict', chunkSize: '16K' },
]
/** Of one volume; the next begins with nothing, so that no comparison gets slower and slower. */
const livesMax = 12

describeMount('a volume under stress', () => {
  test('keeps every snapshot, whatever happens', async () => {
    const seed = seedOfThisRun()
    const end = Date.now() + Number(process.env['BYGONE_MINUTES'] ?? 5) * 60_000
    console.log(`stress: seed ${seed}`)
    const random = new Random(seed)
    const total = new Map<string, number>()
    const points = new Set<string>()
    for (let round = 0; Date.now() < end; round++) {
      const options = configurations[(seed + round) % configurations.length] ?? {}
      const volume = await StressVolume.make(options, random)
      try {
        for (let life = 0; life < livesMax && Date.now() < end; life++) await volume.live()
        await volume.end()
      } catch (error) {
        const kept = await volume.keep()
        throw new Error(`seed ${seed}: all is kept in ${kept}`, { cause: error })
      }
      for (const [what, count] of Object.entries(volume.counts)) {
        total.set(what, (total.get(what) ?? 0) + count)
      }
      for (const point of volume.pointsKilledAt) points.add(point)
      console.log(`stress: ${[...total].map(([what, count]) => `${count} ${what}`).join(', ')}`)
    }
    console.log(`stress: killed at ${points.size} different fault points; seed ${seed}`)
    expect(total.get('snapshots')).toBeGreaterThan(0)
  })
})
