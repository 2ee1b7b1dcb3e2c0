import { describe, expect, test } from 'vitest'
import { seedOfThisRun } from '../support/random.js'
import { CompactionStory } from '../support/simulation/compaction-story.js'
import { CrashStory } from '../support/simulation/crash-story.js'
import { PunchStory } from '../support/simulation/punch-story.js'

// Goal: whatever the instant at which the process is killed or the machine loses power, also while it recovers from the
// crash before: the volume opens, every snapshot that was reported is whole and as it was (of 'ordered' apart from what
// FORMAT.md's window may take), no other is seen, and recovering once more changes nothing.
// Method: the store's own code over a simulated disk, in one process; random histories, in which the machine crashes,
// in a copy, before and in each operation of the disk. BYGONE_SEED begins with another history, BYGONE_CRASHES sets how
// many crashes there are.

const seedFirst = seedOfThisRun()
const pointsMin = Number(process.env['BYGONE_CRASHES'] ?? 20_000) / 2

describe(`crashes at every operation of the disk (BYGONE_SEED=${seedFirst})`, () => {
  test.each(['strict', 'ordered'] as const)('%s: every one is survived', (durability) => {
    let points = 0
    let pointsInRecovery = 0
    let seed = seedFirst
    for (; points < pointsMin; seed++) {
      const story = new CrashStory({ seed, durability })
      try {
        story.run()
      } catch (error) {
        throw new Error(`BYGONE_SEED=${seed}: ${String(error)}`, { cause: error })
      }
      points += story.points
      pointsInRecovery += story.pointsInRecovery
    }
    const histories = seed - seedFirst
    console.log(
      `${durability}: ${points} crashes, ${pointsInRecovery} of them in a recovery, in ${histories} histories`,
    )
    expect(points).toBeGreaterThanOrEqual(pointsMin)
    expect(pointsInRecovery).toBeGreaterThan(0)
  })

  test('a record whose data was given back takes none with it that follows', () => {
    new PunchStory().run()
  })

  test('records that are freed take none with them that are needed', () => {
    const story = new CompactionStory(seedFirst)
    story.run()
    expect(story.points).toBeGreaterThan(20)
  })
})
