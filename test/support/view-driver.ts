import { Attributes } from '../../src/base/attributes.js'
import type { ByteString } from '../../src/base/bytes.js'
import { fsErrorOf, isErrno } from '../../src/base/errno.js'
import { native } from '../../src/base/native.js'
import { O } from '../../src/base/open-flags.js'
import { ReadPlan } from '../../src/base/read-plan.js'
import { newAttributeChange, newEntry, newOpenReply } from '../../src/fuse/blank.js'
import type { AttributeChange, Caller, FileSystem } from '../../src/fuse/file-system.js'

const caller: Caller = {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  pid: 1,
  umask: 0o022,
}

export interface Found {
  readonly node: number
  readonly attributes: Attributes
}

/**
 * Stands in for the kernel: walks paths by lookups, opens, reads and writes as the transport does, and
 * gives every lookup back. So a view is driven without a mount, in one process, by one seed.
 */
export class ViewDriver {
  readonly #view: FileSystem
  readonly #lookups = new Map<number, number>()

  constructor(view: FileSystem) {
    this.#view = view
  }

  /** The node under a path of names joined by '/', '' is the root; undefined if there is none. */
  find(path: string): Found | undefined {
    let node = 1
    const attributes = new Attributes()
    for (const name of path.split('/')) {
      if (name === '') continue
      const entry = newEntry()
      try {
        this.#view.lookup(node, name as ByteString, caller, entry)
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return undefined
        throw error
      }
      if (entry.node === 0) return undefined
      this.#count(entry.node)
      node = entry.node
    }
    this.#view.getattr(node, undefined, { attributes, attributesTtlMs: 0 })
    return { node, attributes }
  }

  attributesOf(node: number): Attributes {
    const attributes = new Attributes()
    this.#view.getattr(node, undefined, { attributes, attributesTtlMs: 0 })
    return attributes
  }

  must(path: string): number {
    const found = this.find(path)
    if (found === undefined) throw new Error(`no ${path}`)
    return found.node
  }

