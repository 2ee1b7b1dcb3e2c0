import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { compileStorePrograms, storeProgram } from '../support/store-process.js'
import { temporaryDirectory } from '../support/store-fixture.js'

describe('on a thread whose event loop never turns', () => {
  compileStorePrograms()

  test('reads are fresh, pages are used again and no timers gather', async () => {
    const directory = join(temporaryDirectory(), 'volume')
    const rounds = 300
    const worker = new Worker(storeProgram('store-thread'), { workerData: { directory, rounds } })
    const [result] = (await once(worker, 'message')) as [
      { staleReads: number; sizes: number[]; timers: number },
    ]
    await worker.terminate()
    expect(result.staleReads).toBe(0)
    expect(result.timers).toBe(0)
    // The same 200 names all the time: what LMDB freed in one round it must use in the next.
    expect(result.sizes).toHaveLength(rounds)
    expect(result.sizes.at(-1)).toBeLessThanOrEqual((result.sizes[5] ?? 0) * 1.5)
  })
})
