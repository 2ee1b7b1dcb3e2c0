import { ftruncateSync } from 'node:fs'
import { checked, isErrno } from './errno.js'
import type { Native } from './native.js'

const headerBytes = 16
const firstBytes = 64 * 1024

/**
 * A log in memory that outlives this process: bytes are appended, and count, all at once, when they are
 * committed. Layout: u32 bytes committed, the header included; 12 bytes of zeros; the log.
 *
 * `bytes` and `view` are over the memory as it is now: take them anew after `reserve`.
 */
export class SharedLog {
  fd: number
  view: DataView
  bytes: Buffer
  /** Where the next byte goes, committed or not. */
  end: number

  readonly #native: Native
  #committed: Int32Array

  private constructor(native: Native, fd: number, memory: ArrayBuffer, end: number) {
    this.fd = fd
    this.#native = native
    this.view = new DataView(memory)
    this.bytes = Buffer.from(memory)
    this.#committed = new Int32Array(memory, 0, 1)
    this.end = end
  }

  static create(native: Native, bytes = firstBytes): SharedLog {
    const fd = checked(native.memoryFile('bygone-session'), 'memory for the session')
    ftruncateSync(fd, bytes)
    const log = new SharedLog(native, fd, mapped(native, fd, bytes), headerBytes)
    log.commit()
    return log
  }

  /** undefined: there is no descriptor left for it. */
  static createBeside(native: Native): SharedLog | undefined {
    try {
      return SharedLog.create(native)
    } catch (error) {
      if (isErrno(error, 'EMFILE', 'ENFILE', 'ENOMEM')) return undefined
      throw error
    }
  }

  /** A predecessor's; what it had not committed is not there. */
  static open(native: Native, fd: number, fileBytes: number): SharedLog {
    const memory = mapped(native, fd, fileBytes)
    const end = new DataView(memory).getUint32(0, true)
    if (end < headerBytes || end > fileBytes) throw new Error('the session log is damaged')
    return new SharedLog(native, fd, memory, end)
  }

  get start(): number {
    return headerBytes
  }

  /** Makes room for so many bytes at `end`, which are zeros or what an uncommitted append has left. */
  reserve(bytes: number): void {
    if (this.end + bytes <= this.bytes.length) return
    const wanted = Math.max(this.bytes.length * 1.5, this.end + bytes)
    const grown = Math.ceil(wanted / firstBytes) * firstBytes
    ftruncateSync(this.fd, grown)
    const memory = mapped(this.#native, this.fd, grown)
    this.view = new DataView(memory)
    this.bytes = Buffer.from(memory)
    this.#committed = new Int32Array(memory, 0, 1)
  }

  /** Takes the place of another log, at once and under the number of its descriptor. */
  replace(former: SharedLog): void {
    checked(this.#native.duplicateTo(this.fd, former.fd), 'replace the session log')
    this.#native.close(this.fd)
    this.fd = former.fd
  }

  commit(): void {
    Atomics.store(this.#committed, 0, this.end)
  }
}

function mapped(native: Native, fd: number, bytes: number): ArrayBuffer {
  const memory = native.mapShared(fd, bytes)
  if (typeof memory === 'number') checked(memory, 'map the session log')
  return memory as ArrayBuffer
}
