import { join } from 'node:path'
import type { SyncAdapter } from 'lowdb'
import type { ReplacedFile } from '../base/fault-points.js'
import type { Disk } from './disk.js'
import { readWholeFile } from './durable-file.js'
import { replaceInPlace } from './spare-file.js'

/** Means nothing behind a JSON value. */
const space = 0x20

/**
 * lowdb's own adapters leave it to luck whether what they wrote survives a power loss. This one
 * returns when it does.
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

  /** Null if there is no file. Throws SyntaxError for what is not JSON, or only 'null'. */
  read(): Data | null {
    const bytes = readWholeFile(this.#disk, join(this.#directory, this.#name))
    if (bytes === undefined) return null
    const data = JSON.parse(bytes.toString('utf8')) as Data | null
    if (data === null) throw new SyntaxError('null')
    return data
  }

  write(data: Data): void {
    const text = Buffer.from(`${this.#textOf(data)}
`)
    replaceInPlace(this.#disk, this.#directory, this.#name, text, space)
  }
}

/** For people to read too. */
export function jsonBytes(data: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(data, null, 2)}\n`)
}
