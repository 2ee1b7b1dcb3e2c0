import type {
  ApplySize,
  ElementIndex,
  IndexCursor,
  PutSink,
  RemoveSink,
} from '../../../src/store/element-index.js'
import { crc32cOf } from '../../../src/store/checksum.js'
import { checkpointKey, checkpointOf, checkpointValue } from '../../../src/store/checkpoint.js'
import type { JournalPosition } from '../../../src/store/journal.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from '../../../src/store/puts.js'
import type { SimDisk } from './sim-disk.js'

const headBytes = 168
const pageBytes = 4096
const logStart = 2 * pageBytes
const transactionHeaderBytes = 8

/** The engine trusts an index that it must not: LMDB could have crashed, or told anything. */
export class TrustedDamagedIndex extends Error {}

/**
 * The elements in memory, and in a file that stands for LMDB's: two meta pages that say which transaction is the
 * newest, and behind them all transactions. Like LMDB without syncing it writes through the page cache: a killed process
 * leaves a prefix of the transactions, a power loss anything.
 */
export class SimIndex implements ElementIndex {
  readonly #disk: SimDisk
  readonly #directory: string
  #fd: number
  readonly #values = new Map<string, Buffer>()
  #keys: string[] = []
  #transaction = 0
  #end = logStart
  #isClosed = false

  private constructor(disk: SimDisk, directory: string, fd: number) {
    this.#disk = disk
    this.#directory = directory
    this.#fd = fd
  }

  static open(disk: SimDisk, directory: string, name = 'data.mdb'): SimIndex {
    const fd = disk.open(`${directory}/${name}`, 'make')
    const index = new SimIndex(disk, directory, fd)
    if (disk.sizeOf(fd) < logStart) index.#begin()
    else index.#load()
    return index
  }

  checkpoint(): JournalPosition | undefined {
    return checkpointOf(this.get(checkpointKey))
  }

  get(key: Buffer): Buffer | undefined {
    const value = this.#values.get(key.toString('latin1'))
    return value && Buffer.from(value)
  }

  seek(key: Buffer): IndexCursor {
    return this.#cursor(key, 1)
  }

  seekBackward(key: Buffer): IndexCursor {
    return this.#cursor(key, -1)
  }

  apply(_size: ApplySize, fill: (put: PutSink, remove: RemoveSink) => JournalPosition): void {
    const runs: Buffer[] = []
    const position = fill(
      (puts, start, end) => {
        runs.push(Buffer.from(puts.subarray(start, end)))
      },
      // A put of nothing: no value is as short.
      (key) => {
        runs.push(putOf(key, Buffer.alloc(0)))
      },
    )
    const body = Buffer.concat([...runs, checkpointPut(position)])
    const header = Buffer.alloc(transactionHeaderBytes)
    header.writeUInt32LE(body.length, 0)
    header.writeUInt32LE(crc32cOf(body, 0, body.length, 0), 4)
    const end = this.#end + header.length + body.length
    const padding = Buffer.alloc(Math.ceil(end / pageBytes) * pageBytes - end)
    this.#disk.write(this.#fd, Buffer.concat([header, body, padding]), this.#end)
    this.#end = end
    this.#transaction++
    this.#writeMeta()
    this.#take(body)
  }

