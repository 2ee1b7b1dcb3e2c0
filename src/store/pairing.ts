import { randomBytes } from 'node:crypto'
import { Failure } from '../base/failure.js'
import type { Disk } from './disk.js'
import { codeOf, readAll } from './durable-file.js'
import { DurableJsonFile } from './durable-json-file.js'
import { FieldCheck, FieldError } from './field-check.js'
import { failureOfSystem } from './store-failure.js'

/*
 * Whether an origin and a volume's store are of one time, drawn in FORMAT.md: both hold the same word at random, a
 * new one whenever a session begins or ends. One that was restored from a copy, or is a copy, has an older
 * word: the store knows nothing of what was changed in it, and snapshots would show that as their own.
 */

const format = 'bygone-pairing'
const version = 1
const storeName = 'pairing.json'
const originName = 'pairing'
const tokenBytes = 8
const pattern = /^[0-9a-f]{16}$/
/** Where the origin can't take a new word it keeps the old one: what else can be changed in it then? */
const unwritable = ['ENOSPC', 'EDQUOT', 'EROFS']

interface PairingData {
  token: string
  /** On its way to the origin, which may have it already or not yet. */
  next: string | null
}

export class Pairing {
  readonly #disk: Disk
  readonly #file: DurableJsonFile<unknown>
  /** ORIGIN/.bygone, by a path that no mount can come to lie over. */
  readonly #origin: string
  #data: PairingData | undefined

  private constructor(disk: Disk, file: DurableJsonFile<unknown>, origin: string) {
    this.#disk = disk
    this.#file = file
    this.#origin = origin
  }

  /** `directory`: STORE/volumes/<id>. Failure('damaged') if the two are not of one time. */
  static open(disk: Disk, directory: string, origin: string): Pairing {
    const file = new DurableJsonFile<unknown>(disk, directory, storeName)
    const pairing = new Pairing(disk, file, origin)
    pairing.#data = checkedData(directory, file)
    const there = pairing.#readOrigin()
    const { token, next } = pairing.#data ?? {}
    // Volumes of before have none.
    if (token === undefined || there === undefined || there === token) return pairing
    if (there === next) {
      // A crash came between the two. The next renewal must not forget what the origin has.
      pairing.#data = { token: there, next: null }
      return pairing
    }
    throw new Failure(
      'damaged',
      'the origin and its store are not of one time: one of them is a copy, or was restored from one, and snapshots ' +
        'would show what they never held; bring back the other of that time, or remove .bygone in the origin to begin without the past',
    )
  }

  /** When a session begins, before anything is changed; and when it has ended. Durable when it returns. */
  renew(): void {
    const token = this.#data?.token ?? newToken()
    const next = newToken()
    try {
      this.#write({ token, next })
      if (this.#writeOrigin(next)) this.#write({ token: next, next: null })
      else this.#write({ token, next: null })
    } catch (error) {
      throw failureOfSystem(error, 'note that a session begins or ends')
    }
  }

  #write(data: PairingData): void {
    this.#data = data
    this.#file.write({ format, version, ...data })
  }

  #readOrigin(): string | undefined {
    try {
      const fd = this.#disk.open(`${this.#origin}/${originName}`, 'reading')
      try {
        // Empty where a full disk took the file and not the word.
        return readAll(this.#disk, fd).toString('latin1').trim() || undefined
      } finally {
        this.#disk.close(fd)
      }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw failureOfSystem(error, `read .bygone/${originName} in the origin`)
    }
  }

  /** In place: that needs no room on a full disk. False if the origin takes nothing. */
  #writeOrigin(token: string): boolean {
    try {
      const fd = this.#disk.open(`${this.#origin}/${originName}`, 'make')
      try {
        this.#disk.write(fd, Buffer.from(`${token}\n`), 0)
        this.#disk.sync(fd)
      } finally {
        this.#disk.close(fd)
      }
      this.#disk.syncDirectory(this.#origin)
      return true
    } catch (error) {
      if (unwritable.includes(codeOf(error) ?? '')) return false
      throw error
    }
  }
}

function checkedData(directory: string, file: DurableJsonFile<unknown>): PairingData | undefined {
  try {
    const read = file.read()
    if (read === null) return undefined
    const fields = new FieldCheck('', read)
    fields.text('format', (text) => text === format)
    fields.integer('version', version, version)
    const token = fields.text('token', (text) => pattern.test(text))
    const next = fields.textOrNull('next', (text) => pattern.test(text))
    fields.end()
    return { token, next }
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof SyntaxError)) {
      throw failureOfSystem(error, `read ${storeName}`)
    }
    const advice =
      'restore it from a copy, or remove it if the origin is the one that belongs to it'
    throw new Failure('damaged', `damaged ${directory}/${storeName}: ${error.message}; ${advice}`)
  }
}

function newToken(): string {
  return randomBytes(tokenBytes).toString('hex')
}
