import { FileType, StatField } from '../base/attributes.js'
import { byteStringOfText, textOf } from '../base/bytes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError } from '../base/errno.js'
import type { Label } from '../base/ids.js'
import { RequestParked } from '../fuse/file-system.js'
import type { AttributesReply, Caller, Entry, OpenReply } from '../fuse/file-system.js'
import { plainSnapshotName } from '../store/snapshot-name.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { Identity } from '../volume/acting-as.js'
import { snapshotPrefix } from '../volume/hidden-names.js'
import { ListingBuilder } from '../volume/listing.js'
import type { Listing } from '../volume/listing.js'
import { pastInodeNumber } from '../volume/past-node.js'
import type { InodeNumber } from '../volume/past-node.js'
import type { TreeVolume } from '../volume/tree-volume.js'
import { DirectoryStream } from './directory-stream.js'
import type { DirectorySource } from './directory-stream.js'
import type { HandleTable } from './handle-table.js'
import { liveInodeNumber, numberOf } from './live-view.js'
import type { NodeTable } from './node-table.js'
import type { ViewOptions } from './options.js'
import type { PastView } from './past-view.js'
import type { SessionLog } from './session-log.js'
import { SnapshotsNode } from './view-node.js'

/** Samba's clients break on more in one listing; the older ones are still reachable by name. */
const listedMax = 512
const directoryType = FileType.directory >>> 12
/** Of `.snapshots`: bit 63 and label 0, which no snapshot has. */
const snapshotsInodeHigh = 0x80000000
/** In a listing, numbers from here on are labels: inode numbers of the origin are below. */
const labelBase = 2 ** 52
const tagPattern = /^[^/@\0.][^/\0]*$/

/** The ways into the snapshots: names in the root and in `.snapshots`, and who stands behind them. */
export class SnapshotsView {
  readonly #volume: TreeVolume
  readonly #nodes: NodeTable
  readonly #handles: HandleTable
  readonly #past: PastView
  readonly #takeSnapshot: (tag: string) => void
  readonly #deleteSnapshot: (name: string) => void
  /** Tags that requests are waiting for. */
  readonly #asked = new Set<string>()
  /** Names below `.snapshots` that requests are waiting to see deleted, and what they stood for. */
  readonly #doomed = new Map<ByteString, string>()
  /** Tags and names that a predecessor was asked to make or delete. */
  readonly #restored = new Set<string>()
  readonly directory = new SnapshotsNode()
  readonly #log: SessionLog | undefined

  constructor(
    volume: TreeVolume,
    nodes: NodeTable,
    handles: HandleTable,
    past: PastView,
    {
      takeSnapshot,
      deleteSnapshot,
      log,
    }: Pick<ViewOptions, 'takeSnapshot' | 'deleteSnapshot' | 'log'>,
  ) {
    this.#log = log
    this.#volume = volume
    this.#nodes = nodes
    this.#handles = handles
    this.#past = past
    this.#takeSnapshot = takeSnapshot
    this.#deleteSnapshot = deleteSnapshot
  }

  /** The snapshot that `name` stands for in the root or any live directory: `@GMT-…` or `@latest`. */
  named(name: ByteString): SnapshotRecord | undefined {
    const { snapshots, snapshotNames } = this.#volume
    return name.startsWith(snapshotPrefix) ? snapshotNames.named(name) : snapshots.at(-1)
  }

  enterDirectory(entry: Entry): void {
    this.directoryAttributes(entry)
    entry.node = this.#nodes.remember(this.directory)
    entry.generation = this.#nodes.sessionGeneration
    entry.entryTtlMs = 0
  }

  directoryAttributes(reply: AttributesReply): void {
    const { origin } = this.#volume
    origin.statNode(origin.root)
    origin.attributesFromStat(origin.root, reply.attributes)
    reply.attributes.inoHigh = snapshotsInodeHigh
    reply.attributes.inoLow = 1
    reply.attributesTtlMs = 0
  }

  /** A name in `.snapshots`: a plain name or a tag. */
  lookup(name: ByteString, caller: Caller, entry: Entry): void {
    const record = this.#below(name)
    this.#past.enterSnapshot(record, `.snapshots/${name}`, [], caller, entry)
    entry.entryTtlMs = 0
  }

