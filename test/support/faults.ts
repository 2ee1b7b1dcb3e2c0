import { existsSync, readFileSync } from 'node:fs'
import type { FaultPoint } from '../../src/base/fault-points.js'

let count = 0

/** What the processes that are started with `variables` shall do at fault points, and what they did. */
export class Faults {
  readonly variables: NodeJS.ProcessEnv
  readonly #log: string

  /** `plan`: as BYGONE_FAULTS has it. `directory` gets the log. `isReplaced`: a daemon that is killed has a successor. */
  constructor(directory: string, plan: string, isReplaced = false) {
    this.#log = `${directory}/faults-${++count}.log`
    this.variables = {
      BYGONE_FAULTS: plan,
      BYGONE_FAULTS_LOG: this.#log,
      BYGONE_WITHOUT_FEATURES: isReplaced ? '' : 'resend',
    }
  }

  /** At how many points it has killed. */
  get kills(): number {
    return this.#lines().filter((line) => line.startsWith('killed ')).length
  }

  /** Whether something is to happen at a point whose name begins so, or all are traced. */
  isOf(prefix: string): boolean {
    const { BYGONE_FAULTS: plan = '' } = this.variables
    return plan.startsWith('*') || plan.startsWith(prefix)
  }

  get hasKilled(): boolean {
    return this.#lines().some((line) => line.startsWith('killed '))
  }

  /** How often each point was passed, as far as it was noted. */
  passes(): Map<FaultPoint, number> {
    const passes = new Map<FaultPoint, number>()
    for (const line of this.#lines()) {
      if (!line.startsWith('passed ')) continue
      const name = line.slice('passed '.length) as FaultPoint
      passes.set(name, (passes.get(name) ?? 0) + 1)
    }
    return passes
  }

  #lines(): string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').split('\n') : []
  }
}
