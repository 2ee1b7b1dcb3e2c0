import { appendFileSync, renameSync, statSync } from 'node:fs'

/** Two files of at most this size are kept: the log can't fill a disk. */
const fileBytesMax = 1024 * 1024

export type Log = (line: string) => void

/** What the daemon did and what went wrong, a line each, with the time. */
export class DaemonLog {
  readonly #path: string
  readonly #now: () => Date
  #fileBytes: number

  constructor(path: string, now: () => Date) {
    this.#path = path
    this.#now = now
    this.#fileBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  }

  readonly write: Log = (text) => {
    const line = `${this.#now().toISOString()} ${text.trimEnd().replaceAll('\n', '\n    ')}\n`
    try {
      if (this.#fileBytes > fileBytesMax) {
        renameSync(this.#path, `${this.#path}.1`)
        this.#fileBytes = 0
      }
      appendFileSync(this.#path, line, { mode: 0o600 })
      this.#fileBytes += Buffer.byteLength(line)
    } catch {
      // A full disk must not stop the daemon that could tell of it.
    }
  }
}
