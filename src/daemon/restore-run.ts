import { checked, FsError, fsErrorOf } from '../base/errno.js'
import type { ByteString } from '../base/bytes.js'
import { Failure } from '../base/failure.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { pathText, stepText } from '../restore/restore-plan.js'
import type { RestorePlan, RestoreProblem } from '../restore/restore-plan.js'
import { TreeChange } from '../restore/tree-change.js'
import { TreeComparison } from '../restore/tree-comparison.js'
import { TreeSide } from '../restore/tree-side.js'
import { HiddenNames } from '../volume/hidden-names.js'
import { isInodeOfSameObject } from '../volume/past-node.js'
import { failureOf } from './failure-of.js'
import { findMounted } from './volume-finder.js'
import type { RestoreTarget } from './restore-target.js'

/** No policy deletes a snapshot that has it. */
const safetyTag = 'manual:before-restore'

export interface RestoreOutcome {
  /** The snapshot of how it was before. */
  before: string
  done: number
  all: number
  isStopped: boolean
  /** What could not be made as it was, a line each. */
  problems: string[]
}

interface PlannedTarget {
  target: RestoreTarget
  plan: RestorePlan
}

/** Volumes that are being made as they were in a snapshot, through their mounts, so that their past is kept. */
export class RestoreRun {
  readonly #native: Native
  readonly #targets: readonly RestoreTarget[]
  #planned: PlannedTarget[] = []

  constructor(native: Native, targets: readonly RestoreTarget[]) {
    this.#native = native
    this.#targets = targets
  }

  get snapshot(): string {
    return this.#targets[0]?.snapshot.name ?? ''
  }

  /** Finds what is to be done; changes nothing. Takes as long as a walk through both trees. */
  plan(): void {
    this.#planned = this.#targets.map((target) => ({ target, plan: this.#planOf(target) }))
  }

  /** What would be done, a line each; names as they are. */
  get lines(): string[] {
    return this.#planned.flatMap(({ target, plan }) =>
      plan.steps.map((step) => stepText(step, target.prefix)),
    )
  }

  get stepCount(): number {
    return this.#planned.reduce((sum, { plan }) => sum + plan.steps.length, 0)
  }

  /** What could not even be looked at. */
  get problems(): string[] {
    return this.#planned.flatMap(({ target, plan }) => wordsOf(plan.problems, target))
  }

  /** Takes a snapshot of how it is, then does what was planned. Throws Failures. */
  async carryOut(stop: AbortSignal, onStep: (done: number) => void): Promise<RestoreOutcome> {
    const release = await this.#hold()
    try {
      const before = await this.#takeBefore()
      const outcome: RestoreOutcome = {
        before,
        done: 0,
        all: this.stepCount,
        isStopped: false,
        problems: this.problems,
      }
      for (const planned of this.#planned) {
        const start = outcome.done
        await this.#change(planned, outcome, stop, (done) => {
          onStep(start + done)
        })
      }
      outcome.isStopped = stop.aborted && outcome.done < outcome.all
      return outcome
    } finally {
      await release()
    }
  }

  #planOf(target: RestoreTarget): RestorePlan {
    return this.#within(target, (past, live) => {
      const { selection, snapshot } = target
      if (selection.length > 0) assertThere(past, target)
      const options = {
        selection,
        cutAtMs: snapshot.cutAtMs,
        isSameObject: isInodeOfSameObject,
        isStopped: () => false,
      }
      return new TreeComparison(this.#native, past, live, options).run()
    })
  }

  async #change(
    { target, plan }: PlannedTarget,
    outcome: RestoreOutcome,
    stop: AbortSignal,
    onStep: (done: number) => void,
  ): Promise<void> {
    const sides = this.#open(target)
    try {
      const change = new TreeChange(this.#native, sides.past, sides.live, target.selection)
      const report = await change.run(plan, { isStopped: () => stop.aborted, onStep })
      outcome.done += report.done
      outcome.problems.push(...wordsOf(report.problems, target))
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      const state = 'some is restored, the rest as it was; run it again when that is mended'
      const kind = error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'full' : 'failed'
      const message = `${target.mountPoint}: ${error.message}: ${state} (before: ${outcome.before})`
      throw new Failure(kind, message, { cause: error })
    } finally {
      sides.close()
    }
  }

  #within<T>(target: RestoreTarget, use: (past: TreeSide, live: TreeSide) => T): T {
    const { past, live, close } = this.#open(target)
    try {
      return use(past, live)
    } catch (error) {
      throw error instanceof FsError ? failureOf(error, target.mountPoint) : error
    } finally {
      close()
    }
  }

  #open({ mountPoint, snapshot }: RestoreTarget) {
    const native = this.#native
    const flags = O.RDONLY | O.DIRECTORY
    const liveFd = checked(native.openStraight(mountPoint, flags), mountPoint)
    const pastFd = native.openAt(liveFd, snapshot.name as ByteString, flags, 0)
    if (pastFd < 0) {
      native.close(liveFd)
      throw fsErrorOf(pastFd, `open ${snapshot.name}`)
    }
    const hidden = new HiddenNames()
    const isHidden = (name: ByteString) => hidden.has(name)
    const past = new TreeSide(native, pastFd, isHidden)
    const live = new TreeSide(native, liveFd, isHidden)
    const close = () => {
      past.close()
      live.close()
      native.close(pastFd)
      native.close(liveFd)
    }
    return { past, live, close }
  }

  /** So that no policy deletes what is being read. Returns what lets go of those that nobody else holds. */
  async #hold(): Promise<() => Promise<void>> {
    const free = this.#targets.filter(({ snapshot }) => !snapshot.isHeld)
    await this.#edit(free, 'hold')
    return () => this.#edit(free, 'release')
  }

  async #edit(targets: readonly RestoreTarget[], kind: 'hold' | 'release'): Promise<void> {
    for (const { mountPoint, volumeId, snapshot } of targets) {
      const { client } = await findMounted(mountPoint)
      try {
        const edit = { volume: volumeId, snapshots: [snapshot.name], change: { kind } }
        await client.request<'edit'>({ command: 'edit', ...edit })
      } finally {
        client.close()
      }
    }
  }

  /** Of all at one instant. */
  async #takeBefore(): Promise<string> {
    const [first] = this.#targets
    if (first === undefined) throw new Error('nothing is to be restored')
    const { client } = await findMounted(first.mountPoint)
    try {
      const { names } = await client.request<'snapshot'>({
        command: 'snapshot',
        volumes: this.#targets.map(({ volumeId }) => volumeId),
        memo: `before restore of ${this.snapshot}`,
        tags: [safetyTag],
      })
      return names[0] ?? ''
    } finally {
      client.close()
    }
  }
}

function assertThere(past: TreeSide, { selection, snapshot, prefix }: RestoreTarget): void {
  let found: unknown
  try {
    found = past.facts(selection)
  } catch (error) {
    if (!(error instanceof FsError) || !['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code))
      throw error
  }
  if (found !== undefined) return
  const path = pathText(selection, prefix)
  throw new Failure('missing', `${snapshot.name} has no ${path}: see what is in it`)
}

function wordsOf(problems: readonly RestoreProblem[], { prefix }: RestoreTarget): string[] {
  return problems.map(({ path, message }) => `${pathText(path, prefix)}: ${message}`)
}
