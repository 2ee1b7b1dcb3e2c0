import type { IndexCursor } from './element-index.js'
import { isElementKey, Table } from './element-keys.js'
import { damaged } from './element-values.js'
import type { Database } from './lmdb-index.js'
import { indexErrorOf } from './lmdb-error.js'

interface Entry {
  key: Uint8Array
  value: Buffer
}

/**
 * lmdb makes an iterable for each range, which costs more than the seek itself: this one is made
 * once and iterated anew from another start.
 */
export class LmdbCursor implements IndexCursor {
  readonly #database: () => Database
  readonly #options: { start: Uint8Array; reverse: boolean }
  #source: Database | undefined
  #iterable: Iterable<Entry> | undefined
  #iterator: Iterator<Entry> | undefined
  #entry: Entry | undefined

  constructor(database: () => Database, isBackward: boolean) {
    this.#database = database
    this.#options = { start: new Uint8Array(0), reverse: isBackward }
  }

  get isAtEnd(): boolean {
    return this.#entry === undefined
  }

  get key(): Buffer {
    return this.#current().key as Buffer
  }

  get value(): Buffer {
    return this.#current().value
  }

  seek(key: Uint8Array): void {
    this.close()
    const database = this.#database()
    if (this.#iterable === undefined || database !== this.#source) {
      this.#iterable = database.getRange(this.#options)
      this.#source = database
    }
    this.#options.start = key
    this.#iterator = this.#iterable[Symbol.iterator]()
    this.advance()
  }

  advance(): void {
    try {
      const step = this.#iterator?.next()
      this.#entry = step === undefined || step.done === true ? undefined : step.value
      if (this.#entry !== undefined && !isPossible(this.#entry.key as Buffer)) throw damaged('key')
    } catch (error) {
      throw indexErrorOf(error)
    }
  }

  /** Must be called before the index changes. */
  close(): void {
    this.#iterator?.return?.()
    this.#iterator = undefined
    this.#entry = undefined
  }

  #current(): Entry {
    if (this.#entry === undefined) throw new Error('the cursor is at the end')
    return this.#entry
  }
}

/** LMDB gives what is on its pages: whoever takes a key apart relies on this. */
function isPossible(key: Buffer): boolean {
  return key[0] === Table.meta ? key.length === 1 : isElementKey(key, 0, key.length)
}