  take(name: ByteString, caller: Caller, entry: Entry): void {
    const tag = textOf(name)
    if (!tagPattern.test(tag) || byteStringOfText(tag) !== name) {
      throw new FsError('EINVAL', `${tag} can't be a tag`)
    }
    const isAsked = this.#asked.delete(tag)
    if (!isAsked && this.#volume.snapshotNames.below(tag) !== undefined) {
      throw new FsError('EEXIST', `there is a snapshot ${tag}`)
    }
    const isTaken = this.#volume.snapshots.some(({ tags }) => tags.includes(tag))
    try {
      if (!(this.#restored.delete(tag) && isTaken)) this.#takeSnapshot(tag)
    } catch (error) {
      if (error instanceof RequestParked) {
        this.#asked.add(tag)
        this.#log?.asked(name)
      } else this.#log?.answered(name)
      throw error
    }
    this.#log?.answered(name)
    this.lookup(name, caller, entry)
  }

  /** Who may make names in the root may take snapshots; to delete them one has to own it. */
  remove(name: ByteString, caller: Identity): void {
    const { origin } = this.#volume
    origin.statNode(origin.root)
    if (caller.uid !== 0 && caller.uid !== origin.stat[StatField.uid]) {
      throw new FsError('EPERM', 'not the owner of the volume')
    }
    const onRecord = doomedOnRecord(name)
    if (this.#restored.delete(onRecord) && this.#isGone(name)) {
      this.#log?.answered(onRecord)
      return
    }
    const doomed = this.#doomed.get(name) ?? this.#below(name).name
    this.#doomed.delete(name)
    try {
      this.#deleteSnapshot(doomed)
    } catch (error) {
      if (error instanceof RequestParked) {
        this.#doomed.set(name, doomed)
        this.#log?.asked(onRecord)
      } else this.#log?.answered(onRecord)
      throw error
    }
    this.#log?.answered(onRecord)
  }

  /** Tags that a predecessor's requests were waiting for: they will ask again, and the snapshot may exist by now. */
  restoreAsked(tags: Iterable<ByteString>): void {
    for (const name of tags) {
      if (name !== doomedOnRecord(name)) this.#asked.add(textOf(name))
      this.#restored.add(textOf(name))
    }
  }

  /** Whoever was going to ask again has. */
  forgetRestored(): void {
    for (const tag of this.#restored) this.#asked.delete(tag)
    this.#restored.clear()
  }

  openDirectory(reply: OpenReply): void {
    const stream = this.newStream()
    reply.handle = this.#handles.add({ kind: 'directory', node: this.directory, stream, fd: -1 })
  }

  newStream(): DirectoryStream {
    return new DirectoryStream(this.#source())
  }

  /** What the root lists beside the live names. */
  addTo(builder: ListingBuilder): void {
    for (const record of this.#volume.snapshots.slice(-listedMax)) {
      builder.add(labelBase + record.label, directoryType, record.name as ByteString)
    }
  }

  /** st_ino for a number in a listing that holds snapshots. */
  inodeNumber(ino: number, to: InodeNumber): void {
    if (ino < labelBase) liveInodeNumber(ino, to)
    else pastInodeNumber((ino - labelBase) as Label, this.#volume.origin.root.object, to)
  }

  /** A plain name or a tag. */
  #isGone(name: ByteString): boolean {
    const text = textOf(name)
    return !this.#volume.snapshots.some(
      (each) => plainSnapshotName(each.name) === text || each.tags.includes(text),
    )
  }

  #below(name: ByteString): SnapshotRecord {
    const text = textOf(name)
    const record = this.#volume.snapshotNames.below(text)
    if (record === undefined) throw new FsError('ENOENT', `no snapshot ${text}`)
    return record
  }

  #source(): DirectorySource {
    return {
      list: () => this.#list(),
      inodeNumber: (ino, to) => {
        this.inodeNumber(ino, to)
      },
      self: { high: snapshotsInodeHigh, low: 1 },
      above: numberOf(this.#volume.origin.root),
      enter: (_name, _ino, _type, entry) => {
        entry.node = 0
      },
    }
  }

  #list(): Listing {
    const builder = new ListingBuilder()
    const { snapshots } = this.#volume
    for (const record of snapshots) {
      const number = labelBase + record.label
      builder.add(number, directoryType, byteStringOfText(plainSnapshotName(record.name)))
    }
    // Where several snapshots have a tag, it stands for the newest.
    const tagged = new Map(snapshots.flatMap(({ tags, label }) => tags.map((tag) => [tag, label])))
    for (const [tag, label] of tagged) {
      builder.add(labelBase + label, directoryType, byteStringOfText(tag))
    }
    return builder.build()
  }
}

/** What is to be deleted goes on record with a slash before it, which no tag has. */
function doomedOnRecord(name: ByteString): ByteString {
  return (name.startsWith('/') ? name : `/${name}`) as ByteString
}
