import { constants } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Attributes } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { FsError } from '../../src/base/errno.js'
import { newAttributeChange } from '../../src/fuse/blank.js'
import { Dispatcher } from '../../src/fuse/dispatcher.js'
import { RequestParked } from '../../src/fuse/file-system.js'
import type { FileSystem } from '../../src/fuse/file-system.js'
import { Opcode } from '../../src/fuse/opcodes.js'
import { FakeSession } from '../support/fake-session.js'
import {
  raw,
  replyMessage,
  requestBytes,
  requestUnique,
  string,
  u32,
  u64,
} from '../support/fuse-requests.js'
import type { ReplyMessage } from '../support/fuse-requests.js'
import { ScriptedFileSystem } from '../support/scripted-file-system.js'

const caller = { uid: 1000, gid: 100, pid: 42, umask: 0 }
const header = { uid: 1000, gid: 100, pid: 42 }
const node = 0x1234_5678_9abc
const handle = 0x1_0000_0007

let session: FakeSession
let logged: string[]
let called: unknown[][]

beforeEach(() => {
  session = new FakeSession()
  logged = []
  called = []
})

/** Dispatches one request and returns the answer; undefined: none was to be sent. */
function answerTo(request: Buffer, script: Partial<FileSystem> = {}): ReplyMessage | undefined {
  return answersTo([request], script).at(-1)
}

function answersTo(
  requests: Buffer[],
  script: Partial<FileSystem> = {},
): (ReplyMessage | undefined)[] {
  const scripted = new ScriptedFileSystem(script)
  const { fileSystem } = scripted
  called = scripted.calls
  const dispatcher = new Dispatcher({ fileSystem, session, log: (line) => logged.push(line) })
  return requests.map((request) => {
    const replyBytes = dispatcher.dispatch(session.put(request))
    return replyBytes === 0 ? undefined : replyMessage(session.sent(replyBytes))
  })
}

function ask(opcode: number, ...body: Buffer[]): Buffer {
  return requestBytes(opcode, { ...header, node }, ...body)
}

function success(body: Buffer): ReplyMessage {
  return { length: 16 + body.length, error: 0, unique: requestUnique, body }
}

function failure(error: number): ReplyMessage {
  return { length: 16, error, unique: requestUnique, body: Buffer.alloc(0) }
}

function fillAttributes(attributes: Attributes): void {
  attributes.inoHigh = 0x8000_0001
  attributes.inoLow = 0x9000_0002
  attributes.mode = 0o100644
  attributes.nlink = 3
  attributes.uid = 4
  attributes.gid = 5
  attributes.rdev = (0x345 << 20) | (0xabc << 8) | 0x67
  attributes.sizeBytes = 2 ** 40 + 7
  attributes.blocks = 2 ** 33
  attributes.blockBytes = 8192
  attributes.atimeSec = -1
  attributes.atimeNsec = 999_999_999
  attributes.mtimeSec = 2 ** 33
  attributes.mtimeNsec = 1
  attributes.ctimeSec = 3
  attributes.ctimeNsec = 2
  attributes.btimeSec = 11
  attributes.btimeNsec = 12
}

const attributesBody = Buffer.concat([
  u64(0x8000_0001_9000_0002n),
  u64(2 ** 40 + 7),
  u64(2 ** 33),
  u64(-1),
  u64(2 ** 33),
  u64(3),
  u32(999_999_999),
  u32(1),
  u32(2),
  u32(0o100644),
  u32(3),
  u32(4),
  u32(5),
  u32((0x345 << 20) | (0xabc << 8) | 0x67),
  u32(8192),
  u32(0),
])

const forEver = 2 ** 31 - 1

const fillEntry: FileSystem['lookup'] = (_parent, _name, _caller, entry) => {
  entry.node = 2 ** 45 + 1
  entry.entryTtlMs = Number.POSITIVE_INFINITY
  entry.attributesTtlMs = 1500.5
  fillAttributes(entry.attributes)
}

const entryBody = Buffer.concat([
  u64(2 ** 45 + 1),
  u64(0),
  u64(forEver),
  u64(1),
  u32(0),
  u32(500_500_000),
  attributesBody,
])

const fillReply: FileSystem['getattr'] = (_node, _handle, reply) => {
  fillAttributes(reply.attributes)
  reply.attributesTtlMs = 1000
}

const attributesReplyBody = Buffer.concat([u64(1), u32(0), u32(0), attributesBody])

