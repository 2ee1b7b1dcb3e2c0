/** How often something was done, and how long that took in all: what a monitor makes averages of. */
export class Durations {
  count = 0
  seconds = 0

  measured<T>(work: () => T): T {
    const startMs = performance.now()
    try {
      return work()
    } finally {
      this.add(performance.now() - startMs)
    }
  }

  add(ms: number): void {
    this.count++
    this.seconds += ms / 1000
  }
}
