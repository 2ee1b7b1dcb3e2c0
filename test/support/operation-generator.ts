import type { Operation } from './actor.js'
import type { Random } from './random.js'
import { type ModelNode, modelNode, TreeModel } from './tree-model.js'

/** What a transport lets through; the generator leaves out the rest. */
export interface Abilities {
  /** Requests carry the caller's uid. */
  callers: boolean
  renameFlags: boolean
  fallocate: boolean
  sharedMappings: boolean
  /** A file that is open when its last name goes stays reachable, and leaves no trace. */
  unlinkedFiles: boolean
  temporaryFiles: boolean
  specialFiles: boolean
  hardLinks: boolean
  accessLists: boolean
  /** Names that are not UTF-8, of files and of xattrs. */
  anyNames: boolean
  /** Times before 1970, and to the nanosecond. */
  exactTimes: boolean
  /** Files of 4 GiB, nearly all of it holes: SEEK_DATA must find what is none, or looking takes for ever. */
  hugeFiles: boolean
}

export const allAbilities: Abilities = {
  callers: true,
  renameFlags: true,
  fallocate: true,
  sharedMappings: true,
  unlinkedFiles: true,
  temporaryFiles: true,
  specialFiles: true,
  hardLinks: true,
  accessLists: true,
  anyNames: true,
  exactTimes: true,
  hugeFiles: true,
}

export interface GeneratedOperation {
  op: Operation
  /** Paths whose entries (and all below) it may change. */
  touches: string[]
  /** To be called once it has succeeded. */
  happened: () => void
}

/** After these an open file may have no name any more. */
const takesNames = new Set(['unlink', 'rmtree', 'rename', 'replace'])

const entriesMax = 160
const handlesMax = 6
/** An ordinary user, to whom some of the files belong. */
const user = 65534

const raw = (...codes: number[]) => String.fromCharCode(...codes)
const names = [
  ...'a b c d e f g h i j k l m n o p'.split(' '),
  'a file',
  '-rf',
  '...',
  'new\nline',
  'tab\there',
  `caf${raw(0xc3, 0xa9)}`,
  `caf${raw(0x65, 0xcc, 0x81)}`,
  raw(0x01, 0x7f, 0x5c, 0x22, 0x27),
  'x'.repeat(255),
  'Makefile',
  '.hidden',
]

const namesOfBytes = [raw(0xff, 0xfe, 0x80), raw(0xe9).repeat(254)]

const modes = [
  0o644, 0o600, 0o664, 0o666, 0o755, 0o777, 0o4755, 0o2755, 0o1777, 0o6777, 0o444, 0o000,
]
const directoryModes = [0o755, 0o777, 0o700, 0o1777, 0o2775, 0o2777]

/** An access list in the kernel's xattr form: owner rwx, user 65534 as given, group r, mask, other r. */
function accessList(permission: number): string {
  const rows: [number, number, number][] = [
    [0x01, 7, 0xffffffff],
    [0x02, permission, user],
    [0x04, 4, 0xffffffff],
    [0x10, 7, 0xffffffff],
    [0x20, 4, 0xffffffff],
  ]
  const packed = Buffer.alloc(4 + rows.length * 8)
  packed.writeUInt32LE(2, 0)
  rows.forEach(([tag, bits, id], row) => {
    packed.writeUInt16LE(tag, 4 + row * 8)
    packed.writeUInt16LE(bits, 6 + row * 8)
    packed.writeUInt32LE(id, 8 + row * 8)
  })
  return packed.toString('latin1')
}

/** Random operations on a tree that it remembers. Each is drawn from what the tree holds just then. */
export class OperationGenerator {
  readonly model = new TreeModel()
  readonly #random: Random
  readonly #chunkBytes: number
  readonly #abilities: Abilities
  /** Number and path when opened. */
  #handles = new Map<number, string>()
  #handleNext = 1

  constructor(random: Random, chunkBytes: number, abilities: Abilities) {
    this.#random = random
    this.#chunkBytes = chunkBytes
    this.#abilities = abilities
  }