describe('names', () => {
  test('a lookup decodes the parent and the name and answers the entry', () => {
    const reply = answerTo(ask(Opcode.lookup, string('caf\xe9')), { lookup: fillEntry })
    expect(called).toEqual([['lookup', node, 'caf\xe9', caller, 'out']])
    expect(reply).toEqual(success(entryBody))
  })

  test('a name that is absent is answered as node 0 with its time to live', () => {
    const reply = answerTo(ask(Opcode.lookup, string('no')), {
      lookup: (_parent, _name, _caller, entry) => {
        entry.entryTtlMs = 2000
      },
    })
    expect(reply?.body.subarray(0, 40)).toEqual(
      Buffer.concat([u64(0), u64(0), u64(2), u64(0), u32(0), u32(0)]),
    )
  })

  test('an entry answered before shows nowhere in the next one', () => {
    const [, second] = answersTo(
      [ask(Opcode.lookup, string('a')), ask(Opcode.lookup, string('b'))],
      {
        lookup: (parent, name, from, entry) => {
          if (name === 'a') fillEntry(parent, name, from, entry)
        },
      },
    )
    expect(second?.body.subarray(0, 40)).toEqual(Buffer.alloc(40))
  })

  test('a forget takes back the lookups it counts and is not answered', () => {
    expect(answerTo(ask(Opcode.forget, u64(2 ** 33)))).toBeUndefined()
    expect(called).toEqual([['forget', node, 2 ** 33]])
  })

  test('a batch of forgets is taken one by one and not answered', () => {
    const ones = [u64(5), u64(1), u64(2 ** 40), u64(2)]
    expect(answerTo(ask(Opcode.batchForget, u32(2), u32(0), ...ones))).toBeUndefined()
    expect(called).toEqual([
      ['forget', 5, 1],
      ['forget', 2 ** 40, 2],
    ])
  })

  test('a batch that promises more forgets than it holds takes those that are there', () => {
    expect(answerTo(ask(Opcode.batchForget, u32(9), u32(0), u64(5), u64(1)))).toBeUndefined()
    expect(called).toEqual([['forget', 5, 1]])
  })

  test('a forget that fails is still not answered, and logged', () => {
    const reply = answerTo(ask(Opcode.forget, u64(1)), {
      forget: () => {
        throw new TypeError('broken')
      },
    })
    expect(reply).toBeUndefined()
    expect(logged).toHaveLength(1)
  })

  test('readlink answers the bytes of the target', () => {
    const target = '\xff/x'.repeat(40) as ByteString
    const reply = answerTo(ask(Opcode.readlink), { readlink: () => target })
    expect(called).toEqual([['readlink', node]])
    expect(reply).toEqual(success(Buffer.from(target, 'latin1')))
  })

  test('symlink decodes the name, then the target', () => {
    const request = ask(Opcode.symlink, string('l'), string('../to\xfe'))
    const reply = answerTo(request, {
      symlink: (p, n, _t, c, e) => {
        fillEntry(p, n, c, e)
      },
    })
    expect(called).toEqual([['symlink', node, 'l', '../to\xfe', caller, 'out']])
    expect(reply).toEqual(success(entryBody))
  })

  test('mknod decodes mode, device and umask', () => {
    const struct = [u32(0o60660), u32(0x803), u32(0o27), u32(0)]
    const reply = answerTo(ask(Opcode.mknod, ...struct, string('sda3')), {
      mknod: (p, n, _m, _r, c, e) => {
        fillEntry(p, n, c, e)
      },
    })
    const creator = { ...caller, umask: 0o27 }
    expect(called).toEqual([['mknod', node, 'sda3', 0o60660, 0x803, creator, 'out']])
    expect(reply).toEqual(success(entryBody))
  })

  test('mkdir decodes mode and umask', () => {
    const reply = answerTo(ask(Opcode.mkdir, u32(0o40777), u32(0o22), string('d')), {
      mkdir: (p, n, _m, c, e) => {
        fillEntry(p, n, c, e)
      },
    })
    expect(called).toEqual([['mkdir', node, 'd', 0o40777, { ...caller, umask: 0o22 }, 'out']])
    expect(reply).toEqual(success(entryBody))
  })

  test('a umask ends with its request', () => {
    answersTo([
      ask(Opcode.mkdir, u32(0o40777), u32(0o22), string('d')),
      ask(Opcode.unlink, string('d')),
    ])
    expect(called[1]).toEqual(['unlink', node, 'd', caller])
  })

  test('unlink and rmdir decode the name and answer nothing but success', () => {
    const replies = answersTo([
      ask(Opcode.unlink, string('f')),
      ask(Opcode.rmdir, string('d'.repeat(255))),
    ])
    expect(called).toEqual([
      ['unlink', node, 'f', caller],
      ['rmdir', node, 'd'.repeat(255), caller],
    ])
    expect(replies).toEqual([success(Buffer.alloc(0)), success(Buffer.alloc(0))])
  })

  test('rename and rename2 decode both names, and flags if there are', () => {
    const names = [string('old'), string('new')]
    const replies = answersTo([
      ask(Opcode.rename, u64(2 ** 34), ...names),
      ask(Opcode.rename2, u64(2 ** 34), u32(2), u32(0), ...names),
    ])
    expect(called).toEqual([
      ['rename', node, 'old', 2 ** 34, 'new', 0, caller],
      ['rename', node, 'old', 2 ** 34, 'new', 2, caller],
    ])
    expect(replies).toEqual([success(Buffer.alloc(0)), success(Buffer.alloc(0))])
  })

  test('link decodes the old node, the new parent and the name', () => {
    const reply = answerTo(ask(Opcode.link, u64(77), string('hard')), {
      link: (n, _p, name, c, e) => {
        fillEntry(n, name, c, e)
      },
    })
    expect(called).toEqual([['link', 77, node, 'hard', caller, 'out']])
    expect(reply).toEqual(success(entryBody))
  })

  test.each(['', '.', '..', 'a/b', '/'])('the name %j is refused and leads nowhere', (name) => {
    // Padded: the struct's least length is another test.
    const reply = answerTo(ask(Opcode.unlink, string(name), string('pad')))
    expect(reply).toEqual(failure(-22))
    expect(called).toEqual([])
  })

  test('names that only begin with dots are names', () => {
    answersTo([ask(Opcode.unlink, string('...')), ask(Opcode.unlink, string('.a'))])
    expect(called.map(([, , name]) => name)).toEqual(['...', '.a'])
  })
})

