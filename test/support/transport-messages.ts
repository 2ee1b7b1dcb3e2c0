import type { SessionStats } from '../../src/fuse/native-transport.js'
import type { Agreement } from '../../src/fuse/negotiation.js'

/** The ways a MemoryFileSystem is mounted: 'planned' is the native transport with every read and write asked for. */
export type TransportKind = 'native' | 'planned' | 'fuse-native'

export interface TransportOptions {
  kind: TransportKind
  mountPoint: string
  ttlMs?: number
  keepCache?: boolean
}

/** What a test asks of a running transport. Names are ByteStrings. */
export type TransportQuestion =
  | { ask: 'state' }
  /** Makes the kernel forget; in the file system nothing changes. */
  | { ask: 'invalidateEntry'; name: string }
  | { ask: 'invalidateNode'; name: string }
  /** Changes in the root that the kernel is not told of. */
  | { ask: 'removeBehind'; name: string }
  | { ask: 'writeBehind'; name: string; text: string }
  | { ask: 'unmount' }
  /** Has onWake say so. */
  | { ask: 'stop' }

export interface TransportState {
  nodes: number
  handles: number
  log: string[]
  agreement: Agreement | undefined
  stats: SessionStats | undefined
}

export type TransportNews =
  | { type: 'serving' }
  /** A read of the file named `slow` has begun, and takes a while. */
  | { type: 'slow read' }
  | { type: 'answer'; state: TransportState; error: string | undefined }
  | { type: 'not mounted'; message: string }
  /** The last one: the transport has returned. */
  | { type: 'over'; state: TransportState; wasDestroyed: boolean }
