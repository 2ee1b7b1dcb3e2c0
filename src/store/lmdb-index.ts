import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Lmdb from 'lmdb'
import type { RootDatabase } from 'lmdb'
import { FsError, isErrno } from '../base/errno.js'
import { faultPoint } from '../base/fault-point.js'
import { checkpointKey, checkpointOf, checkpointValue } from './checkpoint.js'
import { codeOf } from './durable-file.js'
import type { ApplySize, ElementIndex, PutSink, RemoveSink } from './element-index.js'
import { LmdbCursor } from './lmdb-cursor.js'
import { indexErrorOf, writeErrorOf } from './lmdb-error.js'
import { dataName } from './index-state.js'
import { openBeside } from './lmdb-place.js'
import { copyName, shrinkIndex } from './lmdb-shrink.js'
import { secureRoom } from './lmdb-room.js'
import type { JournalPosition } from './journal.js'
import { endOfPut, putHeaderBytes, valueStartOfPut } from './puts.js'

export type Database = RootDatabase<Buffer, Uint8Array>

/**
 * Address space, not memory or disk: some 2,000 million elements. LMDB would grow the map
 * by itself, but must copy what it holds to do so.
 */
const mapBytes = 2 ** 38

/** Loaded with the first index: commands that open none need not wait for it. */
function lmdb(): typeof Lmdb {
  const require = createRequire(import.meta.url)
  return require('lmdb') as typeof Lmdb
}

/** In LMDB, which never syncs here and trusts its file blindly. */
export class LmdbIndex implements ElementIndex {
  readonly #directory: string
  /**
   * Undefined after a transaction failed: LMDB refuses, or worse, to go on with that environment.
   */
  #database: Database | undefined
  /** Whether the read transaction sees the newest commit. */
  #isFresh = false
  readonly #cursor: LmdbCursor
  readonly #backward: LmdbCursor

  private constructor(directory: string) {
    this.#directory = directory
    this.#cursor = new LmdbCursor(() => this.#forReading(), false)
    this.#backward = new LmdbCursor(() => this.#forReading(), true)
  }

  /** Opens or makes it. What lies there must be sound: LMDB does not check. */
  static open(directory: string): LmdbIndex {
    const index = new LmdbIndex(directory)
    index.#forReading()
    return index
  }

  checkpoint(): JournalPosition | undefined {
    return checkpointOf(this.get(checkpointKey))
  }

  get(key: Buffer): Buffer | undefined {
    try {
      const value = this.#forReading().getBinaryFast(key)
      // What it gives out says how long it is, and is longer to equals() and its like.
      return value?.subarray(0, value.length)
    } catch (error) {
      throw indexErrorOf(error)
    }
  }

  seek(key: Buffer): LmdbCursor {
    this.#cursor.seek(key)
    return this.#cursor
  }

  seekBackward(key: Buffer): LmdbCursor {
    this.#backward.seek(key)
    return this.#backward
  }

  apply(size: ApplySize, fill: (put: PutSink, remove: RemoveSink) => JournalPosition): void {
    this.#secureRoom(size)
    const database = this.#forReading()
    // Else this reader would keep the pages that the transaction frees.
    this.#closeCursors()
    database.resetReadTxn()
    this.#isFresh = false
    try {
      database.transactionSync(() => {
        const position = fill(
          (puts, start, end) => {
            putAll(database, puts, start, end)
          },
          (key) => {
            database.removeSync(key)
          },
        )
        database.putSync(checkpointKey, checkpointValue(position))
        faultPoint('index.commit.filled')
      })
    } catch (error) {
      this.close()
      throw writeErrorOf(error, this.#directory)
    }
  }

  #secureRoom(size: ApplySize): void {
    try {
      secureRoom(join(this.#directory, dataName), size)
    } catch (error) {
      throw indexErrorOf(error)
    }
  }

  shrink(): void {
    this.#closeCursors()
    try {
      const open = (name: string) =>
        openBeside(this.#directory, name, (path) => openAt(path, false))
      if (shrinkIndex(this.#directory, this.#forReading(), open)) this.close()
    } catch (error) {
      // Nothing was written to the index itself: as it is it serves as well, only larger.
      const found = indexErrorOf(error)
      if (!(found instanceof FsError)) throw found
    }
  }

  close(): void {
    this.#closeCursors()
    this.#isFresh = false
    // Resolved already: nothing asynchronous was ever begun.
    void this.#database?.close()
    this.#database = undefined
  }

  #closeCursors(): void {
    this.#cursor.close()
    this.#backward.close()
  }

  #forReading(): Database {
    this.#database ??= openDatabase(this.#directory)
    if (!this.#isFresh) beginReading(this.#database)
    this.#isFresh = true
    return this.#database
  }
}

/** On a disk that has become read-only what is there can still be read. */
function openDatabase(directory: string): Database {
  try {
    rmSync(join(directory, copyName), { force: true })
    return openBeside(directory, dataName, (path) => openAt(path, false))
  } catch (error) {
    const isReadOnly = codeOf(error) === 'EROFS' || isErrno(indexErrorOf(error), 'EROFS')
    if (!isReadOnly) throw indexErrorOf(error)
    return tryReadOnly(directory)
  }
}

function openAt(path: string, readOnly: boolean): Database {
  return lmdb().open<Buffer, Uint8Array>(path, {
    readOnly,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: mapBytes,
    maxDbs: 1,
    noSync: true,
  })
}

function tryReadOnly(directory: string): Database {
  try {
    return openAt(directory, true)
  } catch (error) {
    throw indexErrorOf(error)
  }
}

/**
 * lmdb begins a read transaction with the first read and sets a timer to end it, which never runs
 * on a thread without an event loop: each would be a small leak. Here the transaction is ended by
 * apply, so no timer is let set.
 */
function beginReading(database: Database): void {
  const { setTimeout } = globalThis
  const instead = (): true => true
  globalThis.setTimeout = instead as unknown as typeof setTimeout
  try {
    database.resetReadTxn()
    ;(database as unknown as { ensureReadTxn(): void }).ensureReadTxn()
  } finally {
    globalThis.setTimeout = setTimeout
  }
}

function putAll(database: Database, puts: Buffer, start: number, end: number): void {
  for (let at = start; at < end;) {
    const keyStart = at + putHeaderBytes
    const valueStart = valueStartOfPut(puts, at)
    const putEnd = endOfPut(puts, at)
    database.putSync(
      view(puts, keyStart, valueStart - keyStart),
      view(puts, valueStart, putEnd - valueStart) as Buffer,
    )
    at = putEnd
  }
}

/** Cheaper than Buffer.subarray, and here each put needs two. */
function view(of: Buffer, at: number, bytes: number): Uint8Array {
  return new Uint8Array(of.buffer, of.byteOffset + at, bytes)
}