describe('attributes', () => {
  test('getattr answers every field, times before 1970 and all 64 bits of the inode number', () => {
    const reply = answerTo(ask(Opcode.getattr, u32(0), u32(0), u64(handle)), { getattr: fillReply })
    expect(called).toEqual([['getattr', node, undefined, 'out']])
    expect(reply).toEqual(success(attributesReplyBody))
  })

  test('getattr of an open file passes its handle', () => {
    answerTo(ask(Opcode.getattr, u32(1), u32(0), u64(handle)), { getattr: fillReply })
    expect(called).toEqual([['getattr', node, handle, 'out']])
  })

  test('statx answers the birth time and splits device numbers', () => {
    const struct = [u32(1), u32(0), u64(handle), u32(0), u32(0xfff)]
    const reply = answerTo(ask(Opcode.statx, ...struct), { getattr: fillReply })
    const time = (seconds: number, nanoseconds: number): Buffer[] => [
      u64(seconds),
      u32(nanoseconds),
      u32(0),
    ]
    const body = Buffer.concat([
      ...[u64(1), u32(0), u32(0), u64(0), u64(0)],
      ...[u32(0xfff), u32(8192), u64(0), u32(3), u32(4), u32(5), u32(0o100644)],
      ...[u64(0x8000_0001_9000_0002n), u64(2 ** 40 + 7), u64(2 ** 33), u64(0)],
      ...time(-1, 999_999_999),
      ...time(11, 12),
      ...time(3, 2),
      ...time(2 ** 33, 1),
      ...[u32(0xabc), u32(0x34567), u32(0), u32(0)],
      Buffer.alloc(112),
    ])
    expect(called).toEqual([['getattr', node, handle, 'out']])
    expect(reply).toEqual(success(body))
  })

  test('statx leaves out a birth time that is not known', () => {
    const reply = answerTo(ask(Opcode.statx, Buffer.alloc(24)), {
      getattr: (n, h, out) => {
        fillReply(n, h, out)
        out.attributes.btimeSec = Number.NaN
      },
    })
    expect(reply?.body.readUInt32LE(32)).toBe(0x7ff)
    expect(reply?.body.subarray(112, 128)).toEqual(Buffer.alloc(16))
  })

  const nothing = newAttributeChange()

  function setattrBody(valid: number): Buffer[] {
    return [
      ...[u32(valid), u32(0), u64(handle), u64(2 ** 41), u64(99)],
      ...[u64(-5), u64(2 ** 34), u64(77), u32(11), u32(12), u32(13)],
      ...[u32(0o106755), u32(0), u32(501), u32(502), u32(0)],
    ]
  }

  const scripted: Partial<FileSystem> = {
    setattr: (n, h, _change, _caller, reply) => {
      fillReply(n, h, reply)
    },
  }

  test.each([
    ['nothing', 0, { killPrivileges: true }],
    ['the mode, without the type', 1 << 0, { mode: 0o6755 }],
    ['the owner', 1 << 1, { uid: 501 }],
    ['the group', 1 << 2, { gid: 502 }],
    ['the size', 1 << 3, { sizeBytes: 2 ** 41 }],
    ['a time of access before 1970', 1 << 4, { atimeSec: -5, atimeNsec: 11 }],
    ['a time of change', 1 << 5, { mtimeSec: 2 ** 34, mtimeNsec: 12 }],
    ['access now', (1 << 4) | (1 << 7), { atimeSec: 0, atimeNsec: 0x3fffffff }],
    ['change now', (1 << 5) | (1 << 8), { mtimeSec: 0, mtimeNsec: 0x3fffffff }],
    ['the loss of set-user-ID', 1 << 11, { killPrivileges: true }],
  ])('setattr of %s changes just that', (_, valid, change) => {
    const reply = answerTo(ask(Opcode.setattr, ...setattrBody(valid)), scripted)
    expect(called).toEqual([['setattr', node, undefined, { ...nothing, ...change }, caller, 'out']])
    expect(reply).toEqual(success(attributesReplyBody))
  })

  test('setattr of an open file passes its handle, and nothing of the request before', () => {
    answersTo([
      ask(Opcode.setattr, ...setattrBody(0xffff)),
      ask(Opcode.setattr, ...setattrBody(1 << 6)),
    ])
    const change = { ...nothing, killPrivileges: true }
    expect(called[1]).toEqual(['setattr', node, handle, change, caller, 'out'])
  })

  test('a size that a number can not hold is EFBIG', () => {
    const body = setattrBody(1 << 3)
    body[3] = u64(2n ** 53n + 2n)
    expect(answerTo(ask(Opcode.setattr, ...body))).toEqual(failure(-27))
  })

  test('statfs answers every field', () => {
    const reply = answerTo(ask(Opcode.statfs), {
      statfs: (_node, out) => {
        out.blockBytes = 4096
        out.fragmentBytes = 1024
        out.blocks = 2 ** 36
        out.blocksFree = 2
        out.blocksAvailable = 3
        out.files = 4
        out.filesFree = 5
        out.nameBytesMax = 255
      },
    })
    const fields = [u64(2 ** 36), u64(2), u64(3), u64(4), u64(5), u32(4096), u32(255), u32(1024)]
    expect(called).toEqual([['statfs', node, 'out']])
    expect(reply).toEqual(success(Buffer.concat([...fields, Buffer.alloc(28)])))
  })
})

describe('extended attributes', () => {
  const value = Uint8Array.of(1, 0, 255)
  const scripted: Partial<FileSystem> = { getxattr: () => value, listxattr: () => value }

  test('size 0 asks how large the value is', () => {
    const replies = answersTo(
      [
        ask(Opcode.getxattr, u32(0), u32(0), string('user.a/b')),
        ask(Opcode.listxattr, u32(0), u32(0)),
      ],
      scripted,
    )
    expect(called).toEqual([
      ['getxattr', node, 'user.a/b'],
      ['listxattr', node, caller],
    ])
    const size = success(Buffer.concat([u32(3), u32(0)]))
    expect(replies).toEqual([size, size])
  })

  test('a value that just fits is answered', () => {
    const replies = answersTo(
      [
        ask(Opcode.getxattr, u32(3), u32(0), string('user.a')),
        ask(Opcode.listxattr, u32(3), u32(0)),
      ],
      scripted,
    )
    expect(replies).toEqual([success(raw(1, 0, 255)), success(raw(1, 0, 255))])
  })

  test('a value that does not fit is ERANGE', () => {
    const replies = answersTo(
      [
        ask(Opcode.getxattr, u32(2), u32(0), string('user.a')),
        ask(Opcode.listxattr, u32(2), u32(0)),
      ],
      scripted,
    )
    expect(replies).toEqual([failure(-34), failure(-34)])
  })

  test('setxattr in its short form decodes name, value and flags', () => {
    const reply = answerTo(ask(Opcode.setxattr, u32(3), u32(1), string('user.a'), raw(7, 0, 9)))
    expect(called).toEqual([['setxattr', node, 'user.a', raw(7, 0, 9), 1, caller]])
    expect(reply).toEqual(success(Buffer.alloc(0)))
  })

  test('a value shorter than it says is refused', () => {
    const reply = answerTo(ask(Opcode.setxattr, u32(4), u32(1), string('user.a'), raw(7, 0, 9)))
    expect(reply).toEqual(failure(-22))
    expect(called).toEqual([])
  })

  test('the value belongs to the callee', () => {
    const kept: Uint8Array[] = []
    answersTo(
      [
        ask(Opcode.setxattr, u32(1), u32(0), string('user.a'), raw(1)),
        ask(Opcode.setxattr, u32(1), u32(0), string('user.a'), raw(2)),
      ],
      { setxattr: (_node, _name, bytes) => kept.push(bytes) },
    )
    expect(kept).toEqual([raw(1), raw(2)])
  })

  test('removexattr decodes the name', () => {
    expect(answerTo(ask(Opcode.removexattr, string('user.a')))).toEqual(success(Buffer.alloc(0)))
    expect(called).toEqual([['removexattr', node, 'user.a', caller]])
  })
})

