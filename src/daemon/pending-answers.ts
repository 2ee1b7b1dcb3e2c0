import { Failure } from '../base/failure.js'

interface Pending {
  resolve: (value: never) => void
  reject: (failure: Failure) => void
  timer: NodeJS.Timeout | undefined
}

/** Questions that have been put to somebody else and not been answered yet, by a key of the asker's choice. */
export class PendingAnswers {
  readonly #pending = new Map<string, Pending>()
  #refusal: Failure | undefined

  /** Ask after this, not before: else the answer may come first. */
  expect<T>(key: string, timeoutMs?: number): Promise<T> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    return new Promise<T>((resolve, reject) => {
      const expire = () => {
        const message = `no answer from the volume within ${(timeoutMs ?? 0) / 1000} s: is its disk stuck?`
        this.refuse(key, new Failure('failed', message))
      }
      const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs)
      this.#pending.set(key, { resolve, reject, timer })
    })
  }

  /** An answer that nobody waits for (any more) is dropped. */
  answer(key: string, value: unknown): void {
    this.#take(key)?.resolve(value as never)
  }

  refuse(key: string, failure: Failure): void {
    this.#take(key)?.reject(failure)
  }

  /** Nobody will answer any more, what is asked later included. */
  refuseAll(failure: Failure): void {
    this.#refusal = failure
    for (const key of [...this.#pending.keys()]) this.refuse(key, failure)
  }

  #take(key: string): Pending | undefined {
    const pending = this.#pending.get(key)
    clearTimeout(pending?.timer)
    this.#pending.delete(key)
    return pending
  }
}
