import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

async function gauge(volume: TestVolume, name: string): Promise<number> {
  const value = (await volume.status()).gauges[name]
  if (value === undefined) throw new Error(`status has no gauge ${name}`)
  return value
}

const packing = `
import io, tarfile
with tarfile.open(given['tarball'], 'w') as tar:
    for number in range(given['files']):
        info = tarfile.TarInfo('top/%d/%d' % (number % 100, number))
        data = b'file %d\\n' % number
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))`

const filling = `
piece = random.Random(1).randbytes(1 << 20)
with open(given['path'], 'wb') as file:
    for number in range(1024):
        file.write(b'%08d' % number + piece[8:])`

const sampling = `
with open(given['path'], 'rb') as file:
    size = os.fstat(file.fileno()).st_size
    starts = []
    for number in range(0, 1024, 93):
        file.seek(number << 20)
        starts.append(int(file.read(8)))
result = [size, starts == list(range(0, 1024, 93))]`

const mebibyte = 1 << 20
const wholeSample = { ok: [1024 * mebibyte, true] }

describeMount('what a change after a snapshot costs', () => {
  test('unpacking 10,000 files into a new directory adds as many index entries as 100', async () => {
    const volume = await TestVolume.mounted()
    const entriesFor = async (files: number) => {
      const tarball = volume.beside(`${files}.tar`)
      const packed = await volume.actor.python(packing, { tarball, files }, 60_000)
      expect(packed).toEqual({ ok: null })
      await volume.snapshot()
      const before = await gauge(volume, 'indexEntriesAdded')
      await succeed('mkdir', [`${volume.live}/unpacked-${files}`])
      await succeed('tar', ['-xf', tarball, '-C', `${volume.live}/unpacked-${files}`], {
        deadlineMs: 180_000,
      })
      return (await gauge(volume, 'indexEntriesAdded')) - before
    }
    const few = await entriesFor(100)
    const many = await entriesFor(10_000)
    expect(few).toBeGreaterThan(0)
    expect(few).toBeLessThan(20)
    expect(many).toBe(few)
  })

  test.each([
    ['removing', 'rm big'],
    ['moving', 'mkdir away && mv big away/'],
    ['replacing', 'echo small >new && mv new big'],
  ])('%s a file of 1 GiB copies nothing', async (_, command) => {
    const volume = new TestVolume()
    await volume.actor.python(filling, { path: `${volume.origin}/big` }, 120_000)
    await volume.mount()
    const snapshot = volume.snapshotPath(await volume.snapshot())
    const before = await gauge(volume, 'journalBytes')
    await succeed('sh', ['-ec', command], { cwd: volume.live })
    expect((await gauge(volume, 'journalBytes')) - before).toBeLessThan(mebibyte)
    const path = `${snapshot}/big`
    expect(await volume.actor.python(sampling, { path })).toEqual(wholeSample)
    await volume.killAndMount()
    expect(await volume.actor.python(sampling, { path })).toEqual(wholeSample)
  })

  test('a change of one byte in a file of 1 GiB preserves one chunk', async () => {
    const volume = new TestVolume({ chunkSize: '64K' })
    await volume.actor.python(filling, { path: `${volume.origin}/big` }, 120_000)
    await volume.mount()
    await volume.snapshot()
    const before = await gauge(volume, 'journalBytes')
    const path = `${volume.live}/big`
    await volume.actor.python(
      `fd = os.open(given['path'], os.O_WRONLY)
os.pwrite(fd, b'x', 500 << 20)
os.close(fd)`,
      { path },
    )
    const added = (await gauge(volume, 'journalBytes')) - before
    expect(added).toBeGreaterThan(65_536)
    expect(added).toBeLessThan(65_536 + 4096)
  })
})
