import { describe, expect, test } from 'vitest'
import { CrashedVolume, recordStarts } from '../support/crashed-volume.js'
import { compileStorePrograms } from '../support/store-process.js'
import { commitSteps, countSteps, stateOfStep } from '../support/store-story.js'

// A process that is killed leaves its last record cut anywhere, and nothing else wrong: that
// record, of a commit that never returned, is cut off; all before it stays.

describe('a journal that ends inside a record', () => {
  compileStorePrograms()

  test.each([
    ['with the index that was there', false],
    ['without the index', true],
  ])('is cut back to the record before, %s', async (_, isIndexLost) => {
    // Step 18 has a chunk: its record is the last but two.
    const steps = 21
    const volume = await CrashedVolume.make({ steps })
    const name = '00000001.seg'
    const whole = volume.segment(name)
    const starts = recordStarts(whole)
    const end = starts.at(-1) ?? 0
    expect(end).toBe(whole.length)
    // The records of steps 18 (two of them), 19 and 20; of chunk bytes not every place.
    const [first = 0] = starts.slice(-5)
    const cuts = Array.from({ length: end - first + 1 }, (_, at) => first + at).filter((cut) => {
      const nearest = Math.min(...starts.map((start) => Math.abs(start - cut)))
      return nearest < (isIndexLost ? 2 : 420) || cut % (isIndexLost ? 151 : 997) === 0
    })
    for (const cut of cuts) {
      volume.restore()
      if (isIndexLost) volume.loseIndexData()
      volume.write(name, whole.subarray(0, cut))
      const store = volume.open()
      const recordsLeft = starts.filter((start) => start <= cut).length - 1
      const expected = { ...stepsOf(recordsLeft) }
      expect(countSteps(store), `cut at ${cut}`).toEqual(expected)
      const startOfTorn = starts[recordsLeft] ?? 0
      expect(store.recovery.tornBytes).toBe(cut - startOfTorn)
      expect(store.recovery.wasIndexRebuilt).toBe(isIndexLost)
      // What follows is written where the torn record was, and is found again.
      commitSteps(store, volume.root, expected.whole, expected.whole + 2)
      store.close()
      if (cut % 8 !== 0) continue
      const again = volume.open()
      expect(again.recovery.tornBytes).toBe(0)
      expect(countSteps(again).whole).toBe(expected.whole + 2)
      again.close()
    }
  })

  test('recovery that is done twice, or was not finished, ends the same', async () => {
    const volume = await CrashedVolume.make({ steps: 30 })
    const name = '00000001.seg'
    const whole = volume.segment(name)
    volume.write(name, whole.subarray(0, whole.length - 5))
    // Cut, but neither indexed nor noted: as if killed right after.
    const starts = recordStarts(whole)
    volume.write(name, whole.subarray(0, starts.at(-2)))
    for (let round = 0; round < 3; round++) {
      const store = volume.open()
      expect(countSteps(store)).toEqual({ whole: 29, isLastPartly: false })
      store.close()
    }
  })

  test('a journal that is shorter than what the index has of it is damage', async () => {
    const volume = await CrashedVolume.make({ steps: 30 })
    const name = '00000001.seg'
    const whole = volume.segment(name)
    const [start = 0] = recordStarts(whole).slice(10)
    volume.write(name, whole.subarray(0, start))
    expect(() => volume.open()).toThrow(/damaged journal.*00000001\.seg.*missing/)
    expect(volume.segment(name)).toHaveLength(start)
    volume.restore()
    const store = volume.open()
    expect(stateOfStep(store, 29)).toBe('whole')
    store.close()
  })
})

/** Of the story: each step is a record, every third step another for its chunk. */
function stepsOf(records: number): { whole: number; isLastPartly: boolean } {
  let left = records
  for (let step = 0; ; step++) {
    const needed = step % 3 === 0 ? 2 : 1
    if (left < needed) return { whole: step, isLastPartly: left === 1 }
    left -= needed
  }
}
