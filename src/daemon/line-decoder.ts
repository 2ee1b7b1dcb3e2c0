/** Cuts a byte stream into lines, none longer than a bound. */
export class LineDecoder {
  readonly #lineBytesMax: number
  #pending: Buffer[] = []
  #pendingBytes = 0

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** The lines that `bytes` completes; undefined once a line is too long: the stream is of no use any more. */
  push(bytes: Buffer): string[] | undefined {
    const lines: string[] = []
    let start = 0
    for (;;) {
      const end = bytes.indexOf(0x0a, start)
      const part = bytes.subarray(start, end < 0 ? bytes.length : end)
      this.#pendingBytes += part.length
      if (this.#pendingBytes > this.#lineBytesMax) return undefined
      this.#pending.push(part)
      if (end < 0) return lines
      // Decoded whole: a chunk of the stream may end in the middle of a character.
      lines.push(Buffer.concat(this.#pending).toString('utf8'))
      this.#pending = []
      this.#pendingBytes = 0
      start = end + 1
    }
  }
}
