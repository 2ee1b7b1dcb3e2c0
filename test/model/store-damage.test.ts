import { describe, expect, test } from 'vitest'
import { seedOfThisRun } from '../support/random.js'
import { DamageStory } from '../support/simulation/damage-story.js'

// Goal: whatever single thing is wrong in a journal or an index, no snapshot reads wrong: what is hit is an error, or the
// volume is refused; what is derived is made anew. Method: random histories on a simulated disk, in copies of which one
// file of the store is damaged.

const seedFirst = seedOfThisRun()
const histories = 12
const trialsEach = 60

describe(`a store that is damaged in one place (BYGONE_SEED=${seedFirst})`, () => {
  test.each(['strict', 'ordered'] as const)('%s: never shows what is wrong', (durability) => {
    let opened = 0
    for (let seed = seedFirst; seed < seedFirst + histories; seed++) {
      const story = new DamageStory({ seed, durability })
      try {
        story.run(trialsEach)
      } catch (error) {
        throw new Error(`BYGONE_SEED=${seed}: ${String(error)}`, { cause: error })
      }
      opened += story.opened
    }
    console.log(`${durability}: ${histories * trialsEach} times damaged, ${opened} times opened`)
    expect(opened).toBeGreaterThan(0)
  })
})
