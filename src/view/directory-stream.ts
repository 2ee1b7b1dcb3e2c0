import { FileType } from '../base/attributes.js'
import type { ByteString } from '../base/bytes.js'
import { FsError, isErrno } from '../base/errno.js'
import type { DirectorySink, Entry } from '../fuse/file-system.js'
import type { Listing } from '../volume/listing.js'
import type { InodeNumber } from '../volume/past-node.js'

/** What a directory of the mount has to tell; one for each kind of directory. */
export interface DirectorySource {
  /** The whole listing as of now, without `.` and `..`. */
  list(): Listing
  /** st_ino as shown, for an inode number in the listing. */
  inodeNumber(ino: number, to: InodeNumber): void
  /** Of the directory itself, and of the one above it. */
  readonly self: InodeNumber
  readonly above: InodeNumber
  /** Fills entry for an entry of the listing and counts a lookup; leaves entry.node 0 if the kernel shall look it up itself. */
  enter(name: ByteString, ino: number, type: number, entry: Entry): void
}

const directoryType = FileType.directory >>> 12
/** Offsets 0 and 1 are `.` and `..`; the listing's positions follow. */
const listingOffset = 2

/**
 * One open directory. Its listing is taken whole when reading starts (and anew after rewinddir), so that
 * names removed or added meanwhile neither hide nor repeat others.
 */
export class DirectoryStream {
  /** Called with each listing that is taken. */
  onListed: ((listing: Listing) => void) | undefined

  readonly #source: DirectorySource
  #listing: Listing | undefined
  readonly #inode: InodeNumber = { high: 0, low: 0 }

  constructor(source: DirectorySource) {
    this.#source = source
  }

  get listing(): Listing | undefined {
    return this.#listing
  }

  /** Goes on reading in a listing that was taken before. */
  restore(listing: Listing): void {
    this.#listing = listing
  }

  read(offset: number, sink: DirectorySink): void {
    const listing = this.#listingAt(offset)
    assertMore(listing, offset)
    const inode = this.#inode
    let position = this.#readDots(offset, sink)
    while (position >= 0 && position < listing.end) {
      const next = listing.read(position)
      this.#source.inodeNumber(listing.ino, inode)
      const nextOffset = next + listingOffset
      if (!sink.add(listing.name, inode.high, inode.low, listing.type, nextOffset)) return
      position = next
    }
  }

  /** The same with a lookup of each entry. */
  readWithEntries(offset: number, sink: DirectorySink): void {
    const listing = this.#listingAt(offset)
    assertMore(listing, offset)
    let position = this.#readDots(offset, sink)
    while (position >= 0 && position < listing.end) {
      const next = listing.read(position)
      const { name, ino, type } = listing
      if (!sink.hasRoom(name.length)) return
      const isThere = this.#enter(name, ino, type, sink.entry)
      if (isThere && sink.entry.node !== 0) sink.addEntry(name, type, next + listingOffset)
      else if (isThere) {
        // The kernel shall look it up itself. Without a number of its own `ls` would leave it out.
        this.#source.inodeNumber(ino, this.#inode)
        sink.add(name, this.#inode.high, this.#inode.low, type, next + listingOffset)
      }
      position = next
    }
  }

  #enter(name: ByteString, ino: number, type: number, entry: Entry): boolean {
    try {
      this.#source.enter(name, ino, type, entry)
      return true
    } catch (error) {
      // Removed since the listing was taken.
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
  }

  #listingAt(offset: number): Listing {
    if (offset === 0 || this.#listing === undefined) {
      this.#listing = this.#source.list()
      this.onListed?.(this.#listing)
    }
    return this.#listing
  }

  /** The position in the listing to go on from, or -1 if there was no room. */
  #readDots(offset: number, sink: DirectorySink): number {
    const { self, above } = this.#source
    if (offset === 0 && !sink.add('.' as ByteString, self.high, self.low, directoryType, 1)) {
      return -1
    }
    const isBeforeAbove = offset < listingOffset
    if (
      isBeforeAbove &&
      !sink.add('..' as ByteString, above.high, above.low, directoryType, listingOffset)
    ) {
      return -1
    }
    return Math.max(offset - listingOffset, 0)
  }
}

/** Whoever reads on behind the last entry of a listing that is not whole is told so. */
function assertMore(listing: Listing, offset: number): void {
  if (!listing.isWhole && offset >= listing.end + listingOffset) {
    throw new FsError('EIO', 'what else was in the directory is not known any more')
  }
}
