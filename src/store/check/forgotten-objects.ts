import type { ObjectId } from '../../base/ids.js'
import { objectKeyBytes, writeLocationKey } from '../element-keys.js'
import type { ElementIndex } from '../element-index.js'
import type { JournalPosition } from '../journal.js'
import { putHeaderBytes, writePutHeader } from '../puts.js'
import { PutBatch } from './put-batch.js'

const nowhere: JournalPosition = { segment: 1, offset: 0, sequence: 0 }
const labelBytes = 4

/**
 * The files that were removed for good, by inode number: what a journal says of one, up to the newest label of that time,
 * is of nobody's any more, even if the number has come again. In a scratch index, which stays its owner's.
 */
export class ForgottenObjects {
  readonly #index: ElementIndex
  readonly #batch: PutBatch
  readonly #put = Buffer.alloc(putHeaderBytes + objectKeyBytes + labelBytes)
  readonly #key = Buffer.alloc(objectKeyBytes)

  constructor(index: ElementIndex) {
    this.#index = index
    this.#batch = new PutBatch(index)
    writePutHeader(this.#put, 0, objectKeyBytes, labelBytes)
  }

  /** In the order of the journal. */
  add(object: ObjectId, label: number): void {
    this.#put.writeUInt32LE(label, writeLocationKey(this.#put, putHeaderBytes, object))
    this.#batch.add(this.#put, 0, this.#put.length, nowhere)
  }

  /** 0: it was never removed, as far as the journal was read. */
  upTo(object: ObjectId): number {
    this.#batch.finish(nowhere)
    writeLocationKey(this.#key, 0, object)
    return this.#index.get(this.#key)?.readUInt32LE(0) ?? 0
  }
}
