import { join } from 'node:path'
import type { SyncAdapter } from 'lowdb'
import type { ReplacedFile } from '../base/fault-points.js'
import type { Disk } from './disk.js'
import { readWholeFile } from './durable-file.js'
import { sealed, unsealed } from './sealed-json.js'
import { replaceInPlace } from './spare-file.js'

/** Means nothing behind a JSON value. */
const space = 0x20

/**
 * lowdb's own adapters leave it to luck whether what they wrote survives a power loss, and read what they find. This one
 * returns when it does, and tells when it is not what was written.
 */
export class DurableJsonFile<Data> implements SyncAdapter<Data> {
  readonly #disk: Disk
  readonly #directory: string
  readonly #name: ReplacedFile
  readonly #textOf: (data: Data) => string

  constructor(
    disk: Disk,
    directory: string,
    name: ReplacedFile,
    textOf = (data: Data) => JSON.stringify(data, null, 2),
  ) {
    this.#disk = disk
    this.#directory = directory
    this.#name = name
    this.#textOf = textOf
  }

  /** Null if there is no file. Throws SyntaxError for one that is not as it was written. */
  read(): Data | null {
    const bytes = readWholeFile(this.#disk, join(this.#directory, this.#name))
    return bytes === undefined ? null : (unsealed(bytes.toString('utf8')) as Data)
  }

  /** The fields of one that was written without a checksum; undefined: it is not one. */
  readUnsealed(): Record<string, unknown> | undefined {
    try {
      const bytes = readWholeFile(this.#disk, join(this.#directory, this.#name))
      const data: unknown = JSON.parse(bytes?.toString('utf8') ?? 'null')
      const isIt = typeof data === 'object' && data !== null && !('crc32c' in data)
      return isIt ? (data as Record<string, unknown>) : undefined
    } catch (error) {
      if (error instanceof SyntaxError) return undefined
      throw error
    }
  }

  write(data: Data): void {
    this.replace(this.textOf(data))
  }

  /** What `replace` takes. */
  textOf(data: Data): string {
    return sealed(this.#textOf(data))
  }

  replace(text: string): void {
    replaceInPlace(this.#disk, this.#directory, this.#name, Buffer.from(text), space)
  }
}

/** For people to read too. */
export function jsonBytes(data: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(data, null, 2)}\n`)
}
