import type { Disk } from '../disk.js'
import { readU64le } from '../integers.js'

/*
 * LMDB's file as FORMAT.md names it, read without LMDB: that trusts what it reads, and a damaged page may
 * take the process with it.
 */

const headerBytes = 24
const isBranch = 0x01
const isLeaf = 0x02
const isOverflow = 0x04
const isMeta = 0x08
const hasOverflow = 0x01
const nodeBytes = 8
const metaBytes = 168
const depthMax = 32
const noPage = 2 ** 64

interface Meta {
  pageBytes: number
  lastPage: number
  transaction: bigint
  /** Of the free pages, and of the entries. */
  roots: readonly [number, number]
  entries: number
}

/** The file is not what LMDB would have written. */
export class IndexDamage extends Error {
  override readonly name = 'IndexDamage'
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

/** Gets each entry in the order of the keys; both valid until the next. */
export type OnEntry = (key: Buffer, value: Buffer) => void

type OnNode = (key: Buffer, value: Buffer, pageOffset: number) => void

/** Visits every entry of the newest commit. Throws IndexDamage where the file makes no sense. */
export function visitIndexPages(disk: Disk, path: string, onEntry: OnEntry): void {
  const fd = disk.open(path, 'reading')
  try {
    new IndexPages(disk, fd).visit(onEntry)
  } finally {
    disk.close(fd)
  }
}

class IndexPages {
  readonly #disk: Disk
  readonly #fd: number
  readonly #sizeBytes: number
  readonly #meta: Meta
  /** One bit a page: a page that is reached twice is a circle, or two trees grown together. */
  readonly #seen: Uint8Array
  #lastKey: Buffer | undefined
  #entries = 0

  constructor(disk: Disk, fd: number) {
    this.#disk = disk
    this.#fd = fd
    this.#sizeBytes = disk.sizeOf(fd)
    this.#meta = this.#newestMeta()
    this.#seen = new Uint8Array(Math.ceil((this.#meta.lastPage + 1) / 8))
  }

  visit(onEntry: OnEntry): void {
    const [free, main] = this.#meta.roots
    // Its keys are numbers, in an order of their own.
    if (free !== noPage) this.#visitPage(free, 0, () => undefined)
    if (main !== noPage) {
      this.#visitPage(main, 0, (key, value, offset) => {
        if (this.#lastKey !== undefined && key.compare(this.#lastKey) <= 0) {
          throw new IndexDamage(offset, 'keys out of order')
        }
        this.#lastKey = Buffer.from(key)
        this.#entries++
        onEntry(key, value)
      })
    }
    if (this.#entries !== this.#meta.entries) {
      throw new IndexDamage(0, `${this.#entries} entries, and ${this.#meta.entries} by its head`)
    }
  }

  #newestMeta(): Meta {
    const first = this.#metaAt(0)
    const second = this.#metaAt(first.pageBytes)
    if (second.pageBytes !== first.pageBytes) throw new IndexDamage(0, 'two sizes of pages')
    return second.transaction > first.transaction ? second : first
  }

  #metaAt(offset: number): Meta {
    const bytes = Buffer.alloc(metaBytes)
    if (this.#disk.read(this.#fd, bytes, 0, metaBytes, offset) < metaBytes) {
      throw new IndexDamage(offset, 'the file ends inside its head')
    }
    const pageBytes = bytes.readUInt32LE(48)
    const isSound =
      bytes.readUInt32LE(24) === 0xbeefc0de &&
      bytes.readUInt32LE(28) === 2 &&
      (bytes.readUInt16LE(18) & isMeta) !== 0 &&
      pageBytes >= 4096 &&
      pageBytes <= 65536
    if (!isSound) throw new IndexDamage(offset, 'no head of an index')
    const lastPage = readU64le(bytes, 144)
    if ((lastPage + 1) * pageBytes > this.#sizeBytes) {
      throw new IndexDamage(offset, 'shorter than its head says')
    }
    const roots = [readU64le(bytes, 88), readU64le(bytes, 136)] as const
    const transaction = bytes.readBigUInt64LE(152)
    return { pageBytes, lastPage, transaction, roots, entries: readU64le(bytes, 128) }
  }

  #visitPage(number: number, depth: number, onEntry: OnNode): void {
    const page = this.#page(number, 1)
    const offset = number * this.#meta.pageBytes
    const flags = page.readUInt16LE(18)
    const lower = page.readUInt16LE(20)
    const upper = page.readUInt16LE(22)
    const isRight =
      (flags === isBranch || flags === isLeaf) &&
      lower <= upper &&
      upper + headerBytes <= page.length &&
      lower % 2 === 0
    if (!isRight || depth > depthMax) throw new IndexDamage(offset, 'a page that is none')
    for (let at = 0; at < lower; at += 2) {
      const node = page.readUInt16LE(headerBytes + at) + headerBytes
      if (node < headerBytes + upper || node + nodeBytes > page.length) {
        throw new IndexDamage(offset, 'an entry outside of its page')
      }
      const keyEnd = node + nodeBytes + page.readUInt16LE(node + 6)
      if (keyEnd > page.length) throw new IndexDamage(offset, 'a key outside of its page')
      if (flags === isBranch) this.#visitPage(childOf(page, node), depth + 1, onEntry)
      else this.#visitLeaf(page, offset, node, keyEnd, onEntry)
    }
  }

  #visitLeaf(page: Buffer, offset: number, node: number, keyEnd: number, onEntry: OnNode): void {
    const key = page.subarray(node + nodeBytes, keyEnd)
    const flags = page.readUInt16LE(node + 4)
    const valueBytes = page.readUInt32LE(node)
    if ((flags & ~hasOverflow) !== 0) throw new IndexDamage(offset, 'an entry of another kind')
    if (flags === 0) {
      if (keyEnd + valueBytes > page.length) throw new IndexDamage(offset, 'a value cut off')
      onEntry(key, page.subarray(keyEnd, keyEnd + valueBytes), offset)
      return
    }
    if (keyEnd + 24 > page.length) throw new IndexDamage(offset, 'a value cut off')
    const pages = Math.ceil((headerBytes + valueBytes) / this.#meta.pageBytes)
    const value = this.#page(readU64le(page, keyEnd), pages)
    if (value.readUInt16LE(18) !== isOverflow || value.readUInt32LE(20) < pages) {
      throw new IndexDamage(offset, 'a value that is none')
    }
    onEntry(key, value.subarray(headerBytes, headerBytes + valueBytes), offset)
  }

  #page(number: number, count: number): Buffer {
    const { pageBytes, lastPage } = this.#meta
    if (number < 2 || number + count - 1 > lastPage) {
      throw new IndexDamage(0, `page ${number} is not in the file`)
    }
    const offset = number * pageBytes
    for (let each = number; each < number + count; each++) {
      const bit = 1 << (each & 7)
      if (((this.#seen[each >>> 3] ?? 0) & bit) !== 0) {
        throw new IndexDamage(offset, `page ${each} is used twice`)
      }
      this.#seen[each >>> 3] = (this.#seen[each >>> 3] ?? 0) | bit
    }
    const page = Buffer.allocUnsafe(count * pageBytes)
    if (this.#disk.read(this.#fd, page, 0, page.length, offset) < page.length) {
      throw new IndexDamage(offset, 'a page that is cut off')
    }
    if (readU64le(page, 0) !== number) throw new IndexDamage(offset, 'a page in a wrong place')
    return page
  }
}

function childOf(page: Buffer, node: number): number {
  return page.readUInt32LE(node) + page.readUInt16LE(node + 4) * 2 ** 32
}
