import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import { Failure } from '../../src/base/failure.js'
import { Fallocate, O, Seek } from '../../src/base/open-flags.js'
import { Dispatcher } from '../../src/fuse/dispatcher.js'
import type { FileSystem } from '../../src/fuse/file-system.js'
import { Opcode } from '../../src/fuse/opcodes.js'
import { FakeSession } from '../support/fake-session.js'
import {
  replyMessage,
  requestBytes,
  requestUnique,
  string,
  u32,
  u64,
} from '../support/fuse-requests.js'
import { fuzz, fuzzSeed } from '../support/fuzz.js'
import { optionalMethods, ScriptedFileSystem } from '../support/scripted-file-system.js'
import { VolumeWorld } from '../support/volume-world.js'

// Goal: whatever bytes come as a request, it is answered once and in form, or as none; no name that leads
// elsewhere reaches a file system.
// Method: requests of every opcode and of none, with bodies made of what the protocol's structs are made of,
// cut, prolonged and with wrong lengths; a file system of which each call does something odd, and a real
// volume with a snapshot, beside which lies a secret.

const numbers = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    3n,
    4n,
    7n,
    4096n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 53n,
    2n ** 63n,
    2n ** 64n - 1n,
  ),
  fc.bigInt({ min: 0n, max: 5000n }),
)
const names = fc.oneof(
  fc.constantFrom(
    'file',
    'below',
    'new',
    '..',
    '.',
    '',
    '/',
    '../secret',
    'a/b',
    '@GMT-x',
    '.bygone',
  ),
  fc.constantFrom(
    '@GMT-2026.01.01-00.00.01',
    '@latest',
    '.snapshots',
    'x'.repeat(255),
    'x'.repeat(4000),
  ),
  fc.string({ maxLength: 4 }).map((text) => Buffer.from(text).toString('latin1')),
)
const part = fc.oneof(
  { weight: 4, arbitrary: numbers.map(u64) },
  { weight: 3, arbitrary: numbers.map((value) => u32(Number(value & 0xffffffffn))) },
  { weight: 3, arbitrary: names.map(string) },
  { weight: 1, arbitrary: names.map((name) => Buffer.from(name, 'latin1')) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each)) },
)
const opcodes = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...Object.values(Opcode)) },
  { weight: 1, arbitrary: fc.nat(0xffffffff) },
)

/** How the length that a request tells differs from its own. */
const lie = fc.oneof(
  { weight: 9, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer() },
)

/** `nodes`: ids that are known to the file system. */
const request = (nodes: bigint[]) =>
  fc
    .record({
      opcode: opcodes,
      node: fc.oneof(fc.constantFrom(1n, ...nodes), numbers),
      parts: fc.array(part, { maxLength: 14 }),
      cut: fc.oneof(
        { weight: 5, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.nat(200) },
      ),
      lie,
    })
    .map(({ opcode, node, parts, cut, lie: wrong }) => {
      const whole = requestBytes(opcode, { node }, ...parts)
      const bytes = whole.subarray(0, Math.max(0, whole.length - cut))
      if (bytes.length >= 4) bytes.writeUInt32LE((bytes.length + wrong) >>> 0, 0)
      return { opcode, bytes, isTrue: wrong === 0 && bytes.length >= 40 }
    })

interface Request {
  opcode: number
  bytes: Buffer
  isTrue: boolean
}

const silent: number[] = [Opcode.forget, Opcode.batchForget, Opcode.interrupt, Opcode.notifyReply]

/** Puts one request; whatever it is, what comes back is in form. */
function put(
  dispatcher: Dispatcher,
  session: FakeSession,
  { opcode, bytes, isTrue }: Request,
): void {
  session.calls.length = 0
  let answered: number
  try {
    answered = dispatcher.dispatch(session.put(bytes))
  } catch (error) {
    // With such a kernel there is nothing to talk about.
    if (opcode === Opcode.init && error instanceof Failure) return
    throw error
  }
  expect(Number.isInteger(answered) && answered >= 0).toBe(true)
  expect(answered).toBeLessThanOrEqual(session.reply.byteLength)
  if (!isTrue || silent.includes(opcode)) {
    expect(answered).toBe(0)
    return
  }
  const bySession = session.calls.some(([name]) => name.startsWith('reply'))
  if (answered === 0) {
    expect(bySession).toBe(true)
    return
  }
  expect(answered).toBeGreaterThanOrEqual(16)
  const { length, error, unique, body } = replyMessage(session.sent(answered))
  expect({ length, unique }).toEqual({ length: answered, unique: requestUnique })
  expect(error).toBeLessThanOrEqual(0)
  if (error !== 0) expect(body.length).toBe(0)
}

const named = new Set([
  'lookup',
  'mknod',
  'mkdir',
  'symlink',
  'link',
  'unlink',
  'rmdir',
  'rename',
  'create',
])

