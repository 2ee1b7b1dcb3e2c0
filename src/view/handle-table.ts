import { FsError } from '../base/errno.js'
import type { OpenObject } from '../volume/chunk-preserver.js'
import type { OriginNode } from '../volume/origin-node.js'
import type { PastFile } from '../volume/past-file.js'
import type { DirectoryStream } from './directory-stream.js'
import type { SessionLog } from './session-log.js'
import type { ViewNode } from './view-node.js'

/** An open file of the live tree. */
export interface LiveHandle {
  readonly kind: 'live'
  readonly node: OriginNode
  readonly object: OpenObject
  /** Owned. */
  readonly fd: number
  /** Opened with O_SYNC or O_DSYNC: what it preserves must be durable before it writes. */
  readonly isSynchronous: boolean
  readonly isWriting: boolean
  /** Of a file that can only be appended to; `fd` writes nowhere else. */
  readonly isAppending: boolean
  /** In whose name mapped pages are written back. */
  readonly opener: { readonly uid: number; readonly gid: number }
}

/** An open file of a snapshot. */
export interface PastHandle {
  readonly kind: 'past'
  readonly file: PastFile
}

export interface DirectoryHandle {
  readonly kind: 'directory'
  readonly node: ViewNode
  readonly stream: DirectoryStream
  /** Live directories: what fsync needs; owned. -1: nothing to sync. */
  readonly fd: number
}

export type Handle = LiveHandle | PastHandle | DirectoryHandle

/** The open files and directories of a mount, by handle number. A number is never used again. */
export class HandleTable {
  readonly #handles = new Map<number, Handle>()
  readonly #log: SessionLog | undefined
  readonly #lost = new Set<number>()
  #next = 1

  constructor(log: SessionLog | undefined) {
    this.#log = log
  }

  get next(): number {
    return this.#next
  }

  get size(): number {
    return this.#handles.size
  }

  add(handle: Handle): number {
    const number = this.#next++
    this.#handles.set(number, handle)
    this.#log?.opened(number, handle)
    return number
  }

  /** One of a predecessor's session. */
  restore(number: number, handle: Handle): void {
    this.#handles.set(number, handle)
    this.resume(number + 1)
  }

  /** Numbers below this were given out by a predecessor. */
  resume(next: number): void {
    this.#next = Math.max(this.#next, next)
  }

  /** One of a predecessor's session that can't be had any more. */
  lose(number: number): void {
    this.#lost.add(number)
  }

  entries(): Iterable<[number, Handle]> {
    return this.#handles
  }

  get(number: number): Handle {
    const handle = this.#handles.get(number)
    if (this.#lost.has(number)) throw new FsError('ESTALE', `handle ${number} is lost`)
    if (handle === undefined) throw new FsError('EBADF', `handle ${number} is not open`)
    return handle
  }

  /** For a call that changes the file. */
  live(number: number): LiveHandle {
    const handle = this.get(number)
    if (handle.kind === 'live') return handle
    throw new FsError(handle.kind === 'past' ? 'EROFS' : 'EISDIR', 'not a live file')
  }

  directory(number: number): DirectoryHandle {
    const handle = this.get(number)
    if (handle.kind === 'directory') return handle
    throw new FsError('ENOTDIR', 'not a directory')
  }

  remove(number: number): Handle | undefined {
    const handle = this.#handles.get(number)
    this.#handles.delete(number)
    this.#lost.delete(number)
    if (handle !== undefined) this.#log?.closed(number)
    return handle
  }

  all(): Iterable<Handle> {
    return this.#handles.values()
  }

  removeAll(): Handle[] {
    const all = [...this.#handles.values()]
    this.#handles.clear()
    return all
  }
}
