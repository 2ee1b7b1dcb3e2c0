import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { Faults } from '../support/faults.js'
import { describeMount } from '../support/requirements.js'
import { SmallDisk } from '../support/small-disk.js'
import { TestVolume } from '../support/test-volume.js'
import { ToldClock } from '../support/told-clock.js'

// What the daemon deletes by itself. Its clock is the test's; what the rules say is tested without it
// (test/model/version-retention.test.ts).

const hourMs = 3_600_000
const start = Date.UTC(2026, 10, 21, 12, 0)

async function volume(): Promise<{ volume: TestVolume; clock: ToldClock }> {
  const made = new TestVolume()
  const clock = new ToldClock(made.beside('clock'), start)
  made.variables = clock.variables
  await made.mount()
  return { volume: made, clock }
}

async function isLeft(made: TestVolume, names: readonly string[]): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(await made.snapshots()).toEqual(names)
    },
    { timeout: 30_000, interval: 50 },
  )
}

function log(made: TestVolume): string {
  return readFileSync(join(made.store, 'daemon.log'), 'utf8')
}

describeMount('a policy', () => {
  test('is kept to after each snapshot, at mount and daily, and what is deleted is in the log with why', async () => {
    const { volume: made, clock } = await volume()
    const take = async (...options: string[]) => {
      clock.goOn(hourMs)
      return made.snapshot(...options)
    }
    const held = await take()
    await made.succeed('hold', held, '-V', made.live)
    const manual = await take('--tag', 'manual:mine')
    const names = [await take(), await take()]
    await made.succeed('policy', made.live, '--max', '2')
    await isLeft(made, [held, manual, ...names])
    names.push(await take())
    await isLeft(made, [held, manual, ...names.slice(1)])
    expect(log(made)).toMatch(
      `expired ${names[0] ?? ''} of origin: 2 newer ones are kept, and no more may be`,
    )
    await made.unmount()
    await made.succeed('policy', made.live, '--max', '1')
    await made.mount()
    await isLeft(made, [held, manual, ...names.slice(2)])
    // Nothing but time passes.
    await made.succeed('policy', made.live, '--max', 'none', '--tag', 'daily:1h:1')
    await made.succeed('tag', 'add', names[2] ?? '', 'daily', '-V', made.live)
    const newest = await take('--tag', 'daily')
    await isLeft(made, [held, manual, names[2] ?? '', newest])
    clock.goOn(24 * hourMs)
    await isLeft(made, [held, manual, newest])
  })

  test('that was being kept to when the daemon was killed is kept to after the next mount', async () => {
    const { volume: made, clock } = await volume()
    const names: string[] = []
    for (let count = 0; count < 4; count++) {
      clock.goOn(hourMs)
      names.push(await made.snapshot())
    }
    await made.succeed('policy', made.live, '--max', '2')
    await made.unmount()
    const faults = new Faults(made.directory, 'delete.gone=kill')
    made.variables = { ...clock.variables, ...faults.variables }
    await made.tryMount()
    await vi.waitFor(() => {
      if (!faults.hasKilled) throw new Error('nothing was deleted')
    }, 20_000)
    await made.hasDied()
    await made.mount()
    await isLeft(made, names.slice(2))
    await made.unmount()
    await made.succeed('check', '--data', made.origin)
  })

  test('with --min-free lets snapshots go, by priority and age, until there is space, and no more', async () => {
    const made = new TestVolume({ isStoreApart: true, isMountedOver: false })
    const disk = await SmallDisk.make(made.store, { megabytes: 96 })
    await made.mount()
    const mebibyte = 1 << 20
    const write = async (seed: number) => {
      const lines = `
data = random.Random(given['seed']).randbytes(4 << 20)
with open(given['path'], 'r+b' if os.path.exists(given['path']) else 'wb') as file:
    file.write(data)
result = None`
      const outcome = await made.actor.python(lines, { seed, path: join(made.live, 'data') })
      expect(outcome).toEqual({ ok: null })
    }
    const names: string[] = []
    // Each holds 4 MiB of its own.
    for (const tag of ['manual:mine', 'weekly', 'to-hold', 'daily', 'plain', 'newest']) {
      await write(names.length)
      names.push(await made.snapshot('--tag', tag))
    }
    await write(names.length)
    const [manual = '', weekly = '', held = '', , plain = '', newest = ''] = names
    await made.succeed('hold', held, '-V', made.live)
    await made.succeed('policy', made.live, '--min-free', '20M', '--priority', 'daily=-1')
    await made.succeed('policy', made.live, '--priority', 'daily=-1', '--priority', 'weekly=1')
    // For root's own use ext4 keeps a twentieth.
    const keptForRoot = (96 * mebibyte) / 20
    disk.fill(keptForRoot + 15 * mebibyte)
    // Two go: the first does not make 20 MiB of 15.
    await isLeft(made, [manual, weekly, held, newest])
    expect(log(made)).toMatch(/evicted @GMT.* of origin: .*iB free, less than 20 MiB/)
    expect(log(made).match(/evicted @GMT/g)).toHaveLength(2)
    expect(log(made).indexOf(names[3] ?? '')).toBeLessThan(log(made).lastIndexOf(plain))
    disk.fill(keptForRoot + 2 * mebibyte)
    await isLeft(made, [manual, held, newest])
    await vi.waitFor(() => {
      expect(log(made)).toContain('and no snapshot is left that may go')
    }, 30_000)
  })
})
