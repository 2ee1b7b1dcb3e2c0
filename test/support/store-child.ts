import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { VolumeStore } from '../../src/store/volume-store.js'
import { commitStep, openScratch } from './store-story.js'

/*
 * A process that lives to be killed: opens DIRECTORY/volume and commits steps FIRST, FIRST + 1, ...
 * of the story; says on stdout what it has done: 'opened', then the number of each committed step.
 * At END it waits.
 */

const [directory, durability, first, end, segmentBytesMax] = process.argv.slice(2)
if (directory === undefined) throw new Error('usage: DIRECTORY DURABILITY FIRST END SEGMENT_BYTES')

function say(text: string): void {
  writeSync(1, `${text}\n`)
}

const store = VolumeStore.open({
  directory: join(directory, 'volume'),
  durability: durability === 'strict' ? 'strict' : 'ordered',
  segmentBytesMax: Number(segmentBytesMax),
})
say('opened')
const scratchFd = openScratch(directory)
for (let step = Number(first); step < Number(end); step++) {
  commitStep(store, step, scratchFd)
  say(String(step))
  if (step % 40 === 7) store.indexPending()
}
say('end')
setInterval(() => undefined, 1000)
