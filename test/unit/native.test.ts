import {
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { StatField, statFieldCount } from '../../src/base/attributes.js'
import { byteStringOf, byteStringOfText, bytesOf } from '../../src/base/bytes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { native } from '../../src/base/native.js'
import { O, Seek } from '../../src/base/open-flags.js'
import { ReadPlan } from '../../src/base/read-plan.js'

// What the addon does is tested in native/test; here is how its calls look from JavaScript.

const addonPath = createRequire(import.meta.url).resolve(
  '../../native/build/Release/bygone_native.node',
)
const n = native()
const name = byteStringOfText
const euid = process.geteuid?.() ?? -1
const egid = process.getegid?.() ?? -1

let directory: string
let dirFd: number

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bygone-native-'))
  dirFd = n.openPath(directory, O.RDONLY | O.DIRECTORY, 0)
})

afterEach(() => {
  n.close(dirFd)
  rmSync(directory, { recursive: true })
})

function createFile(fileName: string, content: string | Uint8Array = ''): number {
  const fd = n.createAt(dirFd, name(fileName), O.RDWR, 0o644, euid, egid, 0)
  expect(fd).toBeGreaterThan(2)
  n.writeAt(fd, Buffer.from(content), 0)
  return fd
}

/** Runs `code` in `count` worker threads at once; each posts one value. */
async function inWorkers(count: number, code: string): Promise<unknown[]> {
  const results = Array.from({ length: count }, (_, id) => {
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads')
       const { addonPath, directory, id } = workerData
       const n = require(addonPath)
       ${code}`,
      { eval: true, workerData: { addonPath, directory, id } },
    )
    return new Promise<unknown>((resolve, reject) => {
      let result: unknown
      worker.on('message', (value: unknown) => (result = value))
      worker.on('error', reject)
      worker.on('exit', () => {
        resolve(result)
      })
    })
  })
  return Promise.all(results)
}

test('a failure is a negative errno, a wrong type is an exception that names the argument', () => {
  expect(n.openAt(dirFd, name('absent'), O.RDONLY, 0)).toBe(-2)
  expect(n.openAt(dirFd, name('..'), O.RDONLY, 0)).toBe(-22)
  expect(() => n.openAt(dirFd, 7 as unknown as ByteString, 0, 0)).toThrow(
    'argument 2 must be a ByteString',
  )
  expect(() => n.close('3' as unknown as number)).toThrow('argument 1 must be a number')
  expect(() => n.readAt(dirFd, new Float64Array(3) as unknown as Uint8Array, 0)).toThrow(
    'argument 2 must be a Uint8Array',
  )
  expect(() => (n.statAt as (fd: number) => number)(dirFd)).toThrow(TypeError)
})

test('objects of one class are not taken for another', () => {
  const guards = new n.Guards()
  expect(() => new n.Session(0, 0, {} as typeof guards, 4096)).toThrow('must be a Guards')
  expect(() => new n.Session(0, 0, new n.ChunkStage(1) as never, 4096)).toThrow('must be a Guards')
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const create = guards.create
  expect(() => create.call(new n.ChunkStage(1) as never)).toThrow(TypeError)
  expect(() => create.call({} as never)).toThrow(TypeError)
})

test('names and texts pass byte by byte', () => {
  const bytes = Buffer.from(Array.from({ length: 255 }, (_, i) => (i === 46 ? 1 : i + 1)))
  const odd = byteStringOf(bytes)
  expect(n.symlinkAt(odd, dirFd, odd, euid, egid)).toBe(0)
  const target = n.readlinkAt(dirFd, odd)
  expect(target).toBe(odd)
  const listing = n.readDirectory(dirFd) as Buffer
  expect(listing[9]).toBe(255)
  expect(listing.subarray(10)).toEqual(bytesOf(odd))
  expect(n.readlinkAt(dirFd, name('absent'))).toBe(-2)
  expect(n.readDirectory(-1)).toBe(-9)
})

test('stat fills the fields that attributes.ts names', () => {
  createFile('file', 'hello')
  const out = new Float64Array(statFieldCount)
  expect(n.statAt(dirFd, name('file'), out)).toBe(0)
  const expected = statSync(join(directory, 'file'))
  expect(out[StatField.dev]).toBe(expected.dev)
  expect(out[StatField.ino]).toBe(expected.ino)
  expect(out[StatField.mode]).toBe(expected.mode)
  expect(out[StatField.size]).toBe(5)
  expect(out[StatField.mtimeSec]).toBe(Math.floor(expected.mtimeMs / 1000))
  expect(out[StatField.btimeSec]).toBe(Math.floor(expected.birthtimeMs / 1000))
  expect(n.statAt(dirFd, name('file'), new Float64Array(statFieldCount - 1))).toBe(-22)
})

test('offsets beyond 32 bits arrive whole', () => {
  const fd = createFile('sparse')
  const far = 2 ** 41 + 12345
  expect(n.writeAt(fd, Buffer.from('far'), far)).toBe(3)
  const buffer = Buffer.alloc(10)
  expect(n.readAt(fd, buffer, far)).toBe(3)
  expect(buffer.toString('latin1', 0, 3)).toBe('far')
  expect(n.seek(fd, 0, Seek.data)).toBeGreaterThan(2 ** 41)
  expect(n.truncatePath(fd, far + 1)).toBe(0)
  expect(statSync(join(directory, 'sparse')).size).toBe(far + 1)
})

test('xattrs are buffers', () => {
  const fd = createFile('file')
  const value = Buffer.from([0, 255, 10])
  expect(n.setXattrPath(fd, name('user.test'), value, 0)).toBe(0)
  expect(n.getXattrPath(fd, name('user.test'))).toEqual(value)
  expect(n.listXattrPath(fd)).toEqual(Buffer.from('user.test\0'))
  expect(n.getXattrPath(fd, name('user.absent'))).toBe(-61)
})

test('a plan made in TypeScript is read as it was meant', () => {
  const origin = createFile('origin', '0123456789')
  const run = Buffer.from('preserved')
  const journal = createFile('journal', Buffer.concat([Buffer.from('header'), run]))
  const plan = new ReadPlan()
  plan.begin(1000)
  plan.addFile(origin, 2, 3)
  plan.addHole(2)
  plan.addRecord(journal, 6, run.length, n.crc32c(run, 0), 3, 4)
  const buffer = Buffer.alloc(20, '?')
  expect(n.readByPlan(plan.words, plan.pieceCount, plan.offset, 1001, buffer)).toBe(8)
  expect(buffer.toString('latin1', 0, 8)).toBe('34\0\0serv')
  expect(n.readByPlan(plan.words, plan.pieceCount, plan.offset, 999, buffer)).toBe(-22)
  n.writeAt(journal, Buffer.from('P'), 6)
  expect(n.readByPlan(plan.words, plan.pieceCount, plan.offset, 1000, buffer)).toBe(-5)
})

test('the stage writes a record that can be verified', () => {
  const origin = createFile('origin', Buffer.concat([Buffer.alloc(8192, 1), Buffer.alloc(100, 2)]))
  const journal = createFile('journal')
  const stage = new n.ChunkStage(65536)
  const extents = new Uint32Array(32)
  expect(stage.add(origin, 0, 65536, extents)).toBe(1)
  expect([...extents.subarray(0, 2)]).toEqual([0, 8292])
  expect(stage.room()).toBe(65536 - 8292)
  expect(stage.add(origin, 0, 65536, extents)).toBe(-105)
  const header = Buffer.from('HEADER-and-more')
  expect(stage.writeRecord(journal, 0, header, 6)).toBe(6 + 8292)
  expect(stage.writeRecord(journal, 0, header, 16)).toBe(-22)
  const record = readFileSync(join(directory, 'journal'))
  expect(record.toString('latin1', 0, 6)).toBe('HEADER')
  expect(n.crc32c(record.subarray(6), 0)).toBe(stage.lastCrc())
  expect(stage.lastOffset()).toBe(0)
  expect(stage.lastLength()).toBe(8292)
  stage.clear()
  expect(stage.room()).toBe(65536)
})

test('guards count in numbers beyond 32 bits', () => {
  const guards = new n.Guards()
  guards.setEpoch(2 ** 40)
  const guard = guards.create()
  guards.reset(guard, 16, 2 ** 36)
  const chunk = 2 ** 35 + 1
  expect(guards.isCurrent(guard)).toBe(true)
  expect(guards.allows(guard, chunk * 65536, 65536)).toBe(false)
  const generation = guards.generation(guard)
  guards.mark(guard, chunk, 1)
  expect(guards.allows(guard, chunk * 65536, 65536)).toBe(true)
  expect(guards.generation(guard)).toBeGreaterThan(generation)
})

test('the background sync reports how many touches are safe', () => {
  const fd = createFile('segment', 'text')
  const sync = new n.BackgroundSync(3_600_000)
  sync.touch(fd)
  sync.touch(fd)
  expect(sync.touchesSynced()).toBe(0)
  expect(sync.syncNow()).toBe(0)
  expect(sync.touchesSynced()).toBe(2)
  expect(sync.error()).toBe(0)
  sync.close()
  sync.close()
})

test('threads that load the addon at once create files each for its own people', async () => {
  const results = await inWorkers(
    4,
    `n.isolateThread()
     const dirFd = n.openPath(directory, 0o200000, 0)
     const uid = process.geteuid()
     const owner = uid === 0 ? 1000 + id : uid
     const out = new Float64Array(${statFieldCount})
     let wrong = 0
     for (let i = 0; i < 200; i++) {
       const name = id + '-' + i
       const fd = n.createAt(dirFd, name, 0o202, 0o777, owner, uid === 0 ? owner : process.getegid(), id)
       n.statAt(fd, '', out)
       if (out[${StatField.uid}] !== owner || (out[${StatField.mode}] & 0o777) !== (0o777 & ~id)) wrong++
       n.close(fd)
     }
     n.close(dirFd)
     parentPort.postMessage(wrong)`,
  )
  expect(results).toEqual([0, 0, 0, 0])
})

test('a session blocks its own thread only, and is woken from another', async () => {
  // A FIFO that is open at both ends stands for /dev/fuse: it blocks until it is written to.
  expect(n.mknodAt(dirFd, name('fuse'), 0o010600, 0, euid, egid, 0)).toBe(0)
  const fuseFd = openSync(join(directory, 'fuse'), 'r+')
  const wakeFd = n.eventFd()
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     const n = require(workerData.addonPath)
     const session = new n.Session(workerData.fuseFd, workerData.wakeFd, new n.Guards(), 65536)
     const first = session.exchange(0)
     parentPort.postMessage(first)
     const second = session.exchange(0)
     const opcode = new DataView(session.request).getUint32(4, true)
     parentPort.postMessage([second, opcode, session.stats()])
     // Neither closed nor dropped: the thread's end must clean up.`,
    { eval: true, workerData: { addonPath, fuseFd, wakeFd } },
  )
  const messages: unknown[] = []
  const exited = new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', resolve)
    worker.on('message', (message) => {
      messages.push(message)
      if (messages.length > 1) return
      const request = Buffer.alloc(48)
      request.writeUInt32LE(48, 0)
      request.writeUInt32LE(3, 4)
      writeSync(fuseFd, request)
    })
  })
  n.signalEventFd(wakeFd)
  await exited
  expect(messages).toEqual([
    0,
    [
      48,
      3,
      { requests: 1, readsServed: 0, writesServed: 0, repliesRefused: 0, handlesAttached: 0 },
    ],
  ])
  n.close(fuseFd)
  n.close(wakeFd)
})

test("a session's buffers outlive it", () => {
  const fuse = createFile('fuse')
  const session = new n.Session(fuse, -1, new n.Guards(), 65536)
  const { request, reply } = session
  expect(session.request).toBe(request)
  expect(request.byteLength).toBeGreaterThanOrEqual(65536 + 4096)
  session.close()
  new Uint8Array(reply).fill(7)
  expect(new Uint8Array(reply)[reply.byteLength - 1]).toBe(7)
  expect(session.exchange(0)).toBe(-19)
})

test('what fusermount3 says when it refuses can be read', () => {
  const before = process.env['PATH']
  try {
    process.env['PATH'] = directory
    expect(n.mountByFusermount('/nowhere', 'ro')).toBe(-2)
    writeFileSync(join(directory, 'fusermount3'), '#!/bin/sh\necho no such luck >&2\nexit 1\n', {
      mode: 0o755,
    })
    expect(n.mountByFusermount('/nowhere', 'ro')).toBe(-1)
    expect(n.fusermountMessage()).toBe('no such luck')
  } finally {
    process.env['PATH'] = before
  }
})
