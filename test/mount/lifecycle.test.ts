import { readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { storeKey, storeSocket } from '../../src/daemon/runtime-directory.js'
import { run, succeed } from '../support/command.js'
import { Faults } from '../support/faults.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const transports = ['native', 'fuse-native'] as const

describeMount('mounting and unmounting', () => {
  test.each(transports)('leaves no process and no mount behind (%s)', async (transport) => {
    const volume = await TestVolume.mounted({ transport })
    const key = storeKey(statSync(volume.store, { bigint: true }))
    expect(socketsOf(key).length).toBeGreaterThan(0)
    expect(volume.mounts()).toEqual([volume.live])
    expect(volume.processes().length).toBeGreaterThan(0)
    await volume.snapshot()
    await volume.unmount()
    expect(volume.mounts()).toEqual([])
    await vi.waitFor(() => {
      expect(volume.processes()).toEqual([])
    }, 10_000)
    expect(socketsOf(key)).toEqual([])
  })

  test.each(transports)('works five times over in a row (%s)', async (transport) => {
    const volume = await TestVolume.mounted({ transport })
    for (let count = 0; count < 5; count++) {
      await volume.unmount()
      await volume.mount()
    }
    expect(volume.mounts()).toEqual([volume.live])
  })

  test('works right after umount(8), which does not wait for the daemon', async () => {
    const volume = new TestVolume()
    volume.variables = new Faults(volume.directory, 'unmount.closed=delay:4000').variables
    await volume.mount()
    const name = await volume.snapshot()
    await succeed('umount', [volume.live], { deadlineMs: 10_000 })
    await volume.mount()
    expect(volume.mounts()).toEqual([volume.live])
    expect(await volume.snapshots()).toEqual([name])
  })

  test('holds no descriptor of the caller of mount', async () => {
    // A daemon that kept the pipe would let this shell's reader wait for ever.
    const volume = new TestVolume()
    const { stdout } = await run(
      'sh',
      ['-c', '"$@" | cat; echo done', 'sh', ...volume.mountCommand()],
      {
        env: volume.environment,
        deadlineMs: 30_000,
      },
    )
    expect(stdout).toMatch(/done\n$/)
    expect(volume.mounts()).toEqual([volume.live])
  })

  test('stays while a process is inside, and goes when it has left', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    await volume.actor.python(`os.chdir(given['live'])`, { live: volume.live })
    const { code, stderr } = await volume.bygone('unmount', volume.live)
    expect(code).toBe(1)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(volume.mounts()).toEqual([volume.live])
    await volume.actor.python(`os.chdir('/')`)
    await volume.unmount()
    expect(volume.mounts()).toEqual([])
  })

  test('goes while somebody who has nothing open asks it now and then', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const lines = `
for _ in iter(lambda: os.path.exists(given['stop']), True):
    for _ in range(200):
        os.statvfs(given['live'])
        time.sleep(0.0005)`
    const stop = volume.beside('stop')
    const asking = volume.newActor().python(lines, { live: volume.live, stop })
    for (let count = 0; count < 6; count++) await volume.remount()
    writeFileSync(stop, '')
    expect(await asking).toEqual({ ok: null })
  })

  test('ends cleanly on SIGTERM', async () => {
    const volume = await TestVolume.mounted()
    const name = await volume.snapshot()
    const { pid } = await volume.status()
    process.kill(pid, 'SIGTERM')
    await vi.waitFor(() => {
      expect(volume.processes()).toEqual([])
      expect(volume.mounts()).toEqual([])
    }, 10_000)
    await volume.mount()
    expect(await volume.snapshots()).toEqual([name])
  })

  test('keeps no memory or descriptors of files that were looked at and forgotten', async () => {
    const volume = await TestVolume.mounted()
    const { pid } = await volume.status()
    const churn = async () =>
      volume.actor.python(
        `for number in range(2000):
    path = given['live'] + '/%d' % number
    open(path, 'w').close()
    os.unlink(path)`,
        { live: volume.live },
      )
    const descriptors = () => readdirSync(`/proc/${pid}/fd`).length
    await churn()
    const before = descriptors()
    const { nodes = 0 } = (await volume.status()).gauges
    await churn()
    expect(descriptors()).toBeLessThan(before + 20)
    expect((await volume.status()).gauges['nodes']).toBeLessThan(nodes + 20)
  })
})

/** The socket of that store's daemon, and what leads to it. */
function socketsOf(key: string): string[] {
  const directory = '/run/bygone'
  const socket = storeSocket(directory, key)
  const names = readdirSync(directory).map((name) => join(directory, name))
  return names.filter((path) => path === socket || targetOf(path) === basename(socket))
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    // No link, or one that is gone already.
    return undefined
  }
}
