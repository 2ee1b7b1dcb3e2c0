import { FileType } from '../../base/attributes.js'
import type { ByteString } from '../../base/bytes.js'
import { checked, fsErrorOf, isErrno } from '../../base/errno.js'
import type { ObjectId } from '../../base/ids.js'
import { O } from '../../base/open-flags.js'
import type { OnFinding, StoreFinding } from '../../store/check/finding.js'
import { labelMax } from '../../store/element-keys.js'
import type { VolumeElements } from '../../store/volume-elements.js'
import { Listing } from '../listing.js'
import type { Origin } from '../origin.js'

/** Where the files are that the live tree has removed, as people know it. */
const shownAs = '.bygone/retired'

/** Looks at each file in the retired directory: whether the store knows it, and it is what the store knows. */
export class RetiredCheck {
  readonly #origin: Origin
  readonly #elements: VolumeElements
  readonly #onFinding: OnFinding
  /** Files that no record speaks of. */
  readonly strays: ObjectId[] = []
  /** Names of what bygone has not put there. */
  readonly strangers: ByteString[] = []
  readonly #objects: ObjectId[] = []
  #count = 0

  constructor(origin: Origin, elements: VolumeElements, onFinding: OnFinding) {
    this.#origin = origin
    this.#elements = elements
    this.#onFinding = onFinding
  }

  /** Files in the directory. */
  get count(): number {
    return this.#count
  }

  /** Returns the objects that are where the store says. */
  run(): readonly ObjectId[] {
    const { native, retired } = this.#origin
    const fd = checked(native.reopen(retired.heldFd, O.RDONLY | O.DIRECTORY), shownAs)
    const bytes = native.readDirectory(fd)
    native.close(fd)
    if (typeof bytes === 'number') throw fsErrorOf(bytes, shownAs)
    const listing = new Listing(bytes)
    for (let position = 0; position < listing.end;) {
      position = listing.read(position)
      this.#file(listing.name)
    }
    return this.#objects
  }

  #file(name: ByteString): void {
    if (!this.#origin.statName(this.#origin.retired, name)) return
    this.#count++
    const object = this.#origin.objectFromStat()
    if (this.#origin.retiredName(object) !== name) {
      this.strangers.push(name)
      this.#find('retired-stray', name, 'not a file that bygone has put there')
      return
    }
    const location = this.#elements.location(object)
    // On its way out: what comes after a sweep finds it again.
    if (this.#elements.isForgotten(object)) return
    if (location?.isRetired !== true) {
      this.strays.push(object)
      this.#find('retired-stray', name, 'a removed file that no record speaks of; it is kept')
      return
    }
    this.#objects.push(object)
    if (!this.#isOfRightType(object)) {
      this.#find('retired-file', name, 'another kind of file than was removed')
    }
  }

  #isOfRightType(object: ObjectId): boolean {
    const type = this.#origin.typeFromStat()
    try {
      const preserved = this.#elements.newestAttributes(object, labelMax)
      return preserved === undefined || (preserved.attributes.mode & FileType.mask) === type
    } catch (error) {
      // That is told of where it matters.
      if (isErrno(error, 'EIO')) return true
      throw error
    }
  }

  #find(kind: StoreFinding['kind'], name: ByteString, text: string): void {
    const file = `${shownAs}/${name}`
    this.#onFinding({ severity: 'damage', kind, file, text })
  }
}
