import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { SmallDisk } from '../support/small-disk.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: people hear of a disk that runs full before it is, once, and hear when it is over.
// Method: a real disk is filled and freed beside the mount; what status, mount and the log say.

async function volumeOn(what: 'store' | 'origin', options: { inodes?: number } = {}) {
  const volume = new TestVolume({ isStoreApart: true, isMountedOver: false })
  const disk = await SmallDisk.make(what === 'store' ? volume.store : volume.origin, options)
  return { volume, disk }
}

interface Status {
  space: Record<'store' | 'origin', { bytes: number; bytesFree: number; lowWaterBytes: number }>
  warnings: string[]
}

async function status(volume: TestVolume): Promise<Status> {
  return JSON.parse(await volume.succeed('status', volume.live, '--json')) as Status
}

function logged(volume: TestVolume, words: string): number {
  return readFileSync(join(volume.store, 'daemon.log'), 'utf8').split(words).length - 1
}

async function isLogged(volume: TestVolume, words: string, times: number): Promise<void> {
  await vi.waitFor(() => {
    expect(logged(volume, words)).toBe(times)
  }, 40_000)
}

describeMount('a disk that runs full', () => {
  test.each(['store', 'origin'] as const)(
    'is spoken of in the log, in status and at mount, once, until there is room (the %s)',
    async (what) => {
      const { volume, disk } = await volumeOn(what)
      await volume.mount()
      const before = await status(volume)
      expect(before.warnings).toEqual([])
      const { bytes, lowWaterBytes } = before.space[what]
      expect(lowWaterBytes).toBe(Math.floor(bytes / 20))
      // ext4 keeps a twentieth for root, which no user may take.
      const keptForRoot = bytes / 20
      disk.fill(keptForRoot + 2 * lowWaterBytes)
      expect((await status(volume)).warnings).toEqual([])
      disk.fill(keptForRoot + lowWaterBytes - 100_000)
      await isLogged(volume, 'nearly full', 1)
      const during = await status(volume)
      expect(during.warnings).toEqual([expect.stringContaining(`${disk.path} is nearly full`)])
      expect(during.space[what].bytesFree).toBeLessThan(lowWaterBytes)
      expect(await volume.succeed('status', volume.live)).toMatch(
        new RegExp(`^  ${what}: .* of .*iB free.*\\n(.*\\n)*warning: .* is nearly full`, 'm'),
      )
      await volume.unmount()
      const mounted = await volume.bygone(
        'mount',
        volume.origin,
        volume.live,
        '--store',
        volume.store,
      )
      expect(mounted.stderr).toContain(`${disk.path} is nearly full`)
      disk.free()
      await isLogged(volume, 'has free space again', 1)
      expect((await status(volume)).warnings).toEqual([])
      expect(logged(volume, 'nearly full')).toBe(2)
    },
  )

  test('is spoken of when its inodes run out', async () => {
    const { volume, disk } = await volumeOn('origin', { inodes: 2000 })
    await volume.mount()
    expect((await status(volume)).warnings).toEqual([])
    disk.takeInodes(50)
    expect((await status(volume)).warnings).toEqual([expect.stringContaining('50 of')])
  })

  test('is spoken of from the mark on that the user has set', async () => {
    const { volume } = await volumeOn('store')
    const mount = ['mount', volume.origin, volume.live, '--store', volume.store, '--low-water']
    expect((await volume.bygone(...mount, '100%')).stderr).toContain('is nearly full')
    await volume.unmount()
    expect((await volume.bygone(...mount, '1G')).stderr).toContain('is nearly full')
    await volume.unmount()
    expect((await volume.bygone(...mount, '0')).stderr).toBe('')
    await volume.unmount()
    expect((await volume.bygone(...mount, 'much')).code).toBe(64)
  })
})
