import { expect, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import type { Label, ObjectId } from '../../src/base/ids.js'
import { cutAtOnce } from '../../src/daemon/cut.js'
import type { FromVolumeThread, ToVolumeThread } from '../../src/daemon/thread-protocol.js'
import { VolumeService } from '../../src/daemon/volume-service.js'
import { RequestParked } from '../../src/fuse/file-system.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'

function record(label: number): SnapshotRecord {
  const name = `@GMT-2026.11.21-09.30.0${label}`
  return {
    name,
    label: label as Label,
    timeSec: label,
    cutAtMs: label * 1000,
    memo: '',
    tags: [],
    isHeld: false,
  }
}

/** Volumes that note what is asked of them. */
function volumes(events: string[], names: readonly string[], failing?: string) {
  return names.map((name) => ({
    hold: () => {
      events.push(`hold ${name}`)
      return name === failing ? Promise.reject(new Error('stuck')) : Promise.resolve()
    },
    release: () => {
      events.push(`release ${name}`)
    },
    cut: (each: SnapshotRecord) => {
      events.push(`cut ${name} ${each.label}`)
      return Promise.resolve()
    },
  }))
}

test('the snapshots are committed while every volume is held, and cut after that', async () => {
  const events: string[] = []
  await cutAtOnce(volumes(events, ['a', 'b']), () => {
    events.push('commit')
    return Promise.resolve([record(1), record(2)])
  })
  expect(events).toEqual(['hold a', 'hold b', 'commit', 'cut a 1', 'cut b 2'])
})

test('one volume that does not come to rest releases them all, and nothing is committed', async () => {
  const events: string[] = []
  const cut = cutAtOnce(volumes(events, ['a', 'b'], 'b'), () => {
    events.push('commit')
    return Promise.resolve([])
  })
  await expect(cut).rejects.toThrow('stuck')
  expect(events).toEqual(['hold a', 'hold b', 'release a', 'release b'])
})

test('a commit that fails releases them all', async () => {
  const events: string[] = []
  const cut = cutAtOnce(volumes(events, ['a']), () => Promise.reject(new Error('disk full')))
  await expect(cut).rejects.toThrow('disk full')
  expect(events).toEqual(['hold a', 'release a'])
})

/** A volume's side of the conversation, with the main thread's messages laid out in advance. */
function service(
  messages: ToVolumeThread[],
  isCatchingUp: () => boolean = () => false,
  polledMax = Infinity,
) {
  const log: unknown[] = []
  let polled = 0
  const inbox = {
    poll: () => (polled++ < polledMax ? messages.shift() : undefined),
    take: () => {
      const message = messages.shift()
      if (message === undefined) throw new Error('would wait for ever')
      return message
    },
  }
  const made = new VolumeService({
    inbox,
    post: (message: FromVolumeThread) => log.push(message),
    doubt: (objects, each) => log.push(`doubt ${objects.join(' ')} ${each}`),
    cut: (each) => log.push(`cut ${each.label}`),
    changed: (records) => log.push(`changed ${records.map(({ label }) => label).join(' ')}`),
    status: () => ({ negotiated: {}, gauges: {}, changesSinceSnapshot: null }),
    idle: () => log.push('idle'),
    remove: (labels) => log.push(['remove', ...labels]),
    sweep: () => ({ isEnd: true, isCurrent: true, counts: {} }),
    isCatchingUp,
  })
  return { made, log }
}

test('what others may be changing is noted before the cut', () => {
  const { made, log } = service([
    { type: 'hold', id: 1 },
    { type: 'doubt', objects: [7, 8] as ObjectId[], label: 1 as Label },
    { type: 'cut', record: record(1) },
  ])
  expect(made.onWake()).toBe('continue')
  expect(log).toEqual([
    { type: 'held', id: 1 },
    'doubt 7 8 1',
    { type: 'doubted' },
    'cut 1',
    { type: 'cut-done' },
  ])
})

test('a held volume does nothing until the cut', () => {
  const { made, log } = service([
    { type: 'hold', id: 1 },
    { type: 'cut', record: record(1) },
  ])
  expect(made.onWake()).toBe('continue')
  expect(log).toEqual([{ type: 'held', id: 1 }, 'cut 1', { type: 'cut-done' }])
})

test('a released volume goes on without a cut', () => {
  const { made, log } = service([{ type: 'hold', id: 1 }, { type: 'release' }])
  expect(made.onWake()).toBe('continue')
  expect(log).toEqual([{ type: 'held', id: 1 }])
})

test('a held volume still tells its status, and remembers to stop', () => {
  const { made, log } = service([
    { type: 'hold', id: 1 },
    { type: 'status', id: 2 },
    { type: 'stop' },
    { type: 'release' },
  ])
  expect(made.onWake()).toBe('stop')
  expect(log).toEqual([
    { type: 'held', id: 1 },
    { type: 'status', id: 2, status: { negotiated: {}, gauges: {}, changesSinceSnapshot: null } },
  ])
})

test('a hold waits for what a sync of the mount has set off', () => {
  let isCatchingUp = true
  const { made, log } = service(
    [{ type: 'hold', id: 1 }, { type: 'idle' }, { type: 'cut', record: record(1) }],
    () => isCatchingUp,
    2,
  )
  made.onWake()
  expect(log).toEqual(['idle'])
  isCatchingUp = false
  made.onWake()
  expect(log).toEqual(['idle', { type: 'held', id: 1 }, 'cut 1', { type: 'cut-done' }])
})

test('a hold that was given up while it waited never comes', () => {
  let isCatchingUp = true
  const { made, log } = service([{ type: 'hold', id: 1 }, { type: 'release' }], () => isCatchingUp)
  made.onWake()
  isCatchingUp = false
  made.onWake()
  expect(log).toEqual([])
})

test('a request that wants a snapshot is parked until it was taken, and asks but once', () => {
  const { made, log } = service([
    { type: 'hold', id: 1 },
    { type: 'cut', record: record(1) },
    { type: 'wanted-done', what: 'snapshot', name: 'tag' },
  ])
  const take = () => {
    made.takeSnapshot('tag')
  }
  expect(take).toThrow(RequestParked)
  expect(take).toThrow(RequestParked)
  made.onWake()
  expect(take).not.toThrow()
  expect(log).toEqual([
    { type: 'wanted', what: 'snapshot', name: 'tag' },
    { type: 'held', id: 1 },
    'cut 1',
    { type: 'cut-done' },
  ])
})

test('a request whose snapshot is refused fails with the errno that the refusal names', () => {
  const { made } = service([
    { type: 'wanted-refused', what: 'snapshot', name: 'tag', code: 'EEXIST', message: 'taken' },
  ])
  const take = () => {
    made.takeSnapshot('tag')
  }
  expect(take).toThrow(RequestParked)
  made.onWake()
  expect(take).toThrow(FsError)
  // It is over: the next one asks anew.
  expect(take).toThrow(RequestParked)
})

test('a deletion is carried out before it is answered, and one that a request wants is parked as a snapshot is', () => {
  const { made, log } = service([
    { type: 'remove', id: 7, names: ['@GMT-a'], labels: [2 as Label, 3 as Label] },
    { type: 'wanted-done', what: 'deletion', name: '@GMT-a' },
  ])
  const remove = () => {
    made.deleteSnapshot('@GMT-a')
  }
  expect(remove).toThrow(RequestParked)
  made.onWake()
  expect(remove).not.toThrow()
  expect(log).toEqual([
    { type: 'wanted', what: 'deletion', name: '@GMT-a' },
    ['remove', 2, 3],
    { type: 'removed', id: 7 },
  ])
})
