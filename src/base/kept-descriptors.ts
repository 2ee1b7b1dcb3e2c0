import type { Native } from './native.js'

/**
 * Which of this process's descriptors go to its successor, if it dies: a byte for each number, in memory
 * that its supervisor sees. Each thread may have one of these over the same file; a descriptor has one
 * owner, who marks it when what it is for is on record, and takes the mark away before closing it.
 */
export class KeptDescriptors {
  readonly fd: number
  readonly #marks: Uint8Array

  constructor(native: Native, fd: number, descriptorsMax: number) {
    const memory = native.mapShared(fd, descriptorsMax)
    if (typeof memory === 'number') throw new Error(`can't map the kept descriptors: ${memory}`)
    this.fd = fd
    this.#marks = new Uint8Array(memory)
  }

  keep(fd: number): void {
    if (fd < 0) return
    if (fd >= this.#marks.length) throw new Error(`descriptor ${fd} is beyond the limit`)
    this.#marks[fd] = 1
  }

  drop(fd: number): void {
    if (fd >= 0 && fd < this.#marks.length) this.#marks[fd] = 0
  }

  has(fd: number): boolean {
    return this.#marks[fd] === 1
  }

  all(): number[] {
    const found: number[] = []
    for (let fd = this.#marks.indexOf(1); fd >= 0; fd = this.#marks.indexOf(1, fd + 1)) {
      found.push(fd)
    }
    return found
  }
}
