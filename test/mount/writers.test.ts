import { expect, test } from 'vitest'
import { PairedWriters } from '../support/paired-writers.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// A record that is half old, half new shows that the cut fell into the middle of a request.

describeMount('a snapshot while four writers run', () => {
  test.each([
    ['over the origin', { chunkSize: '4K' }],
    ['at its own mount point', { chunkSize: '4K', isMountedOver: false }],
  ])('keeps the order in which each wrote, %s', async (_, options) => {
    const volume = await TestVolume.mounted(options)
    const writers = new PairedWriters(() => volume.newActor(), 4, volume.beside('stop'))
    await writers.start({ first: volume.live, second: volume.live })
    const names: string[] = []
    for (let count = 0; count < 15; count++) names.push(await volume.snapshot())
    await writers.stop()
    const looks = names.map((name) => {
      const path = volume.snapshotPath(name)
      return { first: path, second: path }
    })
    const newest = await writers.expectInOrder(looks)
    await volume.remount()
    expect(await writers.expectInOrder(looks)).toEqual(newest)
  })
})