describe('files', () => {
  const O = constants
  const openReply = (flags: number): ReplyMessage =>
    success(Buffer.concat([u64(handle), u32(flags), u32(0)]))
  const opening: FileSystem['open'] = (_node, _flags, _caller, reply) => {
    reply.handle = handle
    reply.dataFd = 9
    reply.guard = 4
  }

  test('open keeps from the file system what the kernel does itself', () => {
    const flags = O.O_RDWR | O.O_SYNC | O.O_APPEND | O.O_DIRECT | O.O_TRUNC | O.O_EXCL | O.O_NOCTTY
    const reply = answerTo(ask(Opcode.open, u32(flags), u32(0)), { open: opening })
    const kept = O.O_RDWR | O.O_SYNC | O.O_APPEND
    expect(called).toEqual([['open', node, kept, caller, 'out']])
    expect(reply).toEqual(openReply(0))
  })

  test('an opened file is attached with its descriptor and guard', () => {
    answerTo(ask(Opcode.open, u32(0), u32(0)), { open: opening })
    expect(session.calls).toEqual([['attach', handle, 9, 4, 1000, 100]])
  })

  test('a file without a descriptor is attached so that every read comes here', () => {
    const replies = answersTo(
      [ask(Opcode.open, u32(0), u32(0)), ask(Opcode.open, u32(2), u32(0))],
      {
        open: (n, flags, c, reply) => {
          if (flags === 0) opening(n, flags, c, reply)
          else reply.handle = handle
        },
      },
    )
    expect(session.calls[1]).toEqual(['attach', handle, -1, -1, 1000, 100])
    expect(replies[1]).toEqual(openReply(0))
  })

  test('a file that can not be opened is not attached', () => {
    const reply = answerTo(ask(Opcode.open, u32(0), u32(0)), {
      open: () => {
        throw new FsError('EROFS', 'in a snapshot')
      },
    })
    expect(reply).toEqual(failure(-30))
    expect(session.calls).toEqual([])
  })

  test.each([
    ['keepCache', 2],
    ['directIo', 1],
  ] as const)('%s is passed on by its flag', (name, flag) => {
    const reply = answerTo(ask(Opcode.open, u32(0), u32(0)), {
      open: (n, f, c, out) => {
        opening(n, f, c, out)
        out[name] = true
      },
    })
    expect(reply).toEqual(openReply(flag))
  })

  const creating: FileSystem['create'] = (parent, name, flags, _mode, from, entry, reply) => {
    fillEntry(parent, name, from, entry)
    opening(parent, flags, from, reply)
    entry.attributes.sizeBytes = 0
  }
  const createdBody = Buffer.concat([entryBody, u64(handle), u32(0), u32(0)])
  createdBody.writeBigUInt64LE(0n, 48)

  test('create decodes flags, mode and umask and answers entry and handle', () => {
    const flags = O.O_RDWR | O.O_CREAT | O.O_EXCL | O.O_TRUNC | O.O_APPEND
    const struct = [u32(flags), u32(0o100666), u32(0o77), u32(0)]
    const reply = answerTo(ask(Opcode.create, ...struct, string('f')), { create: creating })
    const creator = { ...caller, umask: 0o77 }
    const kept = O.O_RDWR | O.O_EXCL | O.O_APPEND
    expect(called).toEqual([['create', node, 'f', kept, 0o100666, creator, 'out', 'out']])
    expect(session.calls).toEqual([['attach', handle, 9, 4, 1000, 100]])
    expect(reply).toEqual(success(createdBody))
  })

  const finding: FileSystem['create'] = (parent, name, flags, mode, from, entry, reply) => {
    creating(parent, name, flags, mode, from, entry, reply)
    entry.attributes.sizeBytes = 10
  }
  const truncating = [u32(O.O_RDWR | O.O_CREAT | O.O_TRUNC), u32(0o644), u32(0), u32(1)]

  test('create with O_TRUNC empties a file that came up meanwhile', () => {
    const reply = answerTo(ask(Opcode.create, ...truncating, string('f')), {
      create: finding,
      setattr: (_node, _handle, _change, _caller, out) => {
        out.attributes.sizeBytes = 0
      },
    })
    const change = expect.objectContaining({ sizeBytes: 0, killPrivileges: true }) as unknown
    expect(called[1]).toEqual(['setattr', 2 ** 45 + 1, handle, change, caller, 'out'])
    expect(reply).toEqual(success(createdBody))
  })

  test('a file that can not be emptied is closed and forgotten again', () => {
    const reply = answerTo(ask(Opcode.create, ...truncating, string('f')), {
      create: finding,
      setattr: () => {
        throw new FsError('ENOSPC', 'the store is full')
      },
    })
    expect(reply).toEqual(failure(-28))
    expect(called.slice(2)).toEqual([
      ['release', handle],
      ['forget', 2 ** 45 + 1, 1],
    ])
    expect(session.calls).toEqual([])
  })

  test('tmpfile passes no name, whatever the kernel made up', () => {
    const struct = [u32(O.O_RDWR | 0o20000000 | O.O_DIRECTORY), u32(0o100600), u32(0o22), u32(0)]
    const reply = answerTo(ask(Opcode.tmpfile, ...struct, string('/')), {
      tmpfile: (parent, flags, mode, from, entry, out) => {
        creating(parent, '' as ByteString, flags, mode, from, entry, out)
      },
    })
    const creator = { ...caller, umask: 0o22 }
    expect(called).toEqual([['tmpfile', node, O.O_RDWR, 0o100600, creator, 'out', 'out']])
    expect(session.calls).toEqual([['attach', handle, 9, 4, 1000, 100]])
    expect(reply).toEqual(success(createdBody))
  })

  test('release detaches before the descriptor can be closed', () => {
    const reply = answerTo(ask(Opcode.release, u64(handle), Buffer.alloc(16)), {
      release: () => {
        session.calls.push(['released'])
      },
    })
    expect(session.calls).toEqual([['detach', handle], ['released']])
    expect(reply).toEqual(success(Buffer.alloc(0)))
  })

  test('a read is planned and then carried out by the session, which answers', () => {
    const struct = [u64(handle), u64(2 ** 42), u32(131072), Buffer.alloc(20)]
    const reply = answerTo(ask(Opcode.read, ...struct), {
      planRead: (_handle, offset, length, plan) => {
        plan.begin(offset - 10)
        plan.addFile(5, 100, length)
        plan.addHole(20)
        plan.reachesEnd = true
        return 6
      },
    })
    expect(called).toEqual([['planRead', handle, 2 ** 42, 131072, 'out']])
    const pieces = [1, 131072, 5, 100, 0, 0, 0, 0, 20, -1, 0, 0, 0, 0]
    expect(session.calls).toEqual([['replyRead', pieces, 2 ** 42 - 10, 131092, true, 6]])
    expect(reply).toBeUndefined()
  })

  test('a read that fails before the session has answered is answered here', () => {
    session.result = -5
    const reply = answerTo(ask(Opcode.read, u64(handle), Buffer.alloc(32)), { planRead: () => -1 })
    expect(reply).toEqual(failure(-5))
  })

  const writeStruct = (size: number, flags: number): Buffer[] => [
    ...[u64(handle), u64(2 ** 42), u32(size), u32(flags)],
    Buffer.alloc(16),
  ]

  test('a write is prepared and then carried out by the session, which answers', () => {
    session.result = 3
    const reply = answerTo(ask(Opcode.write, ...writeStruct(3, 4), raw(1, 2, 3)), {
      prepareWrite: () => 8,
    })
    expect(called).toEqual([['prepareWrite', handle, 2 ** 42, 3, caller]])
    expect(session.calls).toEqual([['replyWrite', 8]])
    expect(reply).toBeUndefined()
  })

  test('a write from the page cache keeps set-user-ID', () => {
    answerTo(ask(Opcode.write, ...writeStruct(1, 1), raw(1)), { prepareWrite: () => 8 })
    expect(called).toEqual([['prepareWrite', handle, 2 ** 42, 1, undefined]])
  })

  test('a write shorter than it says writes nothing', () => {
    const reply = answerTo(ask(Opcode.write, ...writeStruct(3, 0), raw(1, 2)))
    expect(reply).toEqual(failure(-22))
    expect(called).toEqual([])
  })

  test('a write that fails before the session has answered is answered here', () => {
    session.result = -28
    const reply = answerTo(ask(Opcode.write, ...writeStruct(1, 0), raw(1)), {
      prepareWrite: () => 8,
    })
    expect(reply).toEqual(failure(-28))
  })

  test('flush has nothing to do', () => {
    expect(answerTo(ask(Opcode.flush, Buffer.alloc(24)))).toEqual(success(Buffer.alloc(0)))
    expect(called).toEqual([])
  })

  test.each([
    ['fsync', Opcode.fsync],
    ['fsyncdir', Opcode.fsyncdir],
  ])('%s is answered by the session when the descriptors are on the disk', (_, opcode) => {
    const replies = answersTo(
      [ask(opcode, u64(handle), u32(0), u32(0)), ask(opcode, u64(handle), u32(1), u32(0))],
      { planSync: () => [3, 4] },
    )
    expect(called).toEqual([
      ['planSync', handle],
      ['planSync', handle],
    ])
    expect(session.calls).toEqual([
      ['replyAfterSync', [3, 4], false],
      ['replyAfterSync', [3, 4], true],
    ])
    expect(replies).toEqual([undefined, undefined])
  })

  test('where there is nothing to sync the answer is given at once', () => {
    const replies = answersTo(
      [
        ask(Opcode.fsync, u64(handle), u64(0)),
        ask(Opcode.fsyncdir, u64(handle), u64(0)),
        ask(Opcode.syncfs, u64(0)),
      ],
      { planSync: () => [], planSyncAll: () => [] },
    )
    expect(replies).toEqual(replies.map(() => success(Buffer.alloc(0))))
  })

  test('syncfs syncs all that the file system names', () => {
    expect(answerTo(ask(Opcode.syncfs, u64(0)), { planSyncAll: () => [5] })).toBeUndefined()
    expect(session.calls).toEqual([['replyAfterSync', [5], false]])
  })

  test('fallocate decodes mode and range', () => {
    const struct = [u64(handle), u64(2 ** 33), u64(2 ** 34), u32(3), u32(0)]
    expect(answerTo(ask(Opcode.fallocate, ...struct))).toEqual(success(Buffer.alloc(0)))
    expect(called).toEqual([['fallocate', handle, 3, 2 ** 33, 2 ** 34, caller]])
  })

  const ioctl = (command: number, inBytes: number, outBytes: number, value = raw()): Buffer =>
    ask(
      Opcode.ioctl,
      ...[u64(handle), u32(0), u32(command), u64(0), u32(inBytes), u32(outBytes)],
      value,
    )

  test('an ioctl gets the flags of a file', () => {
    const reply = answerTo(ioctl(0x80086601, 0, 4), {
      fileFlags: (_node, _handle, _command, value) => {
        value.set([1, 2, 3, 4])
      },
    })
    expect(called).toEqual([['fileFlags', node, handle, 0x80086601, expect.anything(), caller]])
    expect(reply).toEqual(success(Buffer.concat([Buffer.alloc(16), raw(1, 2, 3, 4)])))
    expect(session.calls).toEqual([])
  })

  test('an ioctl sets them, and the kernel is told of the new change time', () => {
    const value = Buffer.alloc(28, 7)
    const reply = answerTo(ioctl(0x401c5820, 28, 0, value), {})
    const given = Buffer.from(value)
    expect(called).toEqual([['fileFlags', node, handle, 0x401c5820, given, caller]])
    expect(reply).toEqual(success(Buffer.alloc(16)))
    expect(session.calls).toEqual([
      ['expireAttributes', Math.floor(node / 2 ** 32), node % 2 ** 32],
    ])
  })

  test('other ioctls, and those of a wrong size, are refused', () => {
    const replies = answersTo(
      [ioctl(0x80087601, 0, 8), ioctl(0x80086601, 0, 8), ioctl(0x40086602, 4, 0)],
      {},
    )
    expect(replies.map((reply) => reply?.error)).toEqual([-25, -22, -22])
    expect(called).toEqual([])
  })

  test('lseek answers the offset found', () => {
    const reply = answerTo(ask(Opcode.lseek, u64(handle), u64(2 ** 33), u32(4), u32(0)), {
      lseek: () => 2 ** 35,
    })
    expect(called).toEqual([['lseek', handle, 2 ** 33, 4]])
    expect(reply).toEqual(success(u64(2 ** 35)))
  })

  test('lseek to beyond any file is ENXIO, and in a way that is none EINVAL', () => {
    const replies = answersTo([
      ask(Opcode.lseek, u64(handle), u64(2n ** 63n - 1n), u32(3), u32(0)),
      ask(Opcode.lseek, u64(handle), u64(0), u32(2), u32(0)),
    ])
    expect(replies).toEqual([failure(-6), failure(-22)])
    expect(called).toEqual([])
  })

  const copyStruct = (length: bigint): Buffer[] => [
    ...[u64(handle), u64(2 ** 33), u64(99), u64(handle + 1), u64(2 ** 34), u64(length), u64(0)],
  ]

  test('a copy between files answers what was copied, in 32 or in 64 bits', () => {
    const replies = answersTo(
      [
        ask(Opcode.copyFileRange, ...copyStruct(5n)),
        ask(Opcode.copyFileRange64, ...copyStruct(5n)),
      ],
      { copyRange: () => 4 },
    )
    const expected = ['copyRange', handle, 2 ** 33, handle + 1, 2 ** 34, 5, caller]
    expect(called).toEqual([expected, expected])
    expect(replies).toEqual([success(Buffer.concat([u32(4), u32(0)])), success(u64(4))])
  })

  test('a copy of everything is done in parts, so that others have their turn', () => {
    answerTo(ask(Opcode.copyFileRange64, ...copyStruct(2n ** 63n)), { copyRange: () => 1 })
    expect(called[0]?.at(-2)).toBe(64 << 20)
  })
})

