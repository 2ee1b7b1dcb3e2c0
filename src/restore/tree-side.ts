import type { ByteString } from '../base/bytes.js'
import { fsErrorOf } from '../base/errno.js'
import type { Native } from '../base/native.js'
import { O } from '../base/open-flags.js'
import { factsAt, factsOf } from './facts.js'
import type { Facts } from './facts.js'

/** Names from a root downwards; none: the root itself. */
export type Path = readonly ByteString[]

export function parentOf(path: Path): Path {
  return path.slice(0, -1)
}

export function nameOf(path: Path): ByteString {
  return path.at(-1) ?? ('' as ByteString)
}

/** Unique: no name has a slash. */
export function keyOf(path: Path): string {
  return path.join('/')
}

/**
 * A tree that is walked from one open directory. Each step goes down by one name, so that no path is too long and no
 * link leads out; the way to where it was last stays open, for the next is mostly near.
 */
export class TreeSide {
  readonly #native: Native
  readonly #rootFd: number
  readonly #isHidden: (name: ByteString) => boolean
  readonly #way: { name: ByteString; fd: number }[] = []

  /** `rootFd` is open for reading, and stays the caller's. `isHidden`: names of the root that are no part of it. */
  constructor(native: Native, rootFd: number, isHidden: (name: ByteString) => boolean) {
    this.#native = native
    this.#rootFd = rootFd
    this.#isHidden = isHidden
  }

  /** The directory, open for reading; borrowed until the next call. */
  directory(path: Path): number {
    let shared = 0
    while (shared < this.#way.length && this.#way[shared]?.name === path[shared]) shared++
    this.#leaveTo(Math.min(shared, path.length))
    for (const name of path.slice(this.#way.length)) {
      const above = this.#way.at(-1)?.fd ?? this.#rootFd
      const flags = O.RDONLY | O.DIRECTORY | O.NOFOLLOW
      const fd = this.#native.openAt(above, name, flags, 0)
      if (fd < 0) throw fsErrorOf(fd, 'open a directory')
      this.#way.push({ name, fd })
    }
    return this.#way.at(-1)?.fd ?? this.#rootFd
  }

  facts(path: Path): Facts | undefined {
    return factsAt(this.#native, this.directory(parentOf(path)), nameOf(path))
  }

  rootFacts(): Facts {
    return factsOf(this.#rootFd)
  }

  /** Sorted. */
  names(path: Path): ByteString[] {
    const packed = this.#native.readDirectory(this.directory(path))
    if (typeof packed === 'number') throw fsErrorOf(packed, 'list a directory')
    const names: ByteString[] = []
    for (let at = 0; at < packed.length;) {
      const end = at + 10 + (packed[at + 9] ?? 0)
      names.push(packed.toString('latin1', at + 10, end) as ByteString)
      at = end
    }
    const shown = path.length === 0 ? names.filter((name) => !this.#isHidden(name)) : names
    return shown.sort()
  }

  /** The empty path is the root. The descriptor is the caller's. */
  open(path: Path, flags: number): number {
    const directory = this.directory(parentOf(path))
    const fd =
      path.length === 0
        ? this.#native.reopen(this.#rootFd, O.RDONLY | O.DIRECTORY)
        : this.#native.openAt(directory, nameOf(path), flags | O.NOFOLLOW, 0)
    if (fd < 0) throw fsErrorOf(fd, 'open')
    return fd
  }

  with<T>(path: Path, flags: number, use: (fd: number) => T): T {
    const fd = this.open(path, flags)
    try {
      return use(fd)
    } finally {
      this.#native.close(fd)
    }
  }

  /** Whatever was open at or below the path: it is about to be removed. */
  leave(path: Path): void {
    this.directory(parentOf(path))
  }

  close(): void {
    this.#leaveTo(0)
  }

  #leaveTo(depth: number): void {
    while (this.#way.length > depth) {
      const step = this.#way.pop()
      if (step !== undefined) this.#native.close(step.fd)
    }
  }
}
