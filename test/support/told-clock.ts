import { renameSync, writeFileSync } from 'node:fs'

/** The clock of a real daemon (BYGONE_CLOCK): it stands still, and is what the test says. */
export class ToldClock {
  readonly #path: string
  #nowMs: number

  constructor(path: string, nowMs: number) {
    this.#path = path
    this.#nowMs = nowMs
    this.set(nowMs)
  }

  get variables(): NodeJS.ProcessEnv {
    return { BYGONE_CLOCK: this.#path }
  }

  get nowMs(): number {
    return this.#nowMs
  }

  set(nowMs: number): void {
    this.#nowMs = nowMs
    writeFileSync(`${this.#path}.new`, String(nowMs))
    renameSync(`${this.#path}.new`, this.#path)
  }

  goOn(ms: number): void {
    this.set(this.#nowMs + ms)
  }
}
