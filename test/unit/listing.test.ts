import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ByteString } from '../../src/base/bytes.js'
import { ListingBuilder } from '../../src/volume/listing.js'

test('a listing gives back what was put in, whatever the bytes of the names', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 255 })
  const entry = fc.tuple(
    fc.integer({ min: 1, max: 2 ** 53 - 1 }),
    fc.integer({ min: 0, max: 15 }),
    bytes,
  )
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const builder = new ListingBuilder()
      const named = entries.map(
        ([ino, type, name]) =>
          [ino, type, Buffer.from(name).toString('latin1') as ByteString] as const,
      )
      for (const [ino, type, name] of named) builder.add(ino, type, name)
      const listing = builder.build()
      const found: (readonly [number, number, ByteString])[] = []
      for (let position = 0; position < listing.end;) {
        position = listing.read(position)
        found.push([listing.ino, listing.type, listing.name])
      }
      expect(found).toEqual(named)
    }),
  )
})
