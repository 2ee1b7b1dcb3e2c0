import type { ByteString } from '../base/bytes.js'
import { newEntry } from './blank.js'
import type { DirectorySink, Entry } from './file-system.js'
import type { ReplyWriter } from './reply-writer.js'
import { Dirent, EntryOut } from './structs.js'

/** Collects directory entries straight in the reply buffer, for READDIR or READDIRPLUS. */
export class DirectoryReply implements DirectorySink {
  readonly entry: Entry = newEntry()
  /** What is in the reply so far. */
  bytes = 0

  readonly #reply: ReplyWriter
  #bytesMax = 0
  #isPlus = false

  constructor(reply: ReplyWriter) {
    this.#reply = reply
  }

  begin(bytesMax: number, isPlus: boolean): void {
    this.#bytesMax = Math.min(bytesMax, this.#reply.bodyBytesMax)
    this.#isPlus = isPlus
    this.bytes = 0
    this.entry.node = 0
    this.entry.generation = 0
  }

  add(
    name: ByteString,
    inoHigh: number,
    inoLow: number,
    type: number,
    nextOffset: number,
  ): boolean {
    if (!this.hasRoom(name.length)) return false
    if (this.#isPlus) {
      // Node 0: the kernel takes the name, and looks it up itself when it is needed.
      this.#reply.zero(this.bytes, EntryOut.bytes)
      this.bytes += EntryOut.bytes
    }
    this.#putDirent(name, inoHigh, inoLow, type, nextOffset)
    return true
  }

  hasRoom(nameBytes: number): boolean {
    return this.bytes + recordBytes(nameBytes, this.#isPlus) <= this.#bytesMax
  }

  addEntry(name: ByteString, type: number, nextOffset: number): void {
    if (!this.hasRoom(name.length)) throw new Error('addEntry without asking hasRoom')
    const entry = this.entry
    if (this.#isPlus) {
      if (entry.node === 0) this.#reply.zero(this.bytes, EntryOut.bytes)
      else this.#reply.putEntry(this.bytes, entry)
      this.bytes += EntryOut.bytes
    }
    this.#putDirent(name, entry.attributes.inoHigh, entry.attributes.inoLow, type, nextOffset)
  }

  #putDirent(
    name: ByteString,
    inoHigh: number,
    inoLow: number,
    type: number,
    nextOffset: number,
  ): void {
    const at = this.bytes
    const reply = this.#reply
    const bytes = aligned(Dirent.bytes + name.length)
    // The padding behind the name lies in the last 8 bytes, where no earlier reply may show.
    reply.putU64(at + bytes - 8, 0)
    reply.putU32(at + Dirent.ino, inoLow)
    reply.putU32(at + Dirent.ino + 4, inoHigh)
    reply.putU64(at + Dirent.nextOffset, nextOffset)
    reply.putU32(at + Dirent.nameBytes, name.length)
    reply.putU32(at + Dirent.type, type)
    reply.putString(at + Dirent.name, name)
    this.bytes = at + bytes
  }
}

function recordBytes(nameBytes: number, isPlus: boolean): number {
  return (isPlus ? EntryOut.bytes : 0) + aligned(Dirent.bytes + nameBytes)
}

function aligned(bytes: number): number {
  return (bytes + 7) & ~7
}
