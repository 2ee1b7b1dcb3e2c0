import { statSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { faultPoints } from '../../src/base/fault-points.js'
import { connectToStore } from '../../src/daemon/daemon-finder.js'
import { storeKey } from '../../src/daemon/runtime-directory.js'
import type { ScheduleReport } from '../../src/daemon/schedule-report.js'
import { Faults } from '../support/faults.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'
import { ToldClock } from '../support/told-clock.js'

// A real daemon whose clock the test tells the time: it stands still until it is set.

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const start = Date.UTC(2026, 10, 21, 12, 30)

interface Snapshot {
  name: string
  tags: string[]
  memo: string
}

async function scheduled(...options: string[]): Promise<{ volume: TestVolume; clock: ToldClock }> {
  return scheduledIn({}, ...options)
}

async function scheduledIn(how: TestVolumeOptions, ...options: string[]) {
  const volume = new TestVolume(how)
  const clock = new ToldClock(volume.beside('clock'), start)
  volume.variables = clock.variables
  await volume.mount()
  await volume.succeed('schedule', 'add', 'x', '-V', volume.live, ...options)
  return { volume, clock }
}

async function snapshots(volume: TestVolume): Promise<Snapshot[]> {
  const json = await volume.succeed('list', volume.live, '--json')
  return (JSON.parse(json) as { snapshots: Snapshot[] }).snapshots
}

/** Asked of the daemon itself: a command takes its time to start. */
async function report(volume: TestVolume): Promise<ScheduleReport> {
  const client = await connectToStore(storeKey(statSync(volume.store, { bigint: true })))
  if (client === undefined) throw new Error('there is no daemon')
  try {
    const [summary] = await client.request<'volumes'>({ command: 'volumes' })
    const request = { command: 'schedules', volume: summary?.id ?? '' } as const
    const [first] = await client.request<'schedules'>(request)
    if (first === undefined) throw new Error('there is no schedule')
    return first
  } finally {
    client.close()
  }
}

/** When the schedule has done what was due by now. */
async function hasRun(volume: TestVolume, clock: ToldClock): Promise<ScheduleReport> {
  return vi.waitFor(
    async () => {
      const found = await report(volume)
      if (found.lastGood !== new Date(clock.nowMs).toISOString()) throw new Error('not yet')
      return found
    },
    { timeout: 20_000, interval: 20 },
  )
}

/** What a snapshot would show, and what it would not; each in Python, in the volume's root. */
const changes: [what: string, lines: string][] = [
  ['a new file', `open('f', 'wb').write(bytes(300000))`],
  [
    'a first write to a chunk',
    `fd = os.open('f', os.O_WRONLY); os.pwrite(fd, b'1', 9); os.close(fd)`,
  ],
  [
    'a write by a mapping',
    `f = open('f', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[70000] = 5; m.close(); f.close()`,
  ],
  ['a mode', `os.chmod('f', 0o600)`],
  ['a time', `os.utime('f', (1, 1))`],
  ['an attribute', `os.setxattr('f', 'user.x', b'1')`],
  ['an attribute that goes', `os.removexattr('f', 'user.x')`],
  ['a length', `os.truncate('f', 200000)`],
  ['a hole', `fd = os.open('f', os.O_RDWR); os.posix_fallocate(fd, 200000, 4096); os.close(fd)`],
  ['a directory', `os.mkdir('d')`],
  ['a rename', `os.rename('f', 'd/f')`],
  ['a hard link', `os.link('d/f', 'l')`],
  ['a symbolic link', `os.symlink('l', 's')`],
  ['a fifo', `os.mkfifo('p')`],
  ['a name less', `os.unlink('s')`],
  ['a directory less', `os.unlink('d/f'); os.rmdir('d')`],
  [
    'a copy of a range',
    `a = os.open('l', os.O_RDONLY); b = os.open('c', os.O_CREAT | os.O_WRONLY); os.copy_file_range(a, b, 9); os.close(a); os.close(b)`,
  ],
]

const inRoot = `
import mmap
os.chdir(given['root'])
try:
    exec(given['lines'])
finally:
    os.chdir('/')
result = None`

describeMount('a schedule', () => {
  test('takes snapshots when its time comes, with its tags, and says how it goes', async () => {
    const { volume, clock } = await scheduled(
      ...['--cron', '0 22 * * *', '--zone', 'Asia/Tokyo', '--tag', 'daily', '-m', 'nightly'],
    )
    expect(await report(volume)).toEqual({
      name: 'x',
      timing: { kind: 'cron', cron: '0 22 * * *', zone: 'Asia/Tokyo' },
      tags: ['daily'],
      memo: 'nightly',
      ifChanged: false,
      intervalSec: 86400,
      next: '2026-11-21T13:00:00.000Z',
      lastGood: null,
      lastSnapshot: null,
      failures: 0,
      lastFailure: null,
    })
    clock.goOn(30 * minuteMs)
    await hasRun(volume, clock)
    clock.goOn(24 * hourMs)
    const after = await hasRun(volume, clock)
    expect((await snapshots(volume)).map(({ name, tags, memo }) => [name, tags, memo])).toEqual([
      ['@GMT-2026.11.21-13.00.00', ['daily'], 'nightly'],
      ['@GMT-2026.11.22-13.00.00', ['daily'], 'nightly'],
    ])
    expect(after).toMatchObject({
      next: '2026-11-23T13:00:00.000Z',
      lastSnapshot: '@GMT-2026.11.22-13.00.00',
    })
    expect(await volume.succeed('status', volume.live)).toContain(
      'x:                     0 22 * * * Asia/Tokyo; next 2026-11-23T13:00:00.000Z; last 2026-11-22',
    )
    await volume.succeed('schedule', 'remove', 'x', '-V', volume.live)
    expect(await volume.succeed('schedule', volume.live)).toBe('')
  })

  test.each<[string, TestVolumeOptions]>([
    ['', {}],
    [' by the other transport', { transport: 'fuse-native', isMountedOver: false }],
  ])(
    'with --if-changed sees every kind of change%s, and takes nothing else for one',
    async (_, how) => {
      const { volume, clock } = await scheduledIn(
        how,
        '--every',
        '1h',
        '--spread',
        '0',
        '--if-changed',
      )
      const attempt = async (lines: string) => {
        const outcome = await volume.actor.python(inRoot, { root: volume.live, lines })
        expect(outcome, lines).toEqual({ ok: null })
      }
      const nextRun = async () => {
        const before = (await report(volume)).lastSnapshot
        clock.goOn(hourMs)
        const { lastSnapshot } = await hasRun(volume, clock)
        return lastSnapshot === before ? 'nothing' : 'snapshot'
      }
      // Nobody knows what was changed while it was not mounted.
      expect(await nextRun()).toBe('snapshot')
      expect(await nextRun()).toBe('nothing')
      const isPlain = how.transport === undefined
      const kinds = changes.filter(([what]) => isPlain || !/mapping|copy|hole|fifo/.test(what))
      for (const [what, lines] of kinds) {
        await attempt(lines)
        expect(await nextRun(), what).toBe('snapshot')
      }
      // No element is made by the second write to a chunk that is preserved.
      const write = (text: string) =>
        `fd = os.open('l', os.O_WRONLY); os.pwrite(fd, b'${text}', 100); os.close(fd)`
      await attempt(write('2'))
      expect(await nextRun()).toBe('snapshot')
      await attempt(write('3'))
      const { gauges } = await volume.status()
      await attempt(write('4'))
      expect((await volume.status()).gauges['indexEntriesAdded']).toBe(gauges['indexEntriesAdded'])
      expect(await nextRun()).toBe('snapshot')
      // The first comes by the daemon's JavaScript, the others are written by the addon alone.
      await attempt(`handles['l'] = os.open('l', os.O_WRONLY); os.pwrite(handles['l'], b'5', 100)`)
      expect(await nextRun()).toBe('snapshot')
      await attempt(`for _ in range(3): os.pwrite(handles['l'], b'6', 100)
os.close(handles.pop('l'))`)
      expect(await nextRun()).toBe('snapshot')
      await attempt(`
os.listdir('.'); os.listdir('.snapshots'); open('l', 'rb').read(); os.stat('l')
for path in ['@latest/l', '@latest/new']:
    try:
        open(path, 'wb')
        raise AssertionError(path)
    except OSError as error:
        pass
fd = os.open('l', os.O_RDWR); os.fsync(fd); os.close(fd)`)
      expect(await nextRun()).toBe('nothing')
      // It is the newest that counts, of those that there are.
      await volume.succeed('snapshot', volume.live)
      await volume.succeed('delete', '-V', volume.live, 'latest')
      expect(await nextRun()).toBe('nothing')
      await volume.remount()
      expect((await report(volume)).lastGood).toBe(new Date(clock.nowMs).toISOString())
      expect(await nextRun()).toBe('snapshot')
    },
  )

  test('catches up once on what was missed while the daemon was gone', async () => {
    const { volume, clock } = await scheduled('--every', '1h', '--spread', '0')
    clock.goOn(hourMs)
    await hasRun(volume, clock)
    await volume.unmount()
    clock.goOn(50 * hourMs + 1)
    await volume.mount()
    await hasRun(volume, clock)
    clock.goOn(hourMs)
    await hasRun(volume, clock)
    expect((await snapshots(volume)).map(({ name }) => name)).toEqual([
      '@GMT-2026.11.21-13.30.00',
      '@GMT-2026.11.23-15.30.00',
      '@GMT-2026.11.23-16.30.00',
    ])
  })

  test('that fails says why, and is tried again later', async () => {
    const volume = new TestVolume()
    const clock = new ToldClock(volume.beside('clock'), start)
    const faults = new Faults(volume.directory, 'snapshot.flushed=fail:EIO@1')
    volume.variables = { ...clock.variables, ...faults.variables }
    await volume.mount()
    await volume.succeed(
      'schedule',
      'add',
      'x',
      '-V',
      volume.live,
      '--every',
      '1h',
      '--spread',
      '0',
    )
    clock.goOn(hourMs)
    const failed = await vi.waitFor(async () => {
      const found = await report(volume)
      if (found.failures === 0) throw new Error('not yet')
      return found
    }, 20_000)
    expect(failed).toMatchObject({ failures: 1, lastGood: null, next: '2026-11-21T13:32:00.000Z' })
    expect(failed.lastFailure?.message).toMatch(/fault point snapshot.flushed/)
    expect(await volume.succeed('schedule', volume.live)).toContain('1 x, the snapshot failed: EIO')
    clock.goOn(2 * minuteMs)
    expect(await hasRun(volume, clock)).toMatchObject({ failures: 0 })
    expect(await snapshots(volume)).toHaveLength(1)
  })

  const points = Object.keys(faultPoints).filter((name) => name.startsWith('schedule.'))
  test.each([...points, 'snapshot.exists'])(
    'has one snapshot for a time, also if the daemon is killed at %s',
    async (point) => {
      const { volume, clock } = await scheduled('--every', '1h', '--spread', '0')
      await volume.unmount()
      const failing = point === 'schedule.failed' ? 'snapshot.flushed=fail:EIO@1,' : ''
      const faults = new Faults(volume.directory, `${failing}${point}=kill`)
      volume.variables = { ...clock.variables, ...faults.variables }
      await volume.mount()
      clock.goOn(hourMs)
      await vi.waitFor(() => {
        if (!faults.hasKilled) throw new Error(`${point} was not passed`)
      }, 20_000)
      await volume.hasDied()
      volume.variables = clock.variables
      clock.goOn(10 * minuteMs)
      await volume.mount()
      await vi.waitFor(async () => {
        if ((await report(volume)).lastGood === null) throw new Error('not yet')
      }, 20_000)
      clock.goOn(50 * minuteMs)
      await hasRun(volume, clock)
      expect(await snapshots(volume)).toHaveLength(2)
    },
  )
})
