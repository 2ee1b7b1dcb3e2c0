import type { ErrnoCode } from '../base/errno.js'
import type { FailureKind } from '../base/failure.js'
import type { Label, ObjectId } from '../base/ids.js'
import type { SpaceEntry } from '../store/space-use.js'
import type { SnapshotRecord } from '../store/snapshot-record.js'
import type { Durability, Transport } from './mount-order.js'

/** What a volume's thread is started with. It owns the descriptors from then on, but for wakeFd. */
export interface VolumeThreadData {
  /** Counts the messages sent to the thread: it sleeps on this where it may not return to its loop. */
  signal: SharedArrayBuffer
  /** Ends the transport's blocking wait, see Session.exchange. */
  wakeFd: number
  originFd: number
  /** STORE/volumes/<id>, by a path that no mount can come to lie over. */
  storeDirectory: string
  snapshots: SnapshotRecord[]
  chunkBytes: number
  durability: Durability
  transport: Transport
  isMountedOver: boolean
  /** undefined: nothing goes on record for a successor. */
  session: SessionData | undefined
}

/** What a thread needs to keep a session on record. The descriptors stay the main thread's. */
export interface SessionData {
  /** Of the SessionLog. */
  sessionFd: number
  /** Of KeptDescriptors. */
  keepFd: number
  descriptorsMax: number
  /** Of the succession page. */
  pageFd: number
  /** A predecessor's session goes on. */
  isTakeover: boolean
}

/** Main thread to volume thread. After each, the main thread counts `signal` up and signals wakeFd. */
export type ToVolumeThread =
  | { type: 'serve'; fuseFd: number }
  | { type: 'serve-fuse-native'; mountPoint: string; source: string; allowOther: boolean }
  /** Finish what is under way, and what a sync of the mount has set off; answer `held` and begin nothing until `cut` or `release`. */
  | { type: 'hold'; id: number }
  /** While it is held: the snapshot `label` to come can't rely on what the origin holds of these; answer `doubted`. */
  | { type: 'doubt'; objects: readonly ObjectId[]; label: Label }
  | { type: 'cut'; record: SnapshotRecord }
  | { type: 'release' }
  /** What people say of snapshots that there are. */
  | { type: 'changed'; records: readonly SnapshotRecord[] }
  | { type: 'status'; id: number }
  /** These snapshots are no more (the catalog says so): answer `removed`. */
  | { type: 'remove'; id: number; names: string[]; labels: Label[] }
  /** Go on with the sweep for about so long, or begin one; answer `swept`. */
  | { type: 'sweep'; id: number; msMax: number; how: SweepHow }
  /** There may be a quiet moment for work that no request should wait for. */
  | { type: 'idle' }
  /** How the thread's own `snapshot-wanted` or `deletion-wanted` ended. */
  | { type: 'wanted-done'; what: Wanted; name: string }
  | { type: 'wanted-refused'; what: Wanted; name: string; code: ErrnoCode; message: string }
  /** Serve no more requests, whoever still waits; flush and close. */
  | { type: 'stop' }

export type FromVolumeThread =
  /** Store and volume are open: it may be mounted. */
  | {
      type: 'opened'
      collisions: string[]
      recovery: Record<string, unknown>
      /** Of a session taken over: all that its files and nodes need. */
      descriptors: number[]
    }
  /** INIT was agreed on, or was by a predecessor: whether the session can be taken over. */
  | { type: 'agreed'; canResend: boolean }
  /** The fuse-native transport has mounted. */
  | { type: 'serving' }
  | { type: 'held'; id: number }
  | { type: 'doubted' }
  | { type: 'cut-done' }
  | { type: 'status'; id: number; status: ThreadStatus }
  | { type: 'removed'; id: number }
  | { type: 'swept'; id: number; progress: SweepProgress }
  | { type: 'sweep-failed'; id: number; kind: FailureKind; message: string }
  /** A request waits until the main thread has done it: a snapshot with that tag, the deletion of that snapshot. */
  | { type: 'wanted'; what: Wanted; name: string }
  | { type: 'log'; line: string }
  /** It could not open or had to stop: why. The thread ends. */
  | { type: 'failed'; kind: FailureKind; message: string; isBug: boolean }
  /** Nothing is served any more and all is on the disk. The thread ends. */
  | { type: 'closed' }

export type Wanted = 'snapshot' | 'deletion'

/**
 * 'steadily': in the background. 'thoroughly': somebody waits, and the space of each record is given back that can be.
 * 'if-new': a pass begins only if it would find anything new.
 */
export type SweepHow = 'steadily' | 'thoroughly' | 'if-new'

/** Of the pass that is under way, or has just ended. */
export interface SweepProgress {
  isEnd: boolean
  /** Elements and files looked at, and freed; bytes of data. */
  counts: Record<string, number>
  /** What the last whole pass has found to be kept for whom is so still. */
  isCurrent: boolean
  /**
   * At the end of a pass: the snapshots that there are, oldest first, how many of them there were when it
   * began, and what is kept for which of them.
   */
  use?: { labels: Label[]; countAtStart: number; entries: SpaceEntry[] }
}

export interface ThreadStatus {
  negotiated: Record<string, unknown>
  gauges: Record<string, number>
  /** In the live tree, since the newest snapshot; null: nobody knows. */
  changesSinceSnapshot: number | null
}
