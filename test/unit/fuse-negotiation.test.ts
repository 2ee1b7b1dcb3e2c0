import { expect, test } from 'vitest'
import { FsError } from '../../src/base/errno.js'
import { Failure } from '../../src/base/failure.js'
import { Dispatcher } from '../../src/fuse/dispatcher.js'
import type { FileSystem } from '../../src/fuse/file-system.js'
import type { Agreement } from '../../src/fuse/negotiation.js'
import { Opcode } from '../../src/fuse/opcodes.js'
import { FakeSession } from '../support/fake-session.js'
import { raw, replyMessage, requestBytes, string, u32, u64 } from '../support/fuse-requests.js'
import type { ReplyMessage } from '../support/fuse-requests.js'
import { ScriptedFileSystem } from '../support/scripted-file-system.js'

class Kernel {
  readonly session = new FakeSession()
  agreement: Agreement | undefined
  readonly scripted: ScriptedFileSystem
  readonly #dispatcher: Dispatcher

  constructor(script: Partial<FileSystem> = {}) {
    this.scripted = new ScriptedFileSystem(script)
    this.#dispatcher = new Dispatcher({
      fileSystem: this.scripted.fileSystem,
      session: this.session,
      log: () => undefined,
      onAgreement: (agreement) => {
        expect(this.agreement).toBeUndefined()
        this.agreement = agreement
      },
    })
  }

  ask(opcode: number, ...body: Buffer[]): ReplyMessage {
    const request = requestBytes(opcode, { node: 5 }, ...body)
    return replyMessage(this.session.sent(this.#dispatcher.dispatch(this.session.put(request))))
  }

  /** INIT in the form of protocol 7.36 and later. */
  init(major: number, minor: number, flags: number, flags2: number): ReplyMessage {
    const fields = [u32(major), u32(minor), u32(131072), u32(flags), u32(flags2)]
    return this.ask(Opcode.init, ...fields, Buffer.alloc(44))
  }
}

const everything = 0xffff_ffff
const initExt = 1 << 30
// async-read, export-support, big-writes, dont-mask, readdirplus and its auto, async-dio, parallel-dirops, posix-acl,
// max-pages, cache-symlinks, explicit-inval-data, handle-killpriv-v2, setxattr-ext, init-ext
const wantedFlags = [0, 4, 5, 6, 13, 14, 15, 18, 20, 22, 23, 25, 28, 29, 30]
const wantedBits = wantedFlags.reduce((sum, bit) => sum + 2 ** bit, 0)

test('from a kernel that offers everything just the wanted features are taken', () => {
  const kernel = new Kernel()
  const { error, length, body } = kernel.init(7, 45, everything, everything)
  expect({ error, length }).toEqual({ error: 0, length: 80 })
  expect(body).toEqual(
    Buffer.concat([
      ...[u32(7), u32(45), u32(131072), u32(wantedBits)],
      ...[raw(64, 0), raw(48, 0), u32(1 << 20), u32(1), raw(0, 1), raw(0, 0)],
      ...[u32((1 << 3) | (1 << 4) | (1 << 7)), Buffer.alloc(28)],
    ]),
  )
})

test('what was agreed on can be read, and what the kernel lacks', () => {
  const kernel = new Kernel()
  kernel.init(7, 31, wantedBits & ~initExt & ~(1 << 28), 0)
  expect(kernel.agreement).toEqual({
    protocol: '7.31',
    minor: 31,
    writeBytesMax: 1 << 20,
    readaheadBytesMax: 131072,
    features: [
      ...['async-read', 'export-support', 'big-writes', 'dont-mask'],
      ...['readdirplus', 'readdirplus-auto', 'async-dio'],
      ...['parallel-dirops', 'posix-acl', 'max-pages', 'cache-symlinks', 'explicit-inval-data'],
      'setxattr-ext',
    ],
    missing: ['handle-killpriv-v2', 'init-ext', 'expire-only', 'direct-io-mmap', 'resend'],
  })
})

test('a kernel without max-pages gets writes that it can hold', () => {
  const kernel = new Kernel()
  const { body } = kernel.init(7, 27, 1 << 20, 0)
  expect(body.readUInt32LE(20)).toBe(128 << 10)
  expect(kernel.agreement?.writeBytesMax).toBe(128 << 10)
})

test('the second word of flags is read only if the kernel says that it sent one', () => {
  const kernel = new Kernel()
  const { body } = kernel.init(7, 36, everything & ~initExt, everything)
  expect(body.readUInt32LE(32)).toBe(0)
})

test('an INIT of an older kernel, which is shorter, is understood', () => {
  const kernel = new Kernel()
  const { error, body } = kernel.ask(Opcode.init, u32(7), u32(27), u32(4096), u32(everything))
  expect(error).toBe(0)
  expect(body.readUInt32LE(4)).toBe(27)
  expect(body.readUInt32LE(32)).toBe(0)
})

test('a later minor version is served as the newest one known', () => {
  const kernel = new Kernel()
  expect(kernel.init(7, 99, everything, 0).body.readUInt32LE(4)).toBe(45)
  expect(kernel.agreement?.protocol).toBe('7.45')
})

test('a later major version is told ours, and asks again', () => {
  const kernel = new Kernel()
  const { error, body } = kernel.init(8, 1, everything, 0)
  expect(error).toBe(0)
  expect(body.readUInt32LE(0)).toBe(7)
  expect(body.readUInt32LE(12)).toBe(0)
  expect(kernel.agreement).toBeUndefined()
  kernel.init(7, 45, everything, 0)
  expect(kernel.agreement?.protocol).toBe('7.45')
})

test.each([
  ['an old minor version', 7, 25],
  ['an old major version', 6, 40],
])('%s is refused with what to do about it', (_, major, minor) => {
  const kernel = new Kernel()
  expect(() => kernel.init(major, minor, 0, 0)).toThrow(Failure)
  expect(() => kernel.init(major, minor, 0, 0)).toThrow(
    new RegExp(`speaks version ${major}\\.${minor} .* use Linux 4\\.9 or later`),
  )
})

const opened: Partial<FileSystem> = {
  open: (_node, _flags, _caller, reply) => {
    reply.handle = 3
  },
}

test('files are opened so that closing them costs no request, where the kernel knows that', () => {
  const kernel = new Kernel(opened)
  kernel.init(7, 35, everything, 0)
  expect(kernel.ask(Opcode.open, u64(0)).body.readUInt32LE(8)).toBe(1 << 5)
})

test('an older kernel is told nothing of flushes', () => {
  const kernel = new Kernel(opened)
  kernel.init(7, 34, everything, 0)
  expect(kernel.ask(Opcode.open, u64(0)).body.readUInt32LE(8)).toBe(0)
})

const extended = (flags: number): Buffer[] => [
  ...[u32(2), u32(1), u32(flags), u32(0)],
  ...[string('system.posix_acl_access'), raw(8, 9)],
]

test('setxattr in its long form is decoded once it was agreed on', () => {
  const kernel = new Kernel()
  kernel.init(7, 45, everything, 0)
  expect(kernel.ask(Opcode.setxattr, ...extended(0)).error).toBe(0)
  expect(kernel.scripted.calls).toEqual([
    ['setxattr', 5, 'system.posix_acl_access', raw(8, 9), 1, expect.anything()],
  ])
})

test('setxattr in its long form cut short is refused unseen', () => {
  const kernel = new Kernel()
  kernel.init(7, 45, everything, 0)
  expect(kernel.ask(Opcode.setxattr, Buffer.alloc(15)).error).toBe(-22)
  expect(kernel.scripted.calls).toEqual([])
})

test('an ACL that takes set-group-ID away takes it after it was set', () => {
  const kernel = new Kernel({
    getattr: (_node, _handle, reply) => {
      reply.attributes.mode = 0o102775
    },
  })
  kernel.init(7, 45, everything, 0)
  expect(kernel.ask(Opcode.setxattr, ...extended(1)).error).toBe(0)
  expect(kernel.scripted.calls.map(([name]) => name)).toEqual(['setxattr', 'getattr', 'setattr'])
  expect(kernel.scripted.calls[2]?.[3]).toMatchObject({ mode: 0o775, uid: undefined })
})

test('an ACL that takes set-group-ID away takes over nothing of a change before it', () => {
  const kernel = new Kernel({
    getattr: (_node, _handle, reply) => {
      reply.attributes.mode = 0o102775
    },
  })
  kernel.init(7, 45, everything, 0)
  const everyChange = [u32(0xfff), Buffer.alloc(84)]
  kernel.ask(Opcode.setattr, ...everyChange)
  kernel.ask(Opcode.setxattr, ...extended(1))
  expect(kernel.scripted.calls.at(-1)?.[3]).toEqual({
    mode: 0o775,
    uid: undefined,
    gid: undefined,
    sizeBytes: undefined,
    atimeSec: undefined,
    atimeNsec: 0,
    mtimeSec: undefined,
    mtimeNsec: 0,
    killPrivileges: false,
  })
})

test('an ACL that could not be set leaves set-group-ID alone', () => {
  const kernel = new Kernel({
    setxattr: () => {
      throw new FsError('EOPNOTSUPP', 'no ACLs here')
    },
  })
  kernel.init(7, 45, everything, 0)
  expect(kernel.ask(Opcode.setxattr, ...extended(1)).error).toBe(-95)
  expect(kernel.scripted.calls).toHaveLength(1)
})

test('a file without set-group-ID is not changed by an ACL', () => {
  const kernel = new Kernel({
    getattr: (_node, _handle, reply) => {
      reply.attributes.mode = 0o100775
    },
  })
  kernel.init(7, 45, everything, 0)
  kernel.ask(Opcode.setxattr, ...extended(1))
  expect(kernel.scripted.calls.map(([name]) => name)).toEqual(['setxattr', 'getattr'])
})
