const intervalMs = 100
const barWidth = 30

/** One line on a terminal's stderr that is drawn anew; nothing anywhere else. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream
  #drawnMs = -Infinity
  #isShown = false

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream
  }

  /** `all` is 0 where nobody knows. */
  show(what: string, done: number, all: number): void {
    // Only a terminal says that it is one.
    if (!this.#stream.isTTY) return
    const now = performance.now()
    if (now - this.#drawnMs < intervalMs) return
    this.#drawnMs = now
    this.#isShown = true
    this.#stream.write(`\r\x1b[K${lineOf(what, done, all)}`)
  }

  /** Before anything else is written. */
  clear(): void {
    if (this.#isShown) this.#stream.write('\r\x1b[K')
    this.#isShown = false
  }
}

function lineOf(what: string, done: number, all: number): string {
  if (all === 0) return `${what}: ${done.toLocaleString('en')}`
  const part = Math.min(done / all, 1)
  const full = Math.floor(part * barWidth)
  const bar = '#'.repeat(full) + '.'.repeat(barWidth - full)
  return `${what} [${bar}] ${Math.floor(part * 100)} %`
}
