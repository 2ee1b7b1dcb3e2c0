import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../../base/failure.js'
import type { Native } from '../../base/native.js'
import { FileLock } from '../../store/file-lock.js'
import { realDisk } from '../../store/real-disk.js'
import { emptyPolicy } from '../../version/retention-policy.js'
import type { Log } from '../daemon-log.js'
import { failureOf } from '../failure-of.js'
import { volumePast, volumeSchedules, withVolume } from '../listing.js'
import type { Durability } from '../mount-order.js'
import { requestMount } from '../mount-request.js'
import { fuseType, readMountTable } from '../mount-table.js'
import { clearStaleMounts, isStale } from '../stale-mounts.js'
import { checkTiming } from '../schedule-edit.js'
import { editVolume } from '../volume-edit.js'
import type { VolumeEdit } from '../volume-edit.js'
import { findVolume } from '../volume-finder.js'
import type { Group, GroupVolume } from './group-file.js'
import { groupSnapshots, hasGroup, writeGroup } from './group-file.js'
import {
  checkedVolumes,
  makeGroupDirectory,
  makeSnapshotsDirectory,
  storeAt,
} from './group-paths.js'
import { groupCron, groupRule, groupSchedule, timingOf } from './group-schedule.js'
import { clearGroupView, GroupViewThread } from './group-view-thread.js'

export interface GroupRequest {
  /** As typed. */
  volumes: readonly GroupVolume[]
  directory: string
  store: string | undefined
  durability: Durability
  /** Of each volume; null: any number; undefined: what its policy says, or the default if it has none. */
  snapshotsMax: number | null | undefined
  /** UTC; null: none by themselves; undefined: as it is, or the default at first. */
  cron: string | null | undefined
}

/** docker-snap-volume's own. */
const snapshotsMaxDefault = 128
const cronDefault = '0 3 * * *'

/** How often it is seen whether the volumes are still there. */
const lookMs = 1000
/** Programs that still use a volume at the end have so long to leave it. */
const patienceMs = 2000
/** A volume whose daemon dies so often in a row is not mounted again. */
const deathsMax = 5
const deathsForgottenMs = 60_000

/**
 * Keeps a group of volumes mounted, and shows their snapshots in one tree, until `end`: then all is unmounted. The
 * volumes are served by a daemon of their own; if that dies (and nothing replaces it) they are mounted again.
 */
export class GroupKeeper {
  readonly #native: Native
  readonly #group: Group
  readonly #request: GroupRequest
  readonly #note: Log
  readonly #lock: FileLock
  /** Of a volume without a schedule, if none is given: a group that was there before has none by intention. */
  readonly #cronAtFirst: string | null
  #view: GroupViewThread | undefined

  private constructor(
    native: Native,
    group: Group,
    request: GroupRequest,
    note: Log,
    lock: FileLock,
    isNew: boolean,
  ) {
    this.#cronAtFirst = isNew ? cronDefault : null
    this.#native = native
    this.#group = group
    this.#request = request
    this.#note = note
    this.#lock = lock
  }

  /** Returns when all is mounted; on failure nothing that it has mounted stays. */
  static async start(native: Native, request: GroupRequest, note: Log): Promise<GroupKeeper> {
    if (typeof request.cron === 'string') checkTiming(timingOf(request.cron), Date.now())
    const directory = makeGroupDirectory(request.directory)
    const advice = 'end that first'
    const what = `the group in ${directory}`
    const lock = FileLock.acquire(realDisk, join(directory, 'start.lock'), what, advice)
    try {
      // Mounts of a daemon that was killed hide the volumes.
      const paths = request.volumes.map(({ path }) => path)
      await clearStaleMounts(native, paths)
      await clearGroupView(native, groupSnapshots({ directory }))
      const volumes = checkedVolumes(request.volumes, directory)
      makeSnapshotsDirectory(groupSnapshots({ directory }))
      const store = storeAt(request.store ?? join(directory, 'store'))
      const group = { directory, store, volumes }
      const keeper = new GroupKeeper(native, group, request, note, lock, !hasGroup(directory))
      await keeper.#begin()
      return keeper
    } catch (error) {
      lock.release()
      throw error
    }
  }

