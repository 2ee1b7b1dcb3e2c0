import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { VolumeStore } from '../../src/store/volume-store.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { compileStorePrograms, StoreProcess } from '../support/store-process.js'
import { countSteps } from '../support/store-story.js'
import { temporaryDirectory } from '../support/store-fixture.js'

// Goal: whatever commit() has returned from is there after kill -9 at any instant; of what it had
// not, each change is there whole or not at all. Method: a process commits the story's steps and
// reports each; it is killed at a random time, mostly while committing, often while it recovers
// from the kill before; then all is compared with what was reported.

const seed = seedOfThisRun()
const rounds = 24

describe(`kill -9 (BYGONE_SEED=${seed})`, () => {
  compileStorePrograms()

  test.each(['ordered', 'strict'] as const)(
    '%s: loses nothing that was reported',
    async (durability) => {
      const random = new Random(seed)
      const directory = temporaryDirectory()
      const segmentBytesMax = 1 << 20
      let committed = 0
      let killsWhileOpening = 0
      for (let round = 0; round < rounds; round++) {
        const child = new StoreProcess({ directory, durability, first: committed, segmentBytesMax })
        // Half of them die after they have opened the volume, half at any time since their start.
        if (random.isLikely(0.5)) await child.said('opened')
        await sleep(random.below(random.isLikely(0.5) ? 40 : 700))
        const { hasOpened, lastStep, errors } = await child.kill()
        expect(errors).toBe('')
        if (!hasOpened) killsWhileOpening++
        committed = Math.max(committed, lastStep + 1)
        // The next process then recovers, and is perhaps killed doing it.
        if (random.isLikely(0.4)) continue
        const store = VolumeStore.open({
          directory: join(directory, 'volume'),
          durability,
          segmentBytesMax,
        })
        const { whole } = countSteps(store)
        store.close()
        // One step may have been committed and not yet reported.
        expect([committed, committed + 1]).toContain(whole)
        committed = whole
      }
      console.log(`${durability}: ${committed} steps, ${killsWhileOpening} kills while opening`)
      expect(committed).toBeGreaterThan(rounds)
    },
  )
})
