import { constants, closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { Failure } from '../base/failure.js'
import { fsErrorOf } from '../base/errno.js'
import { native } from '../base/native.js'
import { codeOf } from './durable-file.js'
import { failureOfSystem } from './store-failure.js'

const LOCK_EX_NB = 2 | 4
const EAGAIN = -11

/**
 * An exclusive flock(2) on a file that stays. The kernel frees it when its holder closes it or
 * dies, however it dies; the process id in the file only helps people.
 */
export class FileLock {
  #fd: number

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** `what` is held: 'the volume ...'. Throws Failure('failed') if another holds it. */
  static acquire(path: string, what: string): FileLock {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
    let fd
    try {
      fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    } catch (error) {
      throw failureOfSystem(error, `open ${path}`)
    }
    const result = native().flock(fd, LOCK_EX_NB)
    if (result < 0) {
      const holder = readFileSync(fd, 'latin1').trim()
      closeSync(fd)
      if (result !== EAGAIN) throw fsErrorOf(result, `lock ${path}`)
      const by = /^\d+$/.test(holder) ? `process ${holder}` : 'another process'
      throw new Failure(
        'failed',
        `${what} is in use by ${by}; unmount it there first (bygone unmount), or wait`,
      )
    }
    writeHolder(fd)
    return new FileLock(fd)
  }

  release(): void {
    if (this.#fd < 0) return
    closeSync(this.#fd)
    this.#fd = -1
  }
}

/**
 * In place and always of one length, so that it needs no space on a full disk, and does without if
 * it does.
 */
function writeHolder(fd: number): void {
  try {
    writeSync(fd, `${String(process.pid).padEnd(10)}\n`, 0)
  } catch (error) {
    if (codeOf(error) === 'ENOSPC') return
    closeSync(fd)
    throw error
  }
}
