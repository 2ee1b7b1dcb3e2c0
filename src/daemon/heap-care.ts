/** Fewer nodes than this cost nothing worth an interruption. */
const nodesMin = 50_000
const growth = 1.25

/**
 * Has garbage collected where V8 would leave it: a thread that waits in the kernel is never idle for V8,
 * so what a million nodes have left would stay for good after the kernel has forgotten them, and while
 * they become known the heap would run far ahead of what is in it. A collection takes some 0.2 s for a
 * million nodes, so it is done only when their number has changed by a fair part.
 */
export class HeapCare {
  readonly #collect: () => void
  #nodesBefore = nodesMin

  constructor(collect: () => void) {
    this.#collect = collect
  }

  /** From time to time, between two requests: `nodes` are known now. */
  look(nodes: number): void {
    const counted = Math.max(nodes, nodesMin)
    const hasGrown = counted > this.#nodesBefore * growth
    const hasShrunk = counted < this.#nodesBefore / growth
    if (!hasGrown && !hasShrunk) return
    this.#nodesBefore = counted
    this.#collect()
  }
}
