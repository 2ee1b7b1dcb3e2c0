import { statSync } from 'node:fs'
import { FsError } from '../base/errno.js'
import type { ByteString } from '../base/bytes.js'
import type { Label } from '../base/ids.js'
import { native } from '../base/native.js'
import type { Guards } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { checked, fsErrorOf } from '../base/errno.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { VolumeStore } from '../store/volume-store.js'
import { Births } from './births.js'
import { ChunkPreserver } from './chunk-preserver.js'
import { DescriptorBudget } from './descriptor-budget.js'
import { Drift } from './drift.js'
import { Epoch } from './epoch.js'
import { admitAllProjects, FileFlags } from './file-flags.js'
import { bygoneDirectory, HiddenNames } from './hidden-names.js'
import { Listing } from './listing.js'
import { LiveFiles } from './live-files.js'
import { LiveNames } from './live-names.js'
import { Locator } from './locator.js'
import { Origin } from './origin.js'
import { originNow } from './origin-clock.js'
import { ObjectFinder } from './object-finder.js'
import { PastFile } from './past-file.js'
import type { PastNode } from './past-node.js'
import { PastTree } from './past-tree.js'
import { Preserver } from './preserver.js'
import { Retirement } from './retirement.js'
import { SnapshotNames } from './snapshot-names.js'
import { VolumeSweep } from './volume-sweep.js'

export interface TreeVolumeOptions {
  /** O_PATH, taken before anything was mounted over the origin; the volume takes it over. */
  readonly originFd: number
  readonly store: VolumeStore
  readonly chunkBytes: number
  /** Oldest first. */
  readonly snapshots: readonly SnapshotRecord[]
}

/**
 * A directory under bygone's care: its live tree, and its past.
 *
 * Belongs to one thread, which carries out one request after the other: so nothing here locks, and a cut
 * stands between two requests.
 */
export class TreeVolume {
  readonly origin: Origin
  readonly store: VolumeStore
  readonly guards: Guards
  readonly names: LiveNames
  readonly files: LiveFiles
  readonly flags: FileFlags
  readonly chunks: ChunkPreserver
  readonly births: Births
  readonly drift: Drift
  readonly hidden = new HiddenNames()
  readonly #descriptors: DescriptorBudget
  readonly objects: ObjectFinder
  readonly #locator: Locator
  readonly #epoch: Epoch
  readonly #retirement: Retirement
  readonly #preserver: Preserver
  readonly snapshotNames: SnapshotNames
  readonly #snapshots: SnapshotRecord[]
  /** Theirs; another array when some are removed. */
  #labels: Label[]

