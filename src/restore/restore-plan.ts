import { textOf } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import type { AttributeName } from './facts.js'
import { keyOf } from './tree-side.js'
import type { Path } from './tree-side.js'

/** One thing to be done in the live tree. They are done in order: a directory comes before what is in it. */
export type RestoreStep =
  /** With all that is below it. */
  | { kind: 'remove'; path: Path }
  /** A new one as the snapshot has it; `replaces`: after what stands there is removed. What is in a directory comes by steps of its own. */
  | { kind: 'create'; path: Path; replaces: boolean }
  /** A further name of what is at `to`. */
  | { kind: 'link'; path: Path; to: Path; replaces: boolean }
  /** Of a file that stays the same one. */
  | { kind: 'change'; path: Path; what: readonly (AttributeName | 'content')[] }

/** What could not be looked at or done, and so stays as it is. */
export interface RestoreProblem {
  path: Path
  message: string
}

export interface RestorePlan {
  steps: RestoreStep[]
  problems: RestoreProblem[]
}

/** For people, a line: what would be done to which path. `prefix` stands before each. */
export function stepText(step: RestoreStep, prefix: string): string {
  const path = pathText(step.path, prefix)
  switch (step.kind) {
    case 'remove':
      return `remove  ${path}`
    case 'create':
      return `${step.replaces ? 'replace' : 'create '} ${path}`
    case 'link':
      return `link    ${path} (to ${pathText(step.to, prefix)})`
    case 'change':
      return `change  ${path} (${step.what.join(', ')})`
  }
}

export function pathText(path: Path, prefix: string): string {
  const text = prefix + textOf(keyOf(path) as ByteString)
  return text === '' ? '.' : text
}
