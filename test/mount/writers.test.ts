import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// Each record is one write(2) of two chunks, all of it the same number: one that is half old, half
// new shows that the cut fell into the middle of a request.
const stamping = `
record = lambda number: b'%07d ' % number * 1024
a = os.open(given['live'] + '/a%d' % given['writer'], os.O_WRONLY | os.O_CREAT)
b = os.open(given['live'] + '/b%d' % given['writer'], os.O_WRONLY | os.O_CREAT)
number = 0
while not os.path.exists(given['stop']):
    number += 1
    os.pwrite(a, record(number), 0)
    os.pwrite(b, record(number), 0)
os.close(a)
os.close(b)
result = number`

const reading = `
def number_of(name):
    with open(given['snapshot'] + '/' + name, 'rb') as file:
        stamps = file.read().split()
    if not stamps:
        return 0
    assert len(stamps) == 1024 and set(stamps) == {stamps[0]}, 'torn: %s' % sorted(set(stamps))
    return int(stamps[0])
result = [[number_of('a%d' % writer), number_of('b%d' % writer)] for writer in range(4)]`

describeMount('a snapshot while four writers run', () => {
  test.each([
    ['over the origin', { chunkSize: '4K' }],
    ['at its own mount point', { chunkSize: '4K', isMountedOver: false }],
  ])('keeps the order in which each wrote, %s', async (_, options) => {
    const volume = await TestVolume.mounted(options)
    const prepared = await volume.actor.python(
      `for writer in range(4):
    for name in 'ab':
        open(given['live'] + '/%s%d' % (name, writer), 'w').close()`,
      { live: volume.live },
    )
    expect(prepared).toEqual({ ok: null })
    const stop = volume.beside('stop')
    const writers = [0, 1, 2, 3].map((writer) =>
      volume.newActor().python(stamping, { live: volume.live, writer, stop }, 120_000),
    )
    const names: string[] = []
    for (let count = 0; count < 15; count++) names.push(await volume.snapshot())
    writeFileSync(stop, '')
    const last = (await Promise.all(writers)).map(({ ok }) => ok as number)

    const check = async () => {
      let before = [0, 0, 0, 0]
      for (const name of names) {
        const snapshot = volume.snapshotPath(name)
        const { ok } = await volume.actor.python(reading, { snapshot })
        const pairs = ok as [number, number][]
        for (const [a, b] of pairs) {
          expect(b, name).toBeLessThanOrEqual(a)
          expect(a, name).toBeLessThanOrEqual(b + 1)
        }
        pairs.forEach(([a], writer) => {
          expect(a, name).toBeGreaterThanOrEqual(before[writer] ?? 0)
        })
        before = pairs.map(([a]) => a)
      }
      return before
    }
    const newest = await check()
    newest.forEach((a, writer) => {
      expect(a).toBeGreaterThan(0)
      expect(a).toBeLessThanOrEqual(last[writer] ?? 0)
    })
    await volume.remount()
    expect(await check()).toEqual(newest)
  })
})
