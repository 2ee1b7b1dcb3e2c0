import { readFileSync } from 'node:fs'

/** The time of day, and waking up at one. Where it comes in through a constructor tests can bring their own. */
export interface Clock {
  /** Milliseconds since 1970. It may step, forward and back. */
  now(): number
  /** Calls once when the clock shows `atMs` or later, however it got there; soon after, not just then. Returns how to call it off. Keeps no process alive. */
  alarm(atMs: number, onTime: () => void): () => void
}

/** How long a timer may sleep before the clock is looked at again: it may have been set, or the machine have slept. */
const sleepMsMax = 20_000

class SystemClock implements Clock {
  now(): number {
    return Date.now()
  }

  alarm(atMs: number, onTime: () => void): () => void {
    const sleep = (leftMs: number) => setTimeout(look, Math.min(leftMs, sleepMsMax)).unref()
    const look = () => {
      const leftMs = atMs - Date.now()
      if (leftMs <= 0) onTime()
      else timer = sleep(leftMs)
    }
    let timer = sleep(Math.max(atMs - Date.now(), 0))
    return () => {
      clearTimeout(timer)
    }
  }
}

/** How often one that is told the time looks. */
const lookMs = 10

/** For tests that drive a real daemon: a file says what time it is, in milliseconds since 1970. */
class ToldClock implements Clock {
  readonly #path: string
  #lastMs = 0

  constructor(path: string) {
    this.#path = path
    this.now()
  }

  now(): number {
    const told = Number(readFileSync(this.#path, 'latin1'))
    // It may be read while it is written.
    if (told > 0) this.#lastMs = told
    return this.#lastMs
  }

  alarm(atMs: number, onTime: () => void): () => void {
    const timer = setInterval(() => {
      if (this.now() < atMs) return
      clearInterval(timer)
      onTime()
    }, lookMs).unref()
    return () => {
      clearInterval(timer)
    }
  }
}

/** The machine's; a test may set BYGONE_CLOCK to the path of a file that tells the time instead. */
export function clockOfProcess(): Clock {
  const path = process.env['BYGONE_CLOCK']
  return path === undefined ? new SystemClock() : new ToldClock(path)
}
