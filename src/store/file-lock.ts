import { Failure } from '../base/failure.js'
import type { Disk } from './disk.js'
import { codeOf, readAll } from './durable-file.js'
import { failureOfSystem } from './store-failure.js'

/**
 * An exclusive flock(2) on a file that stays. The kernel frees it when its holder closes it or
 * dies, however it dies; the process id in the file only helps people.
 */
export class FileLock {
  readonly #disk: Disk
  #fd: number

  private constructor(disk: Disk, fd: number) {
    this.#disk = disk
    this.#fd = fd
  }

  /** `what` is held: 'the volume ...'. Throws Failure('failed') if another holds it. */
  static acquire(disk: Disk, path: string, what: string, advice = unmountAdvice): FileLock {
    let fd
    try {
      fd = disk.open(path, 'make')
    } catch (error) {
      throw failureOfSystem(error, `open ${path}`)
    }
    try {
      if (!disk.lock(fd)) throw inUse(what, readAll(disk, fd).toString('latin1').trim(), advice)
      writeHolder(disk, fd)
    } catch (error) {
      disk.close(fd)
      throw error
    }
    return new FileLock(disk, fd)
  }

  release(): void {
    if (this.#fd < 0) return
    this.#disk.close(this.#fd)
    this.#fd = -1
  }
}

const unmountAdvice = 'unmount it there first (bygone unmount), or wait'

function inUse(what: string, holder: string, advice: string): Failure {
  const by = /^\d+$/.test(holder) ? `process ${holder}` : 'another process'
  return new Failure('failed', `${what} is in use by ${by}; ${advice}`)
}

/**
 * In place and always of one length, so that it needs no space on a full disk, and does without if
 * it does.
 */
function writeHolder(disk: Disk, fd: number): void {
  try {
    disk.write(fd, Buffer.from(`${String(process.pid).padEnd(10)}\n`), 0)
  } catch (error) {
    if (codeOf(error) !== 'ENOSPC') throw error
  }
}