  /** Takes all lookups back, as a kernel short of memory does. */
  forgetAll(): void {
    for (const [node, lookups] of this.#lookups) this.#view.forget(node, lookups)
    this.#lookups.clear()
  }

  create(directory: string, name: string, mode: number): number {
    const entry = newEntry()
    const reply = newOpenReply()
    const flags = O.RDWR | O.EXCL
    const parent = this.must(directory)
    this.#view.create(parent, name as ByteString, flags, mode, caller, entry, reply)
    this.#count(entry.node)
    return reply.handle
  }

  createUnnamed(directory: string, mode: number): { node: number; handle: number } {
    const entry = newEntry()
    const reply = newOpenReply()
    this.#view.tmpfile(this.must(directory), O.RDWR, mode, caller, entry, reply)
    this.#count(entry.node)
    return { node: entry.node, handle: reply.handle }
  }

  linkNode(node: number, directory: string, name: string): void {
    const entry = newEntry()
    this.#view.link(node, this.must(directory), name as ByteString, caller, entry)
    this.#count(entry.node)
  }

  open(path: string, flags = O.RDWR): number {
    const reply = newOpenReply()
    this.#view.open(this.must(path), flags, caller, reply)
    return reply.handle
  }

  write(handle: number, offset: number, bytes: Uint8Array): void {
    const fd = this.#view.prepareWrite(handle, offset, bytes.length, undefined)
    const written = native().writeAt(fd, bytes, offset)
    if (written !== bytes.length) throw new Error(`wrote ${written} of ${bytes.length}`)
  }

  close(handle: number): void {
    this.#view.release(handle)
  }

  truncate(path: string, sizeBytes: number): void {
    this.#change(path, { sizeBytes })
  }

  chmod(path: string, mode: number): void {
    this.#change(path, { mode })
  }

  chown(path: string, uid: number, gid: number): void {
    this.#change(path, { uid, gid })
  }

  utimes(path: string, mtimeSec: number, mtimeNsec: number): void {
    this.#change(path, { mtimeSec, mtimeNsec })
  }

  setXattr(path: string, name: string, value: string): void {
    this.#view.setxattr(this.must(path), name as ByteString, Buffer.from(value), 0, caller)
  }

  removeXattr(path: string, name: string): void {
    this.#view.removexattr(this.must(path), name as ByteString, caller)
  }

  mkdir(directory: string, name: string): void {
    const entry = newEntry()
    this.#view.mkdir(this.must(directory), name as ByteString, 0o755, caller, entry)
    this.#count(entry.node)
  }

  symlink(directory: string, name: string, target: string): void {
    const entry = newEntry()
    const parent = this.must(directory)
    this.#view.symlink(parent, name as ByteString, target as ByteString, caller, entry)
    this.#count(entry.node)
  }

  link(path: string, directory: string, name: string): void {
    const entry = newEntry()
    const node = this.must(path)
    this.#view.link(node, this.must(directory), name as ByteString, caller, entry)
    this.#count(entry.node)
  }

  unlink(directory: string, name: string): void {
    this.#view.unlink(this.must(directory), name as ByteString, caller)
  }

  rmdir(directory: string, name: string): void {
    this.#view.rmdir(this.must(directory), name as ByteString, caller)
  }

  rename(directory: string, name: string, newDirectory: string, newName: string, flags = 0): void {
    const from = this.must(directory)
    const to = this.must(newDirectory)
    this.#view.rename(from, name as ByteString, to, newName as ByteString, flags, caller)
  }

  fallocate(handle: number, mode: number, offset: number, length: number): void {
    this.#view.fallocate(handle, mode, offset, length, caller)
  }

  list(path: string): string[] {
    const { names, isWhole } = this.listLeft(path)
    if (!isWhole) throw new Error(`the listing of ${path} is not whole`)
    return names
  }

  /** What is left of a directory's names, and whether that is all. */
  listLeft(path: string): { names: string[]; isWhole: boolean } {
    const names: string[] = []
    const reply = newOpenReply()
    try {
      this.#view.opendir(this.must(path), caller, reply)
      let offset = 0
      for (let from = -1; offset > from;) {
        from = offset
        this.#view.readdir(reply.handle, offset, {
          add: (name, _high, _low, _type, next) => {
            if (name !== '.' && name !== '..') names.push(name)
            offset = next
            return true
          },
          hasRoom: () => true,
          entry: newEntry(),
          addEntry: () => undefined,
        })
      }
      return { names: names.sort(), isWhole: true }
    } catch (error) {
      if (!isErrno(error, 'EIO')) throw error
      return { names: names.sort(), isWhole: false }
    } finally {
      if (reply.handle !== 0) this.#view.releasedir(reply.handle)
    }
  }

  /** Bytes of a file, of which that many are there. Throws EIO where they are lost. */
  readAt(path: string, offset: number, length: number): Buffer {
    const reply = newOpenReply()
    this.#view.open(this.must(path), O.RDONLY, caller, reply)
    try {
      const plan = new ReadPlan()
      const bytes = Buffer.alloc(length)
      this.#view.planRead(reply.handle, offset, length, plan)
      const read = native().readByPlan(plan.words, plan.pieceCount, plan.offset, offset, bytes)
      if (read !== length) throw fsErrorOf(read < 0 ? read : -5, `read ${read} of ${length} bytes`)
      return bytes
    } finally {
      this.#view.release(reply.handle)
    }
  }

  read(path: string): Buffer {
    const found = this.find(path)
    if (found === undefined) throw new Error(`no ${path}`)
    const reply = newOpenReply()
    this.#view.open(found.node, O.RDONLY, caller, reply)
    const buffer = Buffer.alloc(found.attributes.sizeBytes)
    const plan = new ReadPlan()
    for (let offset = 0; offset < buffer.length;) {
      this.#view.planRead(reply.handle, offset, buffer.length - offset, plan)
      const count = native().readByPlan(
        plan.words,
        plan.pieceCount,
        plan.offset,
        offset,
        buffer.subarray(offset, Math.min(buffer.length, plan.offset + plan.lengthBytes)),
      )
      if (count <= 0) throw new Error(`read of ${path} at ${offset}: ${count}`)
      offset += count
    }
    this.#view.release(reply.handle)
    return buffer
  }

  readlink(path: string): string {
    return this.#view.readlink(this.must(path))
  }

  xattrs(path: string): Record<string, string> {
    const node = this.must(path)
    const names = Buffer.from(this.#view.listxattr(node, caller)).toString('latin1').split('\0')
    const found: Record<string, string> = {}
    for (const name of names.filter((each) => each.startsWith('user.'))) {
      found[name] = Buffer.from(this.#view.getxattr(node, name as ByteString)).toString()
    }
    return found
  }

  #change(path: string, change: Partial<AttributeChange>): void {
    const reply = { attributes: new Attributes(), attributesTtlMs: 0 }
    const node = this.must(path)
    this.#view.setattr(node, undefined, { ...newAttributeChange(), ...change }, caller, reply)
  }

  #count(node: number): void {
    this.#lookups.set(node, (this.#lookups.get(node) ?? 0) + 1)
  }
}