  next(): GeneratedOperation {
    for (;;) {
      const make = this.#random.weighted(this.#kinds)
      const made = make.call(this)
      if (made === undefined) continue
      if (!this.#abilities.unlinkedFiles && this.#handles.size > 0 && takesNames.has(made.op.do)) {
        return this.#close() ?? made
      }
      if (this.#abilities.callers && this.#random.isLikely(0.12)) made.op['uid'] = user
      return made
    }
  }

  /** Operations that close every handle still open. */
  closeAll(): GeneratedOperation[] {
    return [...this.#handles.keys()].map((handle) => this.#closing(handle))
  }

  forgetHandles(): void {
    this.#handles.clear()
  }

  get #kinds(): readonly (readonly [() => GeneratedOperation | undefined, number])[] {
    const can = this.#abilities
    const isFull = this.model.places().length > entriesMax
    const grow = isFull ? 0.2 : 1
    return [
      [this.#create, 9 * grow],
      [this.#write, 15],
      [this.#append, 5],
      [this.#truncate, 6],
      [this.#rewrite, 4],
      [this.#replace, 4],
      [this.#tmpfile, can.temporaryFiles ? 1 * grow : 0],
      [this.#rename, 9],
      [this.#link, can.hardLinks ? 5 * grow : 0],
      [this.#unlink, isFull ? 12 : 6],
      [this.#mkdir, 4 * grow],
      [this.#rmdir, 2],
      [this.#rmtree, isFull ? 2 : 0.5],
      [this.#chmod, 5],
      [this.#chown, 3],
      [this.#utimes, 5],
      [this.#setxattr, 5],
      [this.#accessList, can.accessLists ? 1.5 : 0],
      [this.#removexattr, 2],
      [this.#symlink, 3 * grow],
      [this.#mknod, can.specialFiles ? 2 * grow : 0],
      [this.#copy, 3],
      [this.#fallocate, can.fallocate ? 4 : 0],
      [this.#mapped, can.sharedMappings ? 3 : 0],
      [this.#open, 3],
      [this.#useHandle, 9],
      [this.#close, 1.5],
      [this.#read, 6],
      [this.#stat, 4],
      [this.#list, 2],
    ]
  }

  // --- where and what

  get #names(): readonly string[] {
    return this.#abilities.anyNames ? [...names, ...namesOfBytes] : names
  }

  #newPath(): string {
    const directory = this.model.pickDirectory(this.#random).path
    // Nothing grows out of reach of an ordinary path.
    const name = directory.length > 3000 ? 'z' : this.#random.pick(this.#names)
    return directory === '' ? name : `${directory}/${name}`
  }

  #pathOf(kind?: ModelNode['kind']): string | undefined {
    const places = this.model.places(kind)
    return places.length === 0 ? undefined : this.#random.pick(places).path
  }

  #offset(): number {
    const chunk = this.#chunkBytes
    return this.#random.weighted([
      [0, 2],
      [this.#random.below(4 * chunk), 6],
      [this.#random.between(0, 5) * chunk, 4],
      [Math.max(0, this.#random.between(0, 5) * chunk + this.#random.between(-3, 3)), 4],
      [this.#random.below(40 * chunk), 1],
      [2 ** 32 + this.#random.below(chunk), this.#abilities.hugeFiles ? 0.15 : 0],
    ])
  }

  #length(): number {
    const chunk = this.#chunkBytes
    return this.#random.weighted([
      [this.#random.between(1, 100), 5],
      [this.#random.between(1, chunk), 4],
      [chunk, 2],
      [this.#random.between(1, 3 * chunk), 3],
      [2 * chunk, 1],
    ])
  }

  #data(): { seed: number; length: number; zeros: number } {
    const length = this.#length()
    const zeros = this.#random.isLikely(0.1) ? this.#random.between(1, length) : 0
    return { seed: this.#random.below(2 ** 31), length, zeros }
  }

  // --- files and their bytes

  #create(): GeneratedOperation {
    const path = this.#newPath()
    const data = this.#random.isLikely(0.2) ? { seed: 0, length: 0, zeros: 0 } : this.#data()
    return this.#making(path, 'file', {
      do: 'create',
      path,
      mode: this.#random.pick(modes),
      ...data,
    })
  }

  #write(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    if (path === undefined) return undefined
    return plain({ do: 'write', path, offset: this.#offset(), ...this.#data() })
  }

  #append(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    return path === undefined ? undefined : plain({ do: 'append', path, ...this.#data() })
  }

  #truncate(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    return path === undefined ? undefined : plain({ do: 'truncate', path, size: this.#offset() })
  }

  #rewrite(): GeneratedOperation {
    const path = this.#random.isLikely(0.7) ? this.#pathOf('file') : this.#newPath()
    const target = path ?? this.#newPath()
    return this.#making(target, 'file', { do: 'rewrite', path: target, ...this.#data() })
  }

  #replace(): GeneratedOperation | undefined {
    const path = this.#random.isLikely(0.8) ? this.#pathOf('file') : this.#newPath()
    if (path === undefined) return undefined
    const temporary = `${path.slice(0, path.lastIndexOf('/') + 1)}.tmp~`
    return {
      op: { do: 'replace', path, temporary, ...this.#data() },
      touches: [path, temporary],
      happened: () => {
        this.model.put(path, modelNode('file'))
      },
    }
  }

  #tmpfile(): GeneratedOperation {
    const path = this.#newPath()
    const directory = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    return this.#making(path, 'file', { do: 'tmpfile', path, directory, ...this.#data() })
  }

  #copy(): GeneratedOperation | undefined {
    const from = this.#pathOf('file')
    if (from === undefined) return undefined
    const to = this.#random.isLikely(0.5) ? this.#newPath() : (this.#pathOf('file') ?? from)
    const made = this.#making(to, 'file', {
      do: 'copy',
      from,
      to,
      isRange: this.#random.isLikely(0.5),
    })
    return { ...made, touches: [to] }
  }

  #fallocate(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    if (path === undefined) return undefined
    // Allocate, keep the size, punch a hole, zero a range. FUSE has no collapse or insert.
    const mode = this.#random.pick([0, 1, 3, 3, 3, 0x10, 0x11])
    const offset = Math.min(this.#offset(), 50 * this.#chunkBytes)
    return plain({ do: 'fallocate', path, mode, offset, length: this.#length() })
  }

  #mapped(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    if (path === undefined) return undefined
    return plain({ do: 'mapped', path, offset: this.#random.below(2 ** 24), ...this.#data() })
  }

  // --- names

  #rename(): GeneratedOperation | undefined {
    const from = this.#pathOf(
      this.#random.weighted([
        [undefined, 3],
        ['directory', 1],
      ]),
    )
    if (from === undefined) return undefined
    const to = this.#random.isLikely(0.5) ? this.#newPath() : (this.#pathOf() ?? from)
    const flags = this.#abilities.renameFlags ? this.#random.pick([0, 0, 0, 0, 1, 2]) : 0
    return {
      op: { do: 'rename', from, to, flags },
      touches: [from, to],
      happened: () => {
        const moved = this.model.nodeAt(from)
        const replaced = this.model.nodeAt(to)
        if (moved === undefined || moved === replaced) return
        this.model.remove(from)
        if (flags === 2 && replaced !== undefined) this.model.put(from, replaced)
        this.model.put(to, moved)
      },
    }
  }

  #link(): GeneratedOperation | undefined {
    const from = this.#pathOf(
      this.#random.weighted([
        ['file', 8],
        ['symlink', 1],
        ['special', 1],
      ]),
    )
    if (from === undefined) return undefined
    const to = this.#newPath()
    const node = this.model.nodeAt(from)
    return {
      op: { do: 'link', from, to },
      touches: [from, to],
      happened: () => {
        if (node !== undefined) this.model.put(to, node)
      },
    }
  }

  #unlink(): GeneratedOperation | undefined {
    const path = this.#pathOf(
      this.#random.weighted([
        ['file', 8],
        ['symlink', 1],
        ['special', 1],
      ]),
    )
    if (path === undefined) return undefined
    return this.#removing(path, 'unlink')
  }

  #mkdir(): GeneratedOperation {
    const path = this.#newPath()
    const mode = this.#random.pick(directoryModes)
    return this.#making(path, 'directory', { do: 'mkdir', path, mode })
  }

  #rmdir(): GeneratedOperation | undefined {
    const path = this.#pathOf('directory')
    return path === undefined ? undefined : this.#removing(path, 'rmdir')
  }

  #rmtree(): GeneratedOperation | undefined {
    const path = this.#pathOf('directory')
    return path === undefined ? undefined : this.#removing(path, 'rmtree')
  }

  #symlink(): GeneratedOperation {
    const path = this.#newPath()
    const target = this.#random.pick([
      'a',
      '../b/c',
      '/nowhere/outside',
      `${this.#random.pick(this.#names)}/x`,
      'y'.repeat(1000),
    ])
    return this.#making(path, 'symlink', { do: 'symlink', path, target })
  }

  #mknod(): GeneratedOperation {
    const path = this.#newPath()
    const [type, rdev] = this.#random.pick([
      [0o010000, 0],
      [0o020000, 0x103],
      // 200:4711; xfs has nine bits for the first of the two.
      [0o060000, 0x0120_c867],
      [0o140000, 0],
    ] as const)
    return this.#making(path, 'special', { do: 'mknod', path, mode: type | 0o640, rdev })
  }

  // --- attributes

  #chmod(): GeneratedOperation | undefined {
    // chmod follows symlinks: they may lead out of the tree.
    const kind = this.#random.pick(['file', 'file', 'directory', 'special'] as const)
    const path = this.#pathOf(kind)
    if (path === undefined) return undefined
    const mode = this.#random.pick(kind === 'directory' ? directoryModes : modes)
    return plain({ do: 'chmod', path, mode })
  }

  #chown(): GeneratedOperation | undefined {
    const path = this.#pathOf()
    if (path === undefined) return undefined
    const owner = this.#random.pick([0, 0, user, 1234, -1])
    return plain({ do: 'chown', path, owner, group: this.#random.pick([0, user, 77, -1]) })
  }

  #utimes(): GeneratedOperation | undefined {
    const path = this.#pathOf()
    if (path === undefined) return undefined
    const time = () => {
      if (!this.#abilities.exactTimes) return `${this.#random.below(2 ** 31)}000000000`
      const sec = this.#random.pick([
        -2_000_000_000,
        -1,
        0,
        1,
        1_700_000_000,
        2 ** 31,
        4_500_000_000,
      ])
      return String(BigInt(sec) * 1_000_000_000n + BigInt(this.#random.below(1_000_000_000)))
    }
    return plain({ do: 'utimes', path, atime: time(), mtime: time() })
  }

  #xattrName(): string {
    return this.#random.pick([
      ...(this.#abilities.anyNames ? [`user.${raw(0xff, 0x80)}`] : []),
      'user.a',
      'user.b',
      'user.new\nline',
      'trusted.t',
    ])
  }

  #setxattr(): GeneratedOperation | undefined {
    const path = this.#pathOf()
    if (path === undefined) return undefined
    const value = this.#random.pick(['', 'short', raw(0, 1, 255, 10), 'long'.repeat(100)])
    const flags = this.#random.pick([0, 0, 0, 1, 2])
    return plain({ do: 'setxattr', path, name: this.#xattrName(), value, flags })
  }

  #accessList(): GeneratedOperation | undefined {
    const kind = this.#random.pick(['file', 'directory'] as const)
    const path = this.#pathOf(kind)
    if (path === undefined) return undefined
    const isDefault = kind === 'directory' && this.#random.isLikely(0.5)
    const name = `system.posix_acl_${isDefault ? 'default' : 'access'}`
    const value = accessList(this.#random.below(8))
    return plain({ do: 'setxattr', path, name, value, flags: 0 })
  }

  #removexattr(): GeneratedOperation | undefined {
    const path = this.#pathOf()
    return path === undefined
      ? undefined
      : plain({ do: 'removexattr', path, name: this.#xattrName() })
  }

  // --- handles that stay open over other operations, and over snapshots

  #open(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    if (path === undefined || this.#handles.size >= handlesMax) return undefined
    const handle = this.#handleNext++
    return {
      op: { do: 'open', path, handle, isAppend: this.#random.isLikely(0.15) },
      touches: [],
      happened: () => {
        this.#handles.set(handle, path)
      },
    }
  }

  #useHandle(): GeneratedOperation | undefined {
    if (this.#handles.size === 0) return undefined
    const [handle, path] = this.#random.pick([...this.#handles])
    const at = { handle, offset: this.#offset() }
    const op = this.#random.weighted<() => Operation>([
      [() => ({ do: 'handleWrite', ...at, ...this.#data() }), 6],
      [() => ({ do: 'handleRead', ...at, length: this.#length() }), 2],
      [() => ({ do: 'handleTruncate', handle, size: at.offset }), 1],
      [() => ({ do: 'handleSync', handle }), 1],
      [() => ({ do: 'handleStat', handle }), 1],
    ])()
    return { op, touches: [path], happened: () => undefined }
  }

  #close(): GeneratedOperation | undefined {
    if (this.#handles.size === 0) return undefined
    return this.#closing(this.#random.pick([...this.#handles.keys()]))
  }

  #closing(handle: number): GeneratedOperation {
    return {
      op: { do: 'close', handle },
      touches: [],
      happened: () => {
        this.#handles.delete(handle)
      },
    }
  }

  // --- looking

  #read(): GeneratedOperation | undefined {
    const path = this.#pathOf('file')
    if (path === undefined) return undefined
    return looking({ do: 'read', path, offset: this.#offset(), length: this.#length() })
  }

  #stat(): GeneratedOperation | undefined {
    const path = this.#pathOf()
    return path === undefined ? undefined : looking({ do: 'stat', path })
  }

  #list(): GeneratedOperation {
    return looking({ do: 'list', path: this.model.pickDirectory(this.#random).path })
  }

  #making(path: string, kind: ModelNode['kind'], op: Operation): GeneratedOperation {
    return {
      op,
      touches: [path],
      happened: () => {
        if (this.model.nodeAt(path)?.kind !== kind) this.model.put(path, modelNode(kind))
      },
    }
  }

  #removing(path: string, how: string): GeneratedOperation {
    return {
      op: { do: how, path },
      touches: [path],
      happened: () => {
        this.model.remove(path)
      },
    }
  }
}

function plain(op: Operation): GeneratedOperation {
  return { op, touches: [String(op['path'])], happened: () => undefined }
}

function looking(op: Operation): GeneratedOperation {
  return { op, touches: [], happened: () => undefined }
}