  get snapshots(): string {
    return groupSnapshots(this.#group)
  }

  /** Until `end` is aborted. False: something went wrong, of which a note tells. All is unmounted by then. */
  async keep(end: AbortSignal): Promise<boolean> {
    let isClean = true
    try {
      await this.#watch(end)
    } catch (error) {
      isClean = false
      this.#note(failureOf(error, 'the group could not be kept').message)
    }
    return (await this.#stop(this.#group.volumes)) && isClean
  }

  async #begin(): Promise<void> {
    const mounted: GroupVolume[] = []
    try {
      for (const volume of this.#group.volumes) {
        if (await this.#mount(volume)) mounted.push(volume)
      }
      for (const volume of this.#group.volumes) await this.#setPolicy(volume)
      for (const volume of this.#group.volumes) await this.#setSchedule(volume)
      writeGroup(this.#group)
      await this.#show()
    } catch (error) {
      await this.#stop(mounted)
      throw error
    }
  }

  async #show(): Promise<void> {
    const members = this.#group.volumes.map(({ id, path }) => ({ id, mountPoint: path }))
    this.#view = await GroupViewThread.start(this.#native, this.snapshots, members, this.#note)
  }

  /** False: it is mounted already, as after this process alone was killed. */
  async #mount({ id, path }: GroupVolume): Promise<boolean> {
    const found = await findVolume(path).catch((error: unknown) => {
      // Not a volume yet.
      if (error instanceof Failure && error.kind === 'missing') return undefined
      throw error
    })
    if (found?.state === 'mounted') {
      found.client.close()
      const { name, store, mountPoint, origin } = found.summary
      if (origin === path) {
        if (name === id && store === this.#group.store && mountPoint === origin) return false
        const advice = `\`bygone unmount ${mountPoint ?? path}\` first`
        throw new Failure('exists', `${origin} is mounted already, as '${name}': ${advice}`)
      }
    } else if (found?.state === 'unmounted') {
      if (found.origin === path && found.store !== this.#group.store) {
        const advice = `all volumes of a group share one: \`--store ${found.store}\`, if it is theirs`
        throw new Failure('exists', `the past of ${path} is kept in ${found.store}; ${advice}`)
      }
    }
    const { notes } = await requestMount(this.#native, {
      origin: path,
      mountPoint: undefined,
      store: this.#group.store,
      name: id,
      chunkBytes: undefined,
      transport: 'native',
      durability: this.#request.durability,
      allowOther: false,
      allowSuid: false,
      allowDev: false,
      lowWater: undefined,
      together: this.#group.volumes.map((each) => each.path),
    })
    for (const note of notes) this.#note(note)
    return true
  }

  async #setPolicy({ path }: GroupVolume): Promise<void> {
    const { snapshotsMax: asked } = this.#request
    await withVolume(path, async (found) => {
      const { volume, policy: before } = await volumePast(found)
      const byDefault = before === null ? snapshotsMaxDefault : before.snapshotsMax
      const snapshotsMax = asked === undefined ? byDefault : asked
      if (before?.snapshotsMax === snapshotsMax) return
      const policy = { ...(before ?? emptyPolicy), snapshotsMax }
      const edit = { command: 'set-policy', volume: volume.id, policy } as const
      await editVolume(this.#native, found, edit)
    })
  }

  /** One that is as it shall be is left alone: it knows when it ran last. */
  async #setSchedule({ path }: GroupVolume): Promise<void> {
    await withVolume(path, async (found) => {
      const { volume, schedules } = await volumeSchedules(found)
      const before = groupCron(schedules)
      const cron =
        this.#request.cron === undefined ? (before ?? this.#cronAtFirst) : this.#request.cron
      if (cron === (before ?? null)) return
      const edit: VolumeEdit =
        cron === null
          ? { command: 'remove-schedules', volume: volume.id, names: [groupSchedule] }
          : { command: 'add-schedule', volume: volume.id, rule: groupRule(cron), replace: true }
      await editVolume(this.#native, found, edit)
    })
  }

  async #watch(end: AbortSignal): Promise<void> {
    let deaths = 0
    let lastDeathMs = 0
    while (!end.aborted) {
      const { mounted, dead } = await this.#look()
      if (mounted.length === 0) {
        throw new Failure('failed', 'its volumes have been unmounted: there is nothing to keep')
      }
      if (dead.length > 0) {
        if (Date.now() - lastDeathMs > deathsForgottenMs) deaths = 0
        lastDeathMs = Date.now()
        deaths++
        if (deaths > deathsMax) throw new Failure('failed', 'its volumes die again and again')
        this.#note('the daemon of the volumes is gone: mounting them again')
        // All of them first: a dead one can't be told from one of the new daemon's.
        await clearStaleMounts(
          this.#native,
          dead.map(({ path }) => path),
        )
        for (const volume of dead) await this.#mount(volume)
      }
      const problem = await Promise.race([
        this.#view?.ended.then((words) => words ?? 'it was unmounted'),
        sleep(lookMs, undefined, { signal: end }).catch(() => undefined),
      ])
      if (problem !== undefined) {
        this.#note(`${this.snapshots}: ${problem}; mounting it again`)
        await clearGroupView(this.#native, this.snapshots)
        await this.#show()
      }
    }
  }

  /** `mounted`: all that are in the mount table; `dead`: those of them that nobody serves. */
  async #look(): Promise<{ mounted: GroupVolume[]; dead: GroupVolume[] }> {
    const table = readMountTable()
    const mounted: GroupVolume[] = []
    const dead: GroupVolume[] = []
    for (const volume of this.#group.volumes) {
      const entry = table.findLast(
        ({ type, source }) => type === fuseType && source === volume.path,
      )
      if (entry === undefined) continue
      mounted.push(volume)
      if (await isStale(entry)) dead.push(volume)
    }
    return { mounted, dead }
  }

  async #stop(volumes: readonly GroupVolume[]): Promise<boolean> {
    await this.#view?.stop()
    await clearStaleMounts(
      this.#native,
      volumes.map(({ path }) => path),
    )
    const unmounted = await Promise.all(
      volumes.map(async (volume) => {
        try {
          await unmountPatiently(volume)
          return true
        } catch (error) {
          this.#note(failureOf(error, `could not unmount ${volume.path}`).message)
          return false
        }
      }),
    )
    this.#lock.release()
    return unmounted.every((isDone) => isDone)
  }
}

/** As soon as nobody uses it; after some patience, all the same. */
async function unmountPatiently({ path }: GroupVolume): Promise<void> {
  const end = Date.now() + patienceMs
  for (;;) {
    const found = await findVolume(path)
    if (found.state !== 'mounted') return
    const force = Date.now() >= end
    try {
      await found.client.request({ command: 'unmount', volume: found.summary.id, force })
      return
    } catch (error) {
      if (force || !(error instanceof Failure)) throw error
    } finally {
      found.client.close()
    }
    await sleep(100)
  }
}
