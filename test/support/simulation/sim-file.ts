import type { Random } from '../random.js'

export const pageBytes = 4096
/** What a disk may write in part. */
export const sectorBytes = 512

/** 4 KiB that are never changed, only replaced; undefined: a hole. */
export type Page = Uint8Array | undefined

/** How a power loss treats what was not synced. */
export interface Loss {
  readonly random: Random
  /** Of each part by itself: the chance that it had reached the disk. */
  readonly keeps: number
  /** The chance that of a page only some sectors had. */
  readonly tears: number
}

interface Content {
  readonly pages: readonly Page[]
  readonly sizeBytes: number
}

export interface Meta {
  readonly mode: number
  readonly mtimeMs: number
  /** Stands for the ctime: one more with each change. */
  readonly changes: number
  /** From the start; more than the size, perhaps. */
  readonly setAsideBytes: number
}

/** More are forgotten: what a page was in between, while nobody synced. */
const versionsMax = 4

/**
 * A file as programs see it, and what of it is on the disk: each page, the size and the times by themselves, in any
 * state that they have had since they were last synced.
 */
export class SimFile {
  readonly ino: number
  /** Whose it is to change: others copy it first. */
  readonly owner: object
  #pages: Page[] = []
  #sizeBytes = 0
  #meta: Meta = { mode: 0o600, mtimeMs: 0, changes: 0, setAsideBytes: 0 }
  #synced: Content = { pages: [], sizeBytes: 0 }
  #syncedMeta: Meta = this.#meta
  /** What the pages that are not synced were since they were, without the first and the last state. */
  #between = new Map<number, Page[]>()
  #sizesBetween: number[] = []

  constructor(ino: number, owner: object) {
    this.ino = ino
    this.owner = owner
  }

