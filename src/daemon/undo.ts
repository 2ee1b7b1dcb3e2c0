/** What has been made so far and must be taken back if the whole does not succeed, newest first. */
export class Undo {
  readonly #steps: (() => void | Promise<void>)[] = []

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step)
  }

  /** Everything succeeded: nothing is taken back any more. */
  forget(): void {
    this.#steps.length = 0
  }

  /** Carries out every step, whatever becomes of the others; what they throw goes to `report`. */
  async run(report: (error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step()
      } catch (error) {
        report(error)
      }
    }
  }
}
