import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const fileBytes = 8 << 20

const overwriting = `
random_source = random.Random(given['writer'])
fd = os.open(given['live'] + '/file', os.O_RDWR)
count = 0
while not os.path.exists(given['stop']):
    offset = random_source.randrange(given['size'] - 20000)
    os.pwrite(fd, b'N' * random_source.randrange(1, 20000), offset)
    count += 1
    if count % 64 == 0:
        with mmap.mmap(fd, given['size']) as memory:
            memory[offset:offset + 5] = b'NNNNN'
            memory.flush()
os.close(fd)
result = count`

// Drops what the kernel has cached of the file before each look, so that the daemon must answer.
const rereading = `
wanted = b'O' * (1 << 20)
fd = os.open(given['snapshot'] + '/file', os.O_RDONLY)
looks = 0
result = None
while result is None and not os.path.exists(given['stop']):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for offset in range(0, given['size'], 1 << 20):
        if os.pread(fd, 1 << 20, offset) != wanted:
            result = 'the present leaked into the past at %d after %d looks' % (offset, looks)
    looks += 1
os.close(fd)
result = result or looks`

describeMount('a snapshot of a file that is being overwritten', () => {
  test.each(['4K', '64K'])('never shows new bytes, chunks of %s', async (chunkSize) => {
    const volume = await TestVolume.mounted({ chunkSize })
    const made = await volume.actor.python(
      `with open(given['live'] + '/file', 'wb') as file:
    file.write(b'O' * given['size'])`,
      { live: volume.live, size: fileBytes },
    )
    expect(made).toEqual({ ok: null })
    const snapshot = volume.snapshotPath(await volume.snapshot())
    const stop = volume.beside('stop')
    const given = { live: volume.live, snapshot, stop, size: fileBytes }
    const writers = [1, 2].map((writer) =>
      volume.newActor().python(overwriting, { ...given, writer }, 60_000),
    )
    const readers = [1, 2].map(() => volume.newActor().python(rereading, given, 60_000))
    for (let count = 0; count < 8; count++) {
      // Each cut makes every chunk one that must be preserved before it is changed again.
      await volume.snapshot()
    }
    await new Promise((resolve) => setTimeout(resolve, 2000))
    writeFileSync(stop, '')
    for (const { ok } of await Promise.all([...writers, ...readers])) {
      expect(ok).toBeTypeOf('number')
      expect(ok).toBeGreaterThan(0)
    }
  })
})