  /** As soon as two transactions could be one. */
  shrink(): void {
    const position = this.checkpoint()
    if (position === undefined || this.#transaction < 2) return
    const [old, name] = [`${this.#directory}/data.mdb`, 'data.mdb.new']
    this.#disk.remove(`${this.#directory}/${name}`)
    const copy = SimIndex.open(this.#disk, this.#directory, name)
    copy.apply({ entries: 0, bytes: 0 }, (put) => {
      for (const [key, value] of this.#values) {
        const run = putOf(Buffer.from(key, 'latin1'), value)
        put(run, 0, run.length)
      }
      return position
    })
    this.#disk.sync(copy.#fd)
    copy.close()
    this.#disk.rename(`${this.#directory}/${name}`, old)
    this.#disk.close(this.#fd)
    this.#fd = this.#disk.open(old, 'writing')
  }

  close(): void {
    if (!this.#isClosed) this.#disk.close(this.#fd)
    this.#isClosed = true
  }

  #begin(): void {
    this.#disk.write(this.#fd, Buffer.alloc(logStart), 0)
    this.#writeMeta()
    this.#writeMeta(1)
  }

  #writeMeta(page = this.#transaction % 2): void {
    const head = Buffer.alloc(headBytes)
    head.writeUInt32LE(0xbeefc0de, 24)
    head.writeUInt32LE(2, 28)
    head.writeUInt32LE(pageBytes, 48)
    head.writeBigUInt64LE(BigInt(Math.ceil(this.#end / pageBytes) - 1), 144)
    head.writeBigUInt64LE(BigInt(this.#transaction), 152)
    head.writeBigUInt64LE(BigInt(this.#end), 160)
    // As LMDB relies on.
    this.#disk.writeInPage(this.#fd, head, page * pageBytes)
  }

  #load(): void {
    const file = Buffer.alloc(this.#disk.sizeOf(this.#fd))
    this.#disk.read(this.#fd, file, 0, file.length, 0)
    for (const at of [0, pageBytes]) {
      const transaction = Number(file.readBigUInt64LE(at + 152))
      if (at > 0 && transaction < this.#transaction) continue
      this.#transaction = transaction
      this.#end = Number(file.readBigUInt64LE(at + 160))
    }
    if (this.#end < logStart || this.#end > file.length) throw new TrustedDamagedIndex('its end')
    let count = 0
    for (let at = logStart; at < this.#end; count++) {
      const start = at + transactionHeaderBytes
      const end = start + file.readUInt32LE(at)
      const isSound =
        end <= this.#end && crc32cOf(file, start, end, 0) === file.readUInt32LE(at + 4)
      if (!isSound) throw new TrustedDamagedIndex(`transaction ${count + 1} is torn`)
      this.#take(file.subarray(start, end))
      at = end
    }
    this.#damage()
    if (count !== this.#transaction) throw new TrustedDamagedIndex('transactions are missing')
  }

  #damage(): void {
    const random = this.#disk.indexDamage
    if (random === undefined || this.#values.size === 0) return
    const key = random.pick(this.#sortedKeys())
    const value = Buffer.from(this.#values.get(key) ?? [])
    const at = random.below(value.length)
    value.writeUInt8(value.readUInt8(at) ^ (1 << random.below(8)), at)
    this.#values.set(key, value)
  }

  #take(puts: Buffer): void {
    for (let at = 0; at < puts.length; at = endOfPut(puts, at)) {
      const valueStart = valueStartOfPut(puts, at)
      const key = puts.toString('latin1', at + putHeaderBytes, valueStart)
      const value = puts.subarray(valueStart, endOfPut(puts, at))
      if (value.length === 0) this.#values.delete(key)
      else this.#values.set(key, value)
    }
    this.#keys = []
  }

  /** Sorted. */
  #sortedKeys(): readonly string[] {
    if (this.#keys.length !== this.#values.size) this.#keys = [...this.#values.keys()].sort()
    return this.#keys
  }

  #cursor(key: Uint8Array, step: 1 | -1): IndexCursor {
    return new SimCursor(this.#sortedKeys(), this.#values, key, step)
  }
}

class SimCursor implements IndexCursor {
  readonly #keys: readonly string[]
  readonly #values: ReadonlyMap<string, Buffer>
  readonly #step: 1 | -1
  #at = 0

  constructor(
    keys: readonly string[],
    values: ReadonlyMap<string, Buffer>,
    key: Uint8Array,
    step: 1 | -1,
  ) {
    this.#keys = keys
    this.#values = values
    this.#step = step
    this.seek(key)
  }

  get isAtEnd(): boolean {
    return this.#keys[this.#at] === undefined
  }

  get key(): Buffer {
    return Buffer.from(this.#keyHere(), 'latin1')
  }

  get value(): Buffer {
    const value = this.#values.get(this.#keyHere())
    if (value === undefined) throw new Error('a key without a value')
    return Buffer.from(value)
  }

  seek(key: Uint8Array): void {
    const wanted = Buffer.from(key).toString('latin1')
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] ?? '') < wanted) low = middle + 1
      else high = middle
    }
    const isThere = this.#keys[low] === wanted
    this.#at = this.#step > 0 || isThere ? low : low - 1
  }

  advance(): void {
    this.#at += this.#step
  }

  #keyHere(): string {
    const key = this.#keys[this.#at]
    if (key === undefined) throw new Error('the cursor is at the end')
    return key
  }
}

function checkpointPut(position: JournalPosition): Buffer {
  return putOf(checkpointKey, checkpointValue(position))
}

function putOf(key: Uint8Array, value: Uint8Array): Buffer {
  const header = Buffer.alloc(putHeaderBytes)
  header.writeUInt16LE(key.length, 0)
  header.writeUInt32LE(value.length, 2)
  return Buffer.concat([header, key, value])
}
