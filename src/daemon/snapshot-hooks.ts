import { join } from 'node:path'
import { faultPoint } from '../base/fault-point.js'
import { putFile } from '../store/durable-file.js'
import { jsonBytes } from '../store/durable-json-file.js'
import { realDisk } from '../store/real-disk.js'
import type { Log } from './daemon-log.js'
import { failureOf } from './failure-of.js'
import { readHooks, type HookPoint, type Hooks } from './hook-file.js'
import { runHook } from './hook-run.js'
import { KeyLocks } from './key-locks.js'

/** A volume of which a snapshot is about to be taken, as its commands are told of it. */
export interface HookSubject {
  id: string
  name: string
  origin: string
  mountPoint: string
  tags: readonly string[]
  memo: string
  /** Of whose runs it is one. */
  schedules: readonly string[]
}

/** In the volume's part of the store: a pre command may have run, and no post command after it. */
const noteFile = 'hooks.begun'

/**
 * Runs the commands around snapshots. They run beside all else, before anything is held, so that they may use the
 * mount and the command line; but one by one for each volume.
 *
 * A pre command that fails keeps the snapshot from being taken. Once it was begun the post command runs, whatever
 * happened: also when the daemon was killed in between, at the next mount.
 */
export class SnapshotHooks {
  readonly #directoryOf: (id: string) => string
  readonly #log: Log
  readonly #locks = new KeyLocks()

  /** `directoryOf`: a volume's part of the store. */
  constructor(directoryOf: (id: string) => string, log: Log) {
    this.#directoryOf = directoryOf
    this.#log = log
  }

  /** `cut` takes the snapshots and returns their names, in the order of the volumes. */
  async around(subjects: readonly HookSubject[], cut: () => Promise<string[]>): Promise<string[]> {
    const hooked = subjects.flatMap((subject, at) => {
      const hooks = readHooks(subject.id)
      return hooks.pre === null && hooks.post === null ? [] : [{ subject, hooks, at }]
    })
    if (hooked.length === 0) return cut()
    return this.#locks.run(
      hooked.map(({ subject }) => subject.id),
      async () => {
        const [result] = await Promise.allSettled([this.#before(hooked, cut)])
        const failure: unknown = result.status === 'rejected' ? result.reason : undefined
        const names = result.status === 'fulfilled' ? result.value : []
        await Promise.all(
          hooked.map(({ subject, hooks, at }) => this.#end(subject, hooks, names[at], failure)),
        )
        if (result.status === 'rejected') throw result.reason
        return names
      },
    )
  }

  async #before(
    hooked: readonly { subject: HookSubject; hooks: Hooks }[],
    cut: () => Promise<string[]>,
  ): Promise<string[]> {
    for (const { subject } of hooked) this.#note(subject.id)
    faultPoint('hooks.noted')
    await allOrThrow(hooked.map(({ subject, hooks }) => this.#run('pre', subject, hooks, {})))
    faultPoint('hooks.pre')
    const names = await cut()
    faultPoint('hooks.cut')
    return names
  }

  /** The volume is mounted: does what was left undone when its last daemon was killed. */
  async finish(subject: HookSubject): Promise<void> {
    const path = join(this.#directoryOf(subject.id), noteFile)
    if (realDisk.stat(path) === undefined) return
    await this.#locks.run([subject.id], async () => {
      const killed = new Error('the daemon was killed before it was done')
      try {
        await this.#end(subject, readHooks(subject.id), undefined, killed)
      } catch (error) {
        this.#log(`${subject.name}: ${failureOf(error, 'post hook').message}`)
      }
    })
  }

  async #end(
    subject: HookSubject,
    hooks: Hooks,
    name: string | undefined,
    failure: unknown,
  ): Promise<void> {
    const isTaken = name !== undefined
    try {
      await this.#run('post', subject, hooks, {
        BYGONE_SNAPSHOT: name ?? '',
        BYGONE_RESULT: isTaken ? 'taken' : 'failed',
        BYGONE_ERROR: isTaken ? '' : failureOf(failure, 'the snapshot failed').message,
      })
    } catch (error) {
      // The snapshot is what it is.
      this.#log(`${subject.name}: ${failureOf(error, 'post hook').message}`)
    }
    faultPoint('hooks.post')
    const directory = this.#directoryOf(subject.id)
    realDisk.remove(join(directory, noteFile))
    realDisk.syncDirectory(directory)
  }

  #note(id: string): void {
    putFile(realDisk, this.#directoryOf(id), noteFile, jsonBytes({ format: 'bygone-hooks-begun' }))
  }

  async #run(
    point: HookPoint,
    subject: HookSubject,
    hooks: Hooks,
    result: Readonly<Record<string, string>>,
  ): Promise<void> {
    const hook = hooks[point]
    if (hook === null) return
    const variables = {
      BYGONE_HOOK: point,
      BYGONE_VOLUME: subject.name,
      BYGONE_VOLUME_ID: subject.id,
      BYGONE_ORIGIN: subject.origin,
      BYGONE_MOUNT_POINT: subject.mountPoint,
      BYGONE_TAGS: subject.tags.join(','),
      BYGONE_MEMO: subject.memo.replaceAll('\0', ''),
      BYGONE_SCHEDULES: subject.schedules.join(','),
      ...result,
    }
    const startMs = performance.now()
    await runHook(hook, `${point} hook of ${subject.name}`, variables)
    const ms = Math.round(performance.now() - startMs)
    this.#log(`${point} hook of ${subject.name}: done in ${ms} ms`)
  }
}

/** Waits for all, also if one fails: none may still run when the post commands do. */
async function allOrThrow(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
