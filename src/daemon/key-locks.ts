/** Work that must not overlap with other work of the same key, beside the ids of volumes. */
export const lockKeys = { mounting: 'mounting', catalog: 'catalog' } as const

/**
 * Runs work one after the other where it shares a key, in the order in which it was asked for.
 *
 * All keys of a piece of work are taken at once, so that no two pieces can wait for each other. Work
 * must not ask for more while it runs.
 */
export class KeyLocks {
  readonly #tails = new Map<string, Promise<void>>()

  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = keys.map((key) => this.#tails.get(key) ?? Promise.resolve())
    let finish = (): void => undefined
    const done = new Promise<void>((resolve) => {
      finish = resolve
    })
    for (const key of keys) this.#tails.set(key, done)
    try {
      await Promise.all(before)
      return await work()
    } finally {
      finish()
      for (const key of keys) if (this.#tails.get(key) === done) this.#tails.delete(key)
    }
  }
}
