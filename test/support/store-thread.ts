import { statSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import type { ByteString } from '../../src/base/bytes.js'
import type { Label, ObjectId } from '../../src/base/ids.js'
import { VolumeStore } from '../../src/store/volume-store.js'

/*
 * Uses a store as a volume's thread does: from one call to the last the event loop never turns.
 * Says how large the index was after the first rounds and after the last, and which timers wait.
 */

const { directory, rounds } = workerData as { directory: string; rounds: number }
const namesPerRound = 200
const label = 1 as Label
const parent = 5 as ObjectId

const store = VolumeStore.open({ directory, durability: 'ordered' })
const sizes: number[] = []
let staleReads = 0
for (let round = 1; round <= rounds; round++) {
  for (let at = 0; at < namesPerRound; at++) {
    const change = store.change()
    change.addName(parent, `name ${at}` as ByteString, label, {
      object: round as ObjectId,
      type: 8,
    })
    store.commit(change)
  }
  store.indexPending()
  for (let at = 0; at < namesPerRound; at++) {
    const found = store.findName(parent, `name ${at}` as ByteString, label)
    if (found?.object !== round) staleReads++
  }
  if (store.listNames(parent, label).size !== namesPerRound) staleReads++
  sizes.push(statSync(join(directory, 'index', 'data.mdb')).size)
}
const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
store.close()
parentPort?.postMessage({ staleReads, sizes, timers })
