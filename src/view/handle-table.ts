import { FsError } from '../base/errno.js'
import type { OpenObject } from '../volume/chunk-preserver.js'
import type { OriginNode } from '../volume/origin-node.js'
import type { PastFile } from '../volume/past-file.js'
import type { DirectoryStream } from './directory-stream.js'

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
}

/** An open file of a snapshot. */
export interface PastHandle {
  readonly kind: 'past'
  readonly file: PastFile
}

export interface DirectoryHandle {
  readonly kind: 'directory'
  readonly stream: DirectoryStream
  /** Live directories: what fsync needs; owned. -1: nothing to sync. */
  readonly fd: number
}

export type Handle = LiveHandle | PastHandle | DirectoryHandle

/** The open files and directories of a mount, by handle number. A number is never used again. */
export class HandleTable {
  readonly #handles = new Map<number, Handle>()
  #next = 1

  get size(): number {
    return this.#handles.size
  }

  add(handle: Handle): number {
    const number = this.#next++
    this.#handles.set(number, handle)
    return number
  }

  get(number: number): Handle {
    const handle = this.#handles.get(number)
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