  copy(owner: object): SimFile {
    const copy = new SimFile(this.ino, owner)
    copy.#pages = [...this.#pages]
    copy.#sizeBytes = this.#sizeBytes
    copy.#meta = this.#meta
    copy.#synced = this.#synced
    copy.#syncedMeta = this.#syncedMeta
    for (const [index, versions] of this.#between) copy.#between.set(index, [...versions])
    copy.#sizesBetween = [...this.#sizesBetween]
    return copy
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get meta(): Meta {
    return this.#meta
  }

  /** Up to the end of the file. */
  get pages(): readonly Page[] {
    return this.#pages
  }

  get isSynced(): boolean {
    return (
      this.#between.size === 0 &&
      this.#sizeBytes === this.#synced.sizeBytes &&
      this.#meta === this.#syncedMeta
    )
  }

  get isDataSynced(): boolean {
    return this.#between.size === 0 && this.#sizeBytes === this.#synced.sizeBytes
  }

  read(to: Uint8Array, at: number, bytes: number, offset: number): number {
    const length = Math.max(0, Math.min(bytes, this.#sizeBytes - offset))
    for (let done = 0; done < length;) {
      const from = (offset + done) % pageBytes
      const part = Math.min(pageBytes - from, length - done)
      const page = this.#pages[Math.floor((offset + done) / pageBytes)]
      if (page === undefined) to.fill(0, at + done, at + done + part)
      else to.set(page.subarray(from, from + part), at + done)
      done += part
    }
    return length
  }

  write(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((offset + done) / pageBytes)
      const from = (offset + done) % pageBytes
      const part = Math.min(pageBytes - from, bytes.length - done)
      const page = new Uint8Array(pageBytes)
      const before = this.#pages[index]
      if (before !== undefined) page.set(before)
      page.set(bytes.subarray(done, done + part), from)
      this.#setPage(index, page)
      done += part
    }
    this.#setSize(Math.max(this.#sizeBytes, offset + bytes.length))
    this.touch({})
  }

  truncate(sizeBytes: number): void {
    const end = Math.ceil(sizeBytes / pageBytes)
    for (let index = end; index < this.#pages.length; index++) this.#setPage(index, undefined)
    this.#pages.length = Math.min(this.#pages.length, end)
    const last = this.#pages[end - 1]
    const tail = sizeBytes % pageBytes
    if (last !== undefined && tail > 0 && sizeBytes < this.#sizeBytes) {
      this.#setPage(end - 1, cutPage(last, tail))
    }
    this.#setSize(sizeBytes)
    this.touch({ setAsideBytes: Math.min(this.#meta.setAsideBytes, sizeBytes) })
  }

  /** Whole pages become holes, the rest zeros. */
  punch(offset: number, bytes: number): void {
    const end = Math.min(offset + bytes, this.#sizeBytes)
    for (let at = offset; at < end;) {
      const index = Math.floor(at / pageBytes)
      const part = Math.min(pageBytes - (at % pageBytes), end - at)
      const before = this.#pages[index]
      if (before !== undefined) {
        const page = Uint8Array.from(before).fill(0, at % pageBytes, (at % pageBytes) + part)
        this.#setPage(index, part === pageBytes ? undefined : page)
      }
      at += part
    }
    this.touch({})
  }

  touch(changed: Partial<Omit<Meta, 'changes'>>): void {
    this.#meta = { ...this.#meta, ...changed, changes: this.#meta.changes + 1 }
  }

  /** Bytes and size; the times too unless `dataOnly`. */
  sync(dataOnly: boolean): void {
    if (!this.isDataSynced || this.#sizesBetween.length > 0) {
      this.#synced = { pages: [...this.#pages], sizeBytes: this.#sizeBytes }
      this.#between.clear()
      this.#sizesBetween = []
    }
    if (!dataOnly) this.#syncedMeta = this.#meta
  }

  /** Only what the disk has is left, and that is all synced. */
  losePower(loss: Loss): void {
    const { random } = loss
    const pages = [...this.#synced.pages]
    for (const [index, versions] of this.#between) {
      const all = [this.#synced.pages[index], ...versions, this.#pages[index]]
      pages[index] = pickPage(all, loss)
    }
    const sizes = [this.#synced.sizeBytes, ...this.#sizesBetween, this.#sizeBytes]
    this.#sizeBytes = pickVersion(sizes, loss)
    const end = Math.ceil(this.#sizeBytes / pageBytes)
    if (pages.length > end) pages.length = end
    const last = pages[end - 1]
    const tail = this.#sizeBytes % pageBytes
    if (last !== undefined && tail > 0) pages[end - 1] = cutPage(last, tail)
    this.#pages = pages
    if (!random.isLikely(loss.keeps)) this.#meta = this.#syncedMeta
    this.#between.clear()
    this.#sizesBetween = []
    this.#synced = { pages: [...pages], sizeBytes: this.#sizeBytes }
    this.#syncedMeta = this.#meta
  }

  #setPage(index: number, page: Page): void {
    const between = this.#between.get(index)
    if (between === undefined) this.#between.set(index, [])
    else {
      between.push(this.#pages[index])
      if (between.length > versionsMax) between.shift()
    }
    while (this.#pages.length < index) this.#pages.push(undefined)
    this.#pages[index] = page
  }

  #setSize(sizeBytes: number): void {
    if (sizeBytes === this.#sizeBytes) return
    this.#sizesBetween.push(this.#sizeBytes)
    if (this.#sizesBetween.length > versionsMax) this.#sizesBetween.shift()
    this.#sizeBytes = sizeBytes
  }
}

/** The first version is the synced one, the last the newest. */
function pickVersion<T>(versions: readonly T[], { random, keeps }: Loss): T {
  const at = random.isLikely(0.2)
    ? random.below(versions.length)
    : random.isLikely(keeps)
      ? versions.length - 1
      : 0
  return versions[at] as T
}

function pickPage(versions: readonly Page[], loss: Loss): Page {
  const page = pickVersion(versions, loss)
  if (!loss.random.isLikely(loss.tears)) return page
  const other = pickVersion(versions, loss)
  const torn = new Uint8Array(pageBytes)
  for (let at = 0; at < pageBytes; at += sectorBytes) {
    const from = loss.random.isLikely(0.5) ? page : other
    if (from !== undefined) torn.set(from.subarray(at, at + sectorBytes), at)
  }
  return torn
}

function cutPage(page: Uint8Array, bytes: number): Uint8Array {
  const cut = new Uint8Array(pageBytes)
  cut.set(page.subarray(0, bytes))
  return cut
}
