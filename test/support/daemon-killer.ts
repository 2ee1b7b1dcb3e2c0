import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kill } from './mounts.js'
import type { Random } from './random.js'
import type { TestVolume } from './test-volume.js'

/** Kills the daemon of a volume again and again, but never its supervisor. */
export class DaemonKiller {
  readonly #volume: TestVolume
  readonly #random: Random
  readonly #killed = new Set<number>()
  #takeoversBefore = 0
  #isStopped = false
  #isPaused = false
  #running: Promise<void> | undefined

  constructor(volume: TestVolume, random: Random) {
    this.#volume = volume
    this.#random = random
  }

  get kills(): number {
    return this.#killed.size
  }

  /** At random times, so many milliseconds apart at least and at most. */
  start(msMin: number, msMax: number): void {
    this.#takeoversBefore = this.#takeovers() - this.kills
    this.#running = this.#run(msMin, msMax)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  /** The daemon, if there is one just now. */
  killNow(): void {
    for (const pid of this.#volume.processes()) {
      if (!isDaemon(pid)) continue
      kill(pid)
      this.#killed.add(pid)
    }
  }

  /** One that dies before it serves is no successor: five in a row, and the mount is given up. */
  #takeovers(): number {
    const log = readFileSync(join(this.#volume.store, 'daemon.log'), 'utf8')
    return log.split('\n').filter((line) => line.includes(' took over ')).length
  }

  async #run(msMin: number, msMax: number): Promise<void> {
    while (!this.#isStopped) {
      await sleep(this.#random.between(msMin, msMax))
      const count = this.#takeovers() - this.#takeoversBefore
      if (!this.#isPaused && count === this.kills) this.killNow()
    }
  }
}

/** The supervisor is a copy of it, but for this name. */
export function isSupervisor(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').startsWith('bygone-superv')
  } catch {
    return false
  }
}

function isDaemon(pid: number): boolean {
  try {
    const isDaemons = readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/daemon/main.js')
    return isDaemons && !isSupervisor(pid)
  } catch {
    return false
  }
}