describe('directories', () => {
  const readStruct = (size: number): Buffer[] => [
    ...[u64(handle), u64(2 ** 40), u32(size)],
    Buffer.alloc(20),
  ]
  const direntOf = (ino: bigint, next: number, type: number, name: string): Buffer => {
    const unpadded = [u64(ino), u64(next), u32(name.length), u32(type), Buffer.from(name, 'latin1')]
    const padding = Buffer.alloc((8 - (name.length % 8)) % 8)
    return Buffer.concat([...unpadded, padding])
  }

  test('opendir answers the handle and what may be cached, and attaches nothing', () => {
    const replies = answersTo(
      [ask(Opcode.opendir, u32(0), u32(0)), ask(Opcode.opendir, u32(0), u32(0))],
      {
        opendir: (_node, _caller, reply) => {
          reply.handle = handle
          reply.cacheDirectory = called.length === 1
          reply.keepCache = called.length === 1
        },
      },
    )
    expect(called[0]).toEqual(['opendir', node, caller, 'out'])
    expect(replies).toEqual([
      success(Buffer.concat([u64(handle), u32(2 | 8), u32(0)])),
      success(Buffer.concat([u64(handle), u32(0), u32(0)])),
    ])
    expect(session.calls).toEqual([])
  })

  test('readdir answers entries one after the other, each padded to 8 bytes', () => {
    const reply = answerTo(ask(Opcode.readdir, ...readStruct(4096)), {
      readdir: (_handle, _offset, sink) => {
        sink.add('.' as ByteString, 1, 2, 4, 1)
        sink.add('\xe4-eight-' as ByteString, 0, 3, 8, 2 ** 41)
        sink.add('nine-char' as ByteString, 0, 4, 10, 3)
      },
    })
    expect(called).toEqual([['readdir', handle, 2 ** 40, 'out']])
    const body = Buffer.concat([
      direntOf((1n << 32n) | 2n, 1, 4, '.'),
      direntOf(3n, 2 ** 41, 8, '\xe4-eight-'),
      direntOf(4n, 3, 10, 'nine-char'),
    ])
    expect(reply).toEqual(success(body))
  })

  test('readdir takes entries up to the last byte asked for and no more', () => {
    const taken: boolean[] = []
    const reply = answerTo(ask(Opcode.readdir, ...readStruct(2 * 32 + 31)), {
      readdir: (_handle, _offset, sink) => {
        for (let i = 1; i <= 3; i++) taken.push(sink.add('name' as ByteString, 0, i, 8, i))
      },
    })
    expect(taken).toEqual([true, true, false])
    expect(reply?.body.length).toBe(64)
  })

  test('a listing never outgrows the reply buffer', () => {
    let wasRefused = false
    const reply = answerTo(ask(Opcode.readdir, ...readStruct(2 ** 30)), {
      readdir: (_handle, _offset, sink) => {
        for (let i = 1; sink.add('x'.repeat(255) as ByteString, 0, i, 8, i); i++);
        wasRefused = true
      },
    })
    expect(wasRefused).toBe(true)
    expect(reply?.length).toBeLessThanOrEqual(session.reply.byteLength)
    expect(reply?.length).toBeGreaterThan(session.reply.byteLength - 280)
  })

  test('readdirplus answers a whole entry before each name, and none for dots', () => {
    const reply = answerTo(ask(Opcode.readdirplus, ...readStruct(4096)), {
      readdirplus: (_handle, _offset, from, sink) => {
        sink.add('..' as ByteString, 0, 7, 4, 1)
        expect(sink.hasRoom(4)).toBe(true)
        fillEntry(node, 'file' as ByteString, from, sink.entry)
        sink.addEntry('file' as ByteString, 8, 2)
      },
    })
    expect(called).toEqual([['readdirplus', handle, 2 ** 40, caller, 'out']])
    const body = Buffer.concat([
      Buffer.alloc(128),
      direntOf(7n, 1, 4, '..'),
      entryBody,
      direntOf(0x8000_0001_9000_0002n, 2, 8, 'file'),
    ])
    expect(reply).toEqual(success(body))
  })

  test('an entry of readdirplus that was not looked up has no attributes', () => {
    const reply = answerTo(ask(Opcode.readdirplus, ...readStruct(4096)), {
      readdirplus: (_handle, _offset, from, sink) => {
        fillEntry(node, 'file' as ByteString, from, sink.entry)
        sink.entry.node = 0
        sink.addEntry('file' as ByteString, 8, 2)
      },
    })
    expect(reply?.body.subarray(0, 128)).toEqual(Buffer.alloc(128))
  })

  test('whether an entry has room is known before its lookup is counted', () => {
    const room: boolean[] = []
    answerTo(ask(Opcode.readdirplus, ...readStruct(128 + 24 + 8)), {
      readdirplus: (_handle, _offset, _from, sink) => {
        room.push(sink.hasRoom(8), sink.hasRoom(9))
        sink.addEntry('12345678' as ByteString, 8, 1)
        room.push(sink.hasRoom(1))
      },
    })
    expect(room).toEqual([true, false, false])
  })

  test('a failure after some entries keeps those, whose lookups the kernel must learn of', () => {
    const failing: FileSystem['readdirplus'] = (_handle, offset, from, sink) => {
      if (offset === 2 ** 40) {
        fillEntry(node, 'file' as ByteString, from, sink.entry)
        sink.addEntry('file' as ByteString, 8, 2)
      }
      throw new FsError('EIO', 'damaged')
    }
    const later = [u64(handle), u64(2), u32(4096), Buffer.alloc(20)]
    const replies = answersTo(
      [ask(Opcode.readdirplus, ...readStruct(4096)), ask(Opcode.readdirplus, ...later)],
      { readdirplus: failing },
    )
    expect(replies[0]?.body.subarray(0, 128)).toEqual(entryBody)
    expect(replies[1]).toEqual(failure(-5))
  })

  test('releasedir decodes the handle', () => {
    const request = ask(Opcode.releasedir, u64(handle), Buffer.alloc(16))
    expect(answerTo(request)).toEqual(success(Buffer.alloc(0)))
    expect(called).toEqual([['releasedir', handle]])
  })
})