describe(`requests by somebody hostile (BYGONE_SEED=${fuzzSeed})`, () => {
  test('are each answered once and in form, whatever the file system does', () => {
    fuzz(
      fc.property(
        fc.array(request([]), { maxLength: 20 }),
        fc.infiniteStream(fc.nat(9)),
        (requests, whims) => {
          const session = new FakeSession()
          const logged: string[] = []
          const { calls, fileSystem } = whimsical(() => {
            const next = whims.next()
            return next.done === true ? 0 : next.value
          })
          const dispatcher = new Dispatcher({
            fileSystem,
            session,
            log: (line) => logged.push(line),
          })
          for (const each of requests) put(dispatcher, session, each)
          for (const [method, ...args] of calls) {
            const texts = args.filter((each) => typeof each === 'string')
            if (!named.has(String(method))) continue
            for (const [at, text] of texts.entries()) {
              // A symlink's target may be anything but contain NUL.
              if (method === 'symlink' && at === 1) expect(text).not.toContain('\0')
              else if (method === 'lookup') expect(text).not.toMatch(/[/\0]|^$/)
              else expect(text).not.toMatch(/[/\0]|^\.{0,2}$/)
            }
          }
          expect(
            logged.filter((line) => !/^not a FUSE request|failed: Error: a whim/.test(line)),
          ).toEqual([])
        },
      ),
    )
  })

  test('change a volume at most, never a snapshot of it, and nothing beside it', () => {
    const outside = mkdtempSync(join(tmpdir(), 'bygone-outside-'))
    const world = new VolumeWorld(4096)
    onTestFinished(() => {
      world.remove()
      rmSync(outside, { recursive: true })
    })
    const secret = join(world.origin, '..', 'secret')
    writeFileSync(secret, 'SECRET')
    world.driver.mkdir('', 'below')
    const handle = world.driver.create('', 'file', 0o644)
    world.driver.write(handle, 0, Buffer.alloc(20_000, 'then'))
    world.driver.link('file', 'below', 'link')
    const { name } = world.snapshot()
    world.keepsSnapshots = true
    const then = world.driver.read(`${name}/file`)
    const known = ['below', 'file', 'below/link', name, `${name}/file`, '.snapshots']
    const nodes = known.map((path) => BigInt(world.driver.must(path)))
    const session = new FakeSession()
    const logged: string[] = []
    const dispatcher = new Dispatcher({
      fileSystem: withoutWaste(world.view),
      session,
      log: (line) => logged.push(line),
    })
    fuzz(
      fc.property(fc.array(request(nodes), { maxLength: 10 }), (requests) => {
        for (const each of requests) {
          // The end of a session is the end of its nodes.
          if (each.opcode !== Opcode.destroy) put(dispatcher, session, each)
          expect(session.sent(session.reply.byteLength >> 4).includes('SECRET')).toBe(false)
        }
        expect(logged.filter((line) => !line.startsWith('not a FUSE request'))).toEqual([])
      }),
    )
    expect(world.driver.read(`${name}/file`).equals(then)).toBe(true)
    expect(readFileSync(secret, 'utf8')).toBe('SECRET')
  })
})

test('a hole punched into terabytes of holes takes no longer than their data', () => {
  const world = new VolumeWorld(4096)
  onTestFinished(() => {
    world.remove()
  })
  const handle = world.driver.create('', 'sparse', 0o644)
  const sizeBytes = 8 * 2 ** 40
  world.driver.write(handle, sizeBytes / 2, Buffer.from('data'))
  world.driver.truncate('sparse', sizeBytes)
  const { name } = world.snapshot()
  world.driver.fallocate(handle, Fallocate.punchHole | Fallocate.keepSize, 0, sizeBytes)
  expect(world.volume.gauges()['chunksPreserved']).toBe(1)
  const past = world.driver.open(`${name}/sparse`, O.RDONLY)
  expect(world.view.lseek(past, 0, Seek.data)).toBe(sizeBytes / 2)
  expect(() => world.view.lseek(handle, 0, Seek.data)).toThrow('ENXIO')
})

/** Answers by an error, or with what is longer than fits. */
function whimsical(whim: () => number): ScriptedFileSystem {
  const results: Record<string, () => unknown> = {
    readlink: () => 'x'.repeat(whim() ** 5),
    getxattr: () => Buffer.alloc(whim() ** 5),
    listxattr: () => Buffer.alloc(whim() ** 5),
    planSync: () => (whim() > 4 ? [] : [1, 2]),
    planSyncAll: () => (whim() > 4 ? [] : [1]),
    planRead: () => -1,
    prepareWrite: () => 3,
    lseek: () => whim() * 2 ** 40,
    copyRange: () => whim(),
  }
  const script = new Proxy(
    {},
    {
      get: (_, method) =>
        optionalMethods.includes(String(method))
          ? undefined
          : () => {
              const mood = whim()
              if (mood === 0) throw new FsError('ENOENT', 'a whim')
              if (mood === 1) throw new Error('a whim')
              return results[String(method)]?.()
            },
    },
  )
  return new ScriptedFileSystem(script)
}

/** The volume, but for what would only fill the disk. */
function withoutWaste(view: FileSystem): FileSystem {
  return new Proxy(view, {
    get: (target, method: keyof FileSystem): unknown => {
      if (method === 'fallocate') {
        const modest: FileSystem['fallocate'] = (handle, mode, offset, length, caller) => {
          target.fallocate(handle, mode, offset % 2 ** 30, length % 2 ** 20, caller)
        }
        return modest
      }
      // eslint-disable-next-line @typescript-eslint/unbound-method -- bound right here
      const found = target[method] as ((...args: unknown[]) => unknown) | undefined
      return found?.bind(target)
    },
  })
}
