import type { ObjectId } from '../base/ids.js'
import type { ByteString } from '../base/bytes.js'
import { Places } from './places.js'

const nowhere = '' as ByteString

/**
 * One inode of the origin that the kernel (or an open handle) knows, whatever its names.
 *
 * A node holds no descriptor of its own, since 20,000 is a common hard limit and a kernel knows a
 * million files: it is reached relative to its parent directory. The exceptions hold one because no name leads to
 * them any more, see `heldFd`.
 */
export class OriginNode {
  /** The view's: the id under which the kernel knows it, 0 if it does not, and how often it was told. */
  id = 0
  lookups = 0
  /** Tells this use of the inode number from others; -1: not asked yet. */
  generation = -1

  readonly object: ObjectId
  /** S_IFMT bits of the mode; a node never changes its type. */
  readonly type: number
  /** Something of another file system stands here; it is shown empty and never entered. */
  readonly isForeign: boolean

  /** One live name, kept right over renames. No parent: the root, or no name is left (heldFd >= 0). */
  parent: OriginNode | undefined
  name: ByteString
  /** Further live names that were looked up (hard links). */
  otherPlaces: Places | undefined

  /** How many nodes and handles need this one; it stays known while any does. */
  references = 0
  /** The root, the retired directory, and files whose last name is gone while someone holds them: O_PATH. */
  heldFd = -1
  /** It has names, but was found without one: while it has no place it is reached by its number. */
  isByNumber = false
  /** One of its links is the one in the retired directory, which the live tree does not count. */
  hasRetiredLink = false

  /** Which session log has it, and so a successor of this process would know of it; 0: none. See SessionWriter. */
  logMark = 0

  /** Whether it was changed unseen is known to the store, see Drift. */
  isLookedOver = false

  /** Equal to the newest label: it is known to be born since that snapshot. */
  bornLabel = -1
  /** Equal to the newest label: it is known to stand in that snapshot. */
  keptLabel = -1
  /** Equal to the newest label: its attributes are preserved for that snapshot. */
  attributesLabel = -1

  constructor(object: ObjectId, type: number, isForeign: boolean) {
    this.object = object
    this.type = type
    this.isForeign = isForeign
    this.parent = undefined
    this.name = nowhere
  }

  get hasPlace(): boolean {
    return this.parent !== undefined
  }

  /** False: it had it already. */
  addPlace(parent: OriginNode, name: ByteString): boolean {
    if (this.parent === parent && this.name === name) return false
    if (this.parent === undefined) {
      this.parent = parent
      this.name = name
    } else {
      this.otherPlaces ??= new Places()
      if (!this.otherPlaces.add(parent, name)) return false
    }
    parent.references++
    return true
  }

  removePlace(parent: OriginNode, name: ByteString): void {
    if (this.parent === parent && this.name === name) {
      const next = this.otherPlaces?.take()
      this.parent = next?.parent
      this.name = next?.name ?? nowhere
    } else if (this.otherPlaces?.remove(parent, name) !== true) return
    if (this.otherPlaces?.isEmpty === true) this.otherPlaces = undefined
    parent.references--
  }
}
