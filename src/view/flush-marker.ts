/**
 * Tells whether writes that a sync of the mount has set off may still be on their way to the daemon.
 *
 * What programs change through shared mappings stays in the kernel's page cache until a sync. syncfs(2) has all of it
 * written, but for FUSE most kernels return from it before those writes are carried out. So the daemon syncs through a directory handle of the root's and closes that: as the kernel does not wait
 * for the answers of either, RELEASEDIR goes into the same queue as the writes, behind them.
 *
 * One case is left: a page whose file is just being truncated waits for that, and may come after the mark.
 */
export class FlushMarker {
  readonly #isOwnThread: (pid: number) => boolean
  readonly #onCaughtUp: () => void
  readonly #handles = new Set<number>()

  constructor(isOwnThread: (pid: number) => boolean, onCaughtUp: () => void) {
    this.#isOwnThread = isOwnThread
    this.#onCaughtUp = onCaughtUp
  }

  /** True from the sync's opening of the root until all that it had written has been carried out. */
  get isCatchingUp(): boolean {
    return this.#handles.size > 0
  }

  /** Somebody opened the root. */
  opened(pid: number, handle: number): void {
    if (this.#isOwnThread(pid)) this.#handles.add(handle)
  }

  /** Somebody closed a directory. */
  released(handle: number): void {
    if (this.#handles.delete(handle) && !this.isCatchingUp) this.#onCaughtUp()
  }
}
