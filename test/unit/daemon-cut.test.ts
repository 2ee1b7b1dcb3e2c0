import { expect, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import type { Label } from '../../src/base/ids.js'
import { cutAtOnce } from '../../src/daemon/cut.js'
import type { FromVolumeThread, ToVolumeThread } from '../../src/daemon/thread-protocol.js'
import { VolumeService } from '../../src/daemon/volume-service.js'
import type { SnapshotRecord } from '../../src/store/snapshot-record.js'

function record(label: number): SnapshotRecord {
  const name = `@GMT-2026.11.21-09.30.0${label}`
  return { name, label: label as Label, timeSec: label, cutAtMs: label * 1000, memo: '', tags: [] }
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
function service(messages: ToVolumeThread[]) {
  const log: unknown[] = []
  const inbox = {
    poll: () => messages.shift(),
    take: () => {
      const message = messages.shift()
      if (message === undefined) throw new Error('would wait for ever')
      return message
    },
  }
  const made = new VolumeService({
    inbox,
    post: (message: FromVolumeThread) => log.push(message),
    cut: (each) => log.push(`cut ${each.label}`),
    status: () => ({ negotiated: {}, gauges: {} }),
    idle: () => log.push('idle'),
  })
  return { made, log }
}

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
    { type: 'status', id: 2, status: { negotiated: {}, gauges: {} } },
  ])
})

test('a request that wants a snapshot is cut by the same hold as any other', () => {
  const { made, log } = service([
    { type: 'hold', id: 1 },
    { type: 'cut', record: record(1) },
    { type: 'snapshot-taken' },
  ])
  made.takeSnapshot('tag')
  expect(log).toEqual([
    { type: 'snapshot-wanted', tag: 'tag' },
    { type: 'held', id: 1 },
    'cut 1',
    { type: 'cut-done' },
  ])
})

test('a request whose snapshot is refused fails with the errno that the refusal names', () => {
  const { made } = service([{ type: 'snapshot-refused', code: 'EEXIST', message: 'taken' }])
  expect(() => {
    made.takeSnapshot('tag')
  }).toThrow(FsError)
})

test('a request that wants a snapshot does not wait for one when the volume must stop', () => {
  const { made } = service([{ type: 'stop' }])
  expect(() => {
    made.takeSnapshot('tag')
  }).toThrow('ENODEV')
  expect(made.onWake()).toBe('stop')
})
