import { native } from '../base/native.js'
import { Fallocate } from '../base/open-flags.js'
import { closeSync, constants, lstatSync, openSync, renameSync, writeSync } from 'node:fs'

/** Two files of at most this size are kept: the log can't fill a disk. */
const fileBytesMax = 1024 * 1024
/** What the log can still take when the disk is full: some hundred lines. */
const setAsideBytes = 64 * 1024

/** Nothing else than a file is waited for or followed. */
const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK

export type Log = (line: string) => void

/** What the daemon did and what went wrong, a line each, with the time. */
export class DaemonLog {
  readonly #path: string
  readonly #now: () => Date
  #fileBytes: number
  #isSetAside = false

  constructor(path: string, now: () => Date) {
    this.#path = path
    this.#now = now
    this.#fileBytes = lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
  }

  readonly write: Log = (text) => {
    const line = `${this.#now().toISOString()} ${text.trimEnd().replaceAll('\n', '\n    ')}\n`
    try {
      if (this.#fileBytes > fileBytesMax) {
        renameSync(this.#path, `${this.#path}.1`)
        this.#fileBytes = 0
        this.#isSetAside = false
      }
      const fd = openSync(this.#path, flags, 0o600)
      try {
        this.#setAside(fd)
        writeSync(fd, line)
      } finally {
        closeSync(fd)
      }
      this.#fileBytes += Buffer.byteLength(line)
    } catch {
      // A full disk must not stop the daemon that could tell of it.
    }
  }

  /** Once for each file, if it can be had. */
  #setAside(fd: number): void {
    if (this.#isSetAside) return
    this.#isSetAside = true
    native().fallocate(fd, Fallocate.keepSize, this.#fileBytes, setAsideBytes)
  }
}