describe('whatever comes', () => {
  test.each([
    ['GETLK', 31],
    ['SETLK', 32],
    ['SETLKW', 33],
    ['ACCESS', 34],
    ['BMAP', 37],
    ['POLL', 40],
    ['SETUPMAPPING', 48],
    ['no opcode', 0],
    ['an opcode of a later kernel', 54],
    ['CUSE_INIT', 4096],
    ['a huge opcode', 0xffff_ffff],
  ])('%s is answered ENOSYS', (_, opcode) => {
    expect(answerTo(ask(opcode, Buffer.alloc(64)))).toEqual(failure(-38))
    expect(called).toEqual([])
  })

  test('destroy is answered', () => {
    expect(answerTo(ask(Opcode.destroy))).toEqual(success(Buffer.alloc(0)))
  })

  test.each([
    ['interrupt', Opcode.interrupt],
    ['a reply to a notification', Opcode.notifyReply],
  ])('%s is not answered', (_, opcode) => {
    expect(answerTo(ask(opcode, u64(requestUnique)))).toBeUndefined()
    expect(logged).toEqual([])
  })

  const structs: [name: string, opcode: number, bytes: number][] = [
    ['lookup', Opcode.lookup, 2],
    ['getattr', Opcode.getattr, 16],
    ['setattr', Opcode.setattr, 88],
    ['statx', Opcode.statx, 24],
    ['symlink', Opcode.symlink, 2],
    ['mknod', Opcode.mknod, 16],
    ['mkdir', Opcode.mkdir, 8],
    ['unlink', Opcode.unlink, 2],
    ['rmdir', Opcode.rmdir, 2],
    ['rename', Opcode.rename, 8],
    ['rename2', Opcode.rename2, 16],
    ['link', Opcode.link, 8],
    ['open', Opcode.open, 8],
    ['create', Opcode.create, 16],
    ['tmpfile', Opcode.tmpfile, 16],
    ['release', Opcode.release, 24],
    ['read', Opcode.read, 40],
    ['write', Opcode.write, 40],
    ['flush', Opcode.flush, 24],
    ['fsync', Opcode.fsync, 16],
    ['fallocate', Opcode.fallocate, 32],
    ['lseek', Opcode.lseek, 24],
    ['copy_file_range', Opcode.copyFileRange, 56],
    ['opendir', Opcode.opendir, 8],
    ['readdir', Opcode.readdir, 40],
    ['readdirplus', Opcode.readdirplus, 40],
    ['releasedir', Opcode.releasedir, 24],
    ['fsyncdir', Opcode.fsyncdir, 16],
    ['setxattr', Opcode.setxattr, 8],
    ['getxattr', Opcode.getxattr, 8],
    ['listxattr', Opcode.listxattr, 8],
    ['removexattr', Opcode.removexattr, 2],
    ['init', Opcode.init, 16],
  ]
  test.each(structs)('%s cut short in its struct is refused unseen', (_, opcode, bytes) => {
    expect(answerTo(ask(opcode, Buffer.alloc(bytes - 1, 1)))).toEqual(failure(-22))
    expect(called).toEqual([])
  })

  test.each([
    ['lookup', ask(Opcode.lookup, raw(0x61, 0x62))],
    ['unlink', ask(Opcode.unlink, raw(0x61, 0x62))],
    ['rmdir', ask(Opcode.rmdir, raw(0x61, 0x62))],
    ['mkdir', ask(Opcode.mkdir, u64(0), raw(0x61))],
    ['mkdir without a name', ask(Opcode.mkdir, u64(0))],
    ['mknod', ask(Opcode.mknod, Buffer.alloc(16), raw(0x61))],
    ['create', ask(Opcode.create, Buffer.alloc(16), raw(0x61))],
    ['link', ask(Opcode.link, u64(5), raw(0x61))],
    ['symlink in its target', ask(Opcode.symlink, string('a'), raw(0x61))],
    ['symlink without a target', ask(Opcode.symlink, string('a'))],
    ['rename in its first name', ask(Opcode.rename, u64(1), raw(0x61))],
    ['rename in its second name', ask(Opcode.rename, u64(1), string('a'), raw(0x61))],
    ['rename2', ask(Opcode.rename2, Buffer.alloc(16), string('a'), raw(0x61))],
    ['getxattr', ask(Opcode.getxattr, u64(0), raw(0x61))],
    ['setxattr', ask(Opcode.setxattr, u64(0), raw(0x61))],
    ['removexattr', ask(Opcode.removexattr, raw(0x61, 0x62))],
  ])('%s cut short in a name is refused, and takes no bytes of an earlier request', (_, cut) => {
    const earlier = ask(Opcode.symlink, string('n'.repeat(200)), string('t'.repeat(200)))
    const replies = answersTo([earlier, cut])
    expect(replies[1]).toEqual(failure(-22))
    expect(called).toHaveLength(1)
  })

  test('a name without an end is refused in a buffer without one', () => {
    const replies = answersTo([
      ask(Opcode.removexattr, raw(0x61, 0x62)),
      ask(Opcode.lookup, raw(0x61, 0x62)),
    ])
    expect(replies).toEqual([failure(-22), failure(-22)])
  })

  test('bytes that are no request are logged and not answered', () => {
    const wrongLength = ask(Opcode.statfs)
    wrongLength.writeUInt32LE(41, 0)
    const replies = answersTo([Buffer.alloc(39), wrongLength])
    expect(replies).toEqual([undefined, undefined])
    expect(logged).toHaveLength(2)
    expect(called).toEqual([])
  })

  test('an expected failure is answered by its errno and not logged', () => {
    const reply = answerTo(ask(Opcode.lookup, string('no')), {
      lookup: () => {
        throw new FsError('ENOENT', 'no such name')
      },
    })
    expect(reply).toEqual(failure(-2))
    expect(logged).toEqual([])
  })

  test('a bug is answered EIO and logged in one line with its stack, and the next request is served', () => {
    const replies = answersTo(
      [ask(Opcode.lookup, string('bug')), ask(Opcode.lookup, string('a'))],
      {
        lookup: (parent, name, from, entry) => {
          if (name === 'bug') throw new TypeError('undefined is\nno function')
          fillEntry(parent, name, from, entry)
        },
      },
    )
    expect(replies).toEqual([failure(-5), success(entryBody)])
    expect(logged).toHaveLength(1)
    expect(logged[0]).toMatch(/^request 1 on node \d+ failed: TypeError: .* \| at /)
    expect(logged[0]).not.toContain('\n')
  })

  test('something thrown that is no error is a bug like any other', () => {
    const reply = answerTo(ask(Opcode.statfs), {
      statfs: () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error
        throw 'text'
      },
    })
    expect(reply).toEqual(failure(-5))
    expect(logged).toEqual([expect.stringContaining('text')])
  })

  test('an answer that fits no buffer is EOVERFLOW', () => {
    const reply = answerTo(ask(Opcode.readlink), {
      readlink: () => 'x'.repeat(session.reply.byteLength) as ByteString,
    })
    expect(reply).toEqual(failure(-75))
  })
})

test('a parked request is put again, whole, and answered once', () => {
  let isReady = false
  const scripted = new ScriptedFileSystem({
    mkdir: (_parent, _name, _mode, _caller, entry) => {
      if (!isReady) throw new RequestParked('not yet')
      entry.node = node
    },
  })
  const { fileSystem } = scripted
  const dispatcher = new Dispatcher({ fileSystem, session, log: (line) => logged.push(line) })
  const parked = ask(Opcode.mkdir, u32(0o755), u32(0), string('first'))
  expect(dispatcher.dispatch(session.put(parked))).toBe(0)
  // Another one takes the buffer meanwhile.
  dispatcher.dispatch(session.put(ask(Opcode.unlink, string('another-and-longer-name'))))
  expect(dispatcher.retryParked()).toBe(0)
  isReady = true
  const answered = replyMessage(session.sent(dispatcher.retryParked()))
  expect(answered).toMatchObject({ error: 0, unique: requestUnique })
  expect(dispatcher.retryParked()).toBe(0)
  const names = scripted.calls.filter(([call]) => call === 'mkdir').map((call) => call[2])
  expect(names).toEqual(['first', 'first', 'first'])
})
