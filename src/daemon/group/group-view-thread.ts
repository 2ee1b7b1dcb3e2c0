import { setTimeout as sleep } from 'node:timers/promises'
import { lstat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { fsErrorOf } from '../../base/errno.js'
import { Failure } from '../../base/failure.js'
import type { Native } from '../../base/native.js'
import type { Log } from '../daemon-log.js'
import { mountGroupKernel, unmountKernel } from '../kernel-mount.js'
import { groupType, readMountTable } from '../mount-table.js'

export interface GroupViewData {
  fuseFd: number
  wakeFd: number
  /** Text. */
  members: readonly { id: string; mountPoint: string }[]
}

export type GroupViewNews = { type: 'log'; line: string } | { type: 'failed'; message: string }

const firstAnswerMsMax = 20_000

/** The mount that shows the snapshots of a group, and the thread that serves it. */
export class GroupViewThread {
  /** Resolves when nobody serves it any more; to what went wrong, if something did. */
  readonly ended: Promise<string | undefined>

  readonly #native: Native
  readonly #directory: string

  private constructor(native: Native, directory: string, ended: Promise<string | undefined>) {
    this.#native = native
    this.#directory = directory
    this.ended = ended
  }

  /** Mounts it on an empty directory, and returns when it answers. */
  static async start(
    native: Native,
    directory: string,
    members: GroupViewData['members'],
    log: Log,
  ): Promise<GroupViewThread> {
    const fuseFd = mountGroupKernel(native, directory)
    const wakeFd = native.eventFd()
    if (wakeFd < 0) throw fsErrorOf(wakeFd, 'eventfd')
    const workerData: GroupViewData = { fuseFd, wakeFd, members }
    const worker = new Worker(new URL('./group-view-worker.js', import.meta.url), { workerData })
    let problem: string | undefined
    worker.on('message', (news: GroupViewNews) => {
      if (news.type === 'log') log(news.line)
      else problem = news.message
    })
    worker.on('error', (error) => {
      problem ??= error.message
    })
    const ended = new Promise<string | undefined>((resolve) => {
      worker.once('exit', () => {
        // Whoever still waits for an answer fails with this.
        native.close(fuseFd)
        native.close(wakeFd)
        resolve(problem)
      })
    })
    const thread = new GroupViewThread(native, directory, ended)
    try {
      await thread.#firstAnswer()
      return thread
    } catch (error) {
      await thread.stop()
      throw error
    }
  }

  /** Whoever is in it may go on with what he has open. */
  async stop(): Promise<void> {
    await clearGroupView(this.#native, this.#directory)
    await Promise.race([this.ended, sleep(2000)])
  }

  async #firstAnswer(): Promise<void> {
    const timeout = new AbortController()
    const late = sleep(firstAnswerMsMax, undefined, { signal: timeout.signal }).then(() => {
      throw new Failure('failed', `${this.#directory} does not answer`)
    })
    const died = this.ended.then((problem) => {
      throw new Failure('failed', `${this.#directory}: ${problem ?? 'it was unmounted'}`)
    })
    const waits = [lstat(this.#directory), late, died]
    for (const wait of waits) wait.catch(() => undefined)
    try {
      await Promise.race(waits)
    } finally {
      timeout.abort()
    }
  }
}

/** Takes away what shows a group there, if anything does: one whose process was killed answers nobody. */
export async function clearGroupView(native: Native, directory: string): Promise<void> {
  const shown = readMountTable().filter(
    ({ type, mountPoint }) => type === groupType && mountPoint === directory,
  )
  for (const { mountPoint } of shown) await unmountKernel(native, mountPoint, true)
}
