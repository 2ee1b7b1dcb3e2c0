import type { Clock } from '../../src/base/clock.js'

/** A clock that stands still until it is told to go on; then its alarms ring one by one, each at its time. */
export class SimClock implements Clock {
  #nowMs: number
  readonly #alarms = new Set<{ atMs: number; onTime: () => void }>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  alarm(atMs: number, onTime: () => void): () => void {
    const alarm = { atMs, onTime }
    this.#alarms.add(alarm)
    return () => {
      this.#alarms.delete(alarm)
    }
  }

  /** To that time, with all that rings before; what an alarm sets off has come to rest before the next one. */
  async runTo(endMs: number): Promise<void> {
    for (;;) {
      const next = [...this.#alarms].reduce<{ atMs: number; onTime: () => void } | undefined>(
        (first, each) => (first === undefined || each.atMs < first.atMs ? each : first),
        undefined,
      )
      if (next === undefined || next.atMs > endMs) break
      this.#alarms.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.onTime()
      await settled()
    }
    this.#nowMs = endMs
  }

  /** The machine slept, or somebody has set the clock: nothing rings on the way. */
  async jumpTo(ms: number): Promise<void> {
    this.#nowMs = ms
    await this.runTo(ms)
  }
}

/** All that follows without I/O has happened. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
