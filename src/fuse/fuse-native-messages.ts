import type { PathOperation, PathOperations } from './path-operations.js'

/** Between the thread that serves a volume and the process that holds libfuse for it. */

export interface MountOrder {
  type: 'mount'
  mountPoint: string
  /** As `-o` takes it, but for `fsname`, which is `source`. */
  options: string[]
  source: string
}

/** One call of libfuse. Each is answered once, by its id. */
export type PathCall<Name extends PathOperation = PathOperation> = {
  [Each in Name]: { operation: Each; args: Parameters<PathOperations[Each]> }
}[Name]

export type FromHost =
  | { type: 'mounted' }
  /** Not mounted: the process ends. */
  | { type: 'failed'; reason: 'not loaded' | 'not mounted'; message: string }
  | { type: 'call'; id: number; call: PathCall }
  /** The kernel has closed the connection: the process ends. */
  | { type: 'gone' }

export type ToHost =
  | MountOrder
  /** errno 0: done, with `value` as the operation's result. */
  | { type: 'answer'; id: number; errno: number; value: unknown }
