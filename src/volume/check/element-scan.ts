import type { Label, ObjectId } from '../../base/ids.js'
import { labelOfKey, objectPrefixBytes, writeObjectPrefix } from '../../store/element-keys.js'
import type { ElementIndex } from '../../store/element-index.js'
import { checkedPayloadBytes } from '../../store/element-values.js'

/** All elements of one object in one table, of every label, in the order of their keys. */
export class ElementScan {
  readonly #index: ElementIndex
  readonly #prefix = Buffer.alloc(objectPrefixBytes)

  constructor(index: ElementIndex) {
    this.#index = index
  }

  /** `payload` throws EIO if the value is damaged. `visit` must not use the index. */
  each(
    table: number,
    object: ObjectId,
    visit: (key: Buffer, label: Label, payload: () => Buffer) => void,
  ): void {
    writeObjectPrefix(this.#prefix, 0, table, object)
    const cursor = this.#index.seek(this.#prefix)
    const payload = () => {
      const { key, value } = cursor
      return value.subarray(0, checkedPayloadBytes(key, key.length, value, value.length))
    }
    while (!cursor.isAtEnd && startsWith(cursor.key, this.#prefix)) {
      visit(cursor.key, labelOfKey(cursor.key, cursor.key.length), payload)
      cursor.advance()
    }
  }
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return (
    key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  )
}