  private constructor(options: TreeVolumeOptions, retiredFd: number) {
    const addon = native()
    this.store = options.store
    this.#snapshots = [...options.snapshots]
    this.snapshotNames = new SnapshotNames(this.#snapshots)
    this.#labels = this.#snapshots.map(({ label }) => label)
    this.#epoch = new Epoch(this.#snapshots.at(-1)?.label ?? (0 as Label))
    this.#descriptors = new DescriptorBudget(addon)
    const { directoriesMax } = this.#descriptors
    this.origin = new Origin(addon, options.originFd, retiredFd, directoriesMax)
    this.guards = new addon.Guards()
    this.guards.setEpoch(this.#epoch.newest)
    this.drift = new Drift(this.store, this.origin)
    this.births = new Births(this.store, this.origin, this.#epoch)
    const preserver = new Preserver(this.store, this.origin, this.births, this.#epoch, this.drift)
    this.#preserver = preserver
    this.#retirement = new Retirement(this.origin)
    this.chunks = new ChunkPreserver(
      options.chunkBytes,
      this.guards,
      this.store,
      this.origin,
      this.births,
      preserver,
      this.#epoch,
    )
    this.names = new LiveNames(this.origin, this.births, preserver, this.#retirement)
    this.files = new LiveFiles(this.origin, preserver, this.chunks)
    this.flags = new FileFlags(this.origin, preserver)
    this.objects = new ObjectFinder(this.origin, this.hidden)
    this.#locator = new Locator(this.origin, this.store)
  }

  /** ORIGIN/.bygone/retired must exist. */
  static open(options: TreeVolumeOptions): TreeVolume {
    const addon = native()
    const flags = O.PATH | O.DIRECTORY | O.NOFOLLOW
    const own = checked(addon.openAt(options.originFd, bygoneDirectory, flags, 0), '.bygone')
    const retired = addon.openAt(own, 'retired' as ByteString, flags, 0)
    const isOurs = isOwnedByUs(own) && (retired < 0 || isOwnedByUs(retired))
    addon.close(own)
    if (!isOurs)
      throw new FsError('EPERM', 'somebody has put a directory of his in the place of .bygone')
    admitAllProjects(addon, checked(retired, '.bygone/retired'))
    return new TreeVolume(options, retired)
  }

  /** Oldest first. */
  get snapshots(): readonly SnapshotRecord[] {
    return this.#snapshots
  }

  /** Names in the origin's root that the mount hides because it shows snapshots under them. */
  get collisions(): readonly ByteString[] {
    const addon = this.origin.native
    const fd = checked(addon.reopen(this.origin.root.heldFd, O.RDONLY | O.DIRECTORY), 'open')
    const bytes = addon.readDirectory(fd)
    addon.close(fd)
    if (typeof bytes === 'number') throw fsErrorOf(bytes, 'readdir')
    const listing = new Listing(bytes)
    const found: ByteString[] = []
    for (let position = 0; position < listing.end;) {
      position = listing.read(position)
      if (this.hidden.isTaken(listing.name)) found.push(listing.name)
    }
    return found
  }

  /**
   * From now on the newest snapshot is `record`: what it will need is preserved before it changes. Touches no
   * list, whatever the size of the tree.
   */
  cut(record: SnapshotRecord): void {
    if (record.label <= this.#epoch.newest) {
      throw new Error(`label ${record.label} is not newer than ${this.#epoch.newest}`)
    }
    this.#snapshots.push(record)
    this.snapshotNames.noteAdded(record)
    this.#labels.push(record.label)
    this.#epoch.newest = record.label
    this.guards.setEpoch(record.label)
  }

  /** Memos, tags and holds are others now. */
  noteChanged(records: readonly SnapshotRecord[]): void {
    for (const record of records) {
      const at = this.#snapshots.findIndex(({ label }) => label === record.label)
      if (at >= 0) this.#snapshots[at] = record
    }
    this.snapshotNames.noteChanged()
  }

  /**
   * These snapshots are no more: nothing is preserved for them, and what only they needed is dead, see
   * VolumeSweep. Nobody may read in them from now on.
   */
  remove(labels: ReadonlySet<Label>): void {
    const kept = this.#snapshots.filter(({ label }) => !labels.has(label))
    this.#snapshots.splice(0, this.#snapshots.length, ...kept)
    this.snapshotNames.noteChanged()
    this.#labels = kept.map(({ label }) => label)
    this.#epoch.newest = kept.at(-1)?.label ?? (0 as Label)
    this.guards.setEpoch(this.#epoch.newest)
  }

  /**
   * A pass over all that is kept. It holds for as long as no snapshot is removed. Outside of a session (beginSession) it
   * must not be `inSession`.
   */
  sweep({ inSession } = { inSession: true }): VolumeSweep {
    return new VolumeSweep(
      this.store,
      this.origin,
      this.#preserver,
      this.#retirement,
      this.#labels,
      inSession,
    )
  }

  /** Before a file or directory is opened for a program. Throws EMFILE. */
  assertRoomToOpen(): void {
    this.#descriptors.assertRoom(this.origin.root.heldFd)
  }

  /** A snapshot as a tree, with nodes of its own. */
  past(record: SnapshotRecord): PastTree {
    return new PastTree(
      record.label,
      this.origin,
      this.store,
      this.#locator,
      this.hidden,
      this.drift,
    )
  }

  /** `openedFd`: of the object's file in the origin, which a predecessor had open; -1: none. */
  openPast(node: PastNode, sizeBytes: number, openedFd = -1): PastFile {
    if (node.isForeign) throw new FsError('EXDEV', 'another file system is mounted here')
    return new PastFile(node, sizeBytes, this.store, this.origin, this.chunks, this.drift, openedFd)
  }

  /**
   * From now on nobody changes the origin but through the mount: what was changed since the session
   * before was changed unseen. Throws Failure.
   */
  beginSession(): void {
    const { sessions } = this.store
    sessions.begin(
      originNow(this.origin),
      this.#snapshots[0]?.label ?? 0,
      this.#epoch.newest,
      this.store.flushedSequence(),
    )
    this.drift.setGaps(sessions.gaps)
  }

  /** The session goes on in another process: nobody could change anything meanwhile. Throws Failure. */
  resumeSession(): void {
    const { sessions } = this.store
    sessions.resume(originNow(this.origin))
    this.drift.setGaps(sessions.gaps)
  }

  /** Nothing more is changed through the mount. Throws Failure. */
  endSession(): void {
    this.store.sessions.end(originNow(this.origin), this.store.flushedSequence())
  }

  gauges(): Record<string, number> {
    return {
      snapshots: this.#snapshots.length,
      gaps: this.drift.gapCount,
      originNodes: this.origin.nodeCount,
      directoryDescriptors: this.origin.directories.size,
      openObjects: this.chunks.openCount,
      guards: this.guards.count(),
      retired: this.#retirement.retiredCount,
      ...this.store.stats(),
    }
  }

  /** The store's owner closes it afterwards. */
  close(): void {
    this.origin.close()
  }
}

function isOwnedByUs(fd: number): boolean {
  return statSync(`/proc/self/fd/${fd}`).uid === process.geteuid?.()
}
