import type { TreeVolume } from '../volume/tree-volume.js'
import { ListingBuilder } from '../volume/listing.js'
import { snapshotPrefix } from '../volume/hidden-names.js'
import type { DirectorySource } from './directory-stream.js'
import type { LiveView } from './live-view.js'
import type { SnapshotsView } from './snapshots-view.js'

/** The root of a mount: the live names but the hidden ones, and the newest snapshots. */
export function rootSource(
  volume: TreeVolume,
  live: LiveView,
  snapshots: SnapshotsView,
): DirectorySource {
  const { root } = volume.origin
  const plain = live.source(root)
  return {
    list: () => {
      const listing = live.list(root)
      const builder = new ListingBuilder()
      for (let position = 0; position < listing.end;) {
        position = listing.read(position)
        if (volume.hidden.has(listing.name)) continue
        builder.add(listing.ino, listing.type, listing.name)
      }
      snapshots.addTo(builder)
      return builder.build()
    },
    inodeNumber: (ino, to) => {
      snapshots.inodeNumber(ino, to)
    },
    self: plain.self,
    above: plain.above,
    enter: (name, ino, type, entry) => {
      if (name.startsWith(snapshotPrefix)) entry.node = 0
      else plain.enter(name, ino, type, entry)
    },
  }
}
