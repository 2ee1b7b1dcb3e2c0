import fc from 'fast-check'
import { writeU64be, writeU64le } from '../../src/store/integers.js'
import type { ForgedPut, ForgedRecord } from './forged-journal.js'

/*
 * Elements as no bygone would write them: numbers out of every range, names that lead elsewhere, counts
 * and lengths that promise more than there is, circles. Few objects and names, so that they meet.
 */

const hostileNumbers = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, 2 ** 53 - 1, 2 ** 53, 2 ** 63]

export const hostileNames = [
  ...[
    '..',
    '.',
    '',
    '/',
    '../secret',
    'a/b',
    '/etc/passwd',
    'nul\0',
    '.bygone',
    '@latest',
    '@GMT-x',
  ],
  ...[
    '\xff',
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(1024),
    'file',
    'below',
    'secret',
    'link',
  ],
]

const u8 = (value: number): Buffer => Buffer.of(value & 0xff)
const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value & 0xffff)
  return bytes
}
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}
const u32be = (value: number): Buffer => u32(value).swap32()
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  writeU64le(bytes, value, 0)
  return bytes
}
const u64be = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  writeU64be(bytes, value, 0)
  return bytes
}
const f64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return bytes
}

const number32 = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 4096, 65536, 2 ** 31, 2 ** 32 - 1),
  fc.nat(0xffffffff),
)
const number64 = fc.oneof(fc.constantFrom(...hostileNumbers), fc.nat(100_000))
const seconds = fc.oneof(
  fc.constantFrom(NaN, Infinity, -Infinity, 1e300, 0.5, -1, 2 ** 60),
  fc.integer(),
)
const label = fc.constantFrom(0, 1, 2, 3, 2 ** 32 - 1)
const name = fc.oneof(
  fc.constantFrom(...hostileNames),
  fc.string({ maxLength: 5 }).map((text) => Buffer.from(text).toString('latin1')),
)
const nameBytes = name.map((text) => Buffer.from(text, 'latin1'))

function sometimesBroken(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.oneof(
    { weight: 8, arbitrary: bytes },
    {
      weight: 1,
      arbitrary: fc
        .tuple(bytes, fc.nat(300))
        .map(([all, end]) => all.subarray(0, end % (all.length + 1))),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(bytes, fc.uint8Array({ maxLength: 20 })).map((all) => Buffer.concat(all)),
    },
  )
}

/** Puts about `objects` and others; `mode`s of directories and files are as likely as nonsense. */
export function hostilePut(objects: readonly number[]): fc.Arbitrary<ForgedPut> {
  const object = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...objects) },
    { weight: 1, arbitrary: number64 },
  )
  const key = (table: number, ...rest: fc.Arbitrary<Buffer>[]): fc.Arbitrary<Buffer> =>
    fc.tuple(object.map(u64be), ...rest).map((parts) => Buffer.concat([u8(table), ...parts]))
  const labelKey = label.map(u32be)
  const put = (keys: fc.Arbitrary<Buffer>, payload: fc.Arbitrary<Buffer>) =>
    fc.record({ key: sometimesBroken(keys), payload: sometimesBroken(payload) })

  const names = put(
    key(
      1,
      nameBytes.map((each) => Buffer.concat([each, u8(0)])),
      labelKey,
    ),
    fc
      .tuple(fc.constantFrom(0, 4, 8, 10, 2, 255, 12, 3), object)
      .map(([type, target]) => Buffer.concat([u8(type), u64(target)])),
  )
  const attributes = put(
    key(2, labelKey),
    fc
      .tuple(
        fc.oneof(fc.constantFrom(0o40755, 0o100644, 0o120777, 0o20666, 0), number32),
        fc.array(number32, { minLength: 7, maxLength: 7 }),
        fc.array(number64, { minLength: 3, maxLength: 3 }),
        fc.array(seconds, { minLength: 4, maxLength: 4 }),
        fc.array(fc.oneof(fc.constant(0), number32), { minLength: 4, maxLength: 4 }),
        number32,
        fc.array(fc.tuple(nameBytes, fc.uint8Array({ maxLength: 40 }), number32), { maxLength: 3 }),
      )
      .map(([mode, words, sizes, times, nanoseconds, count, xattrs]) =>
        Buffer.concat([
          ...[mode, ...words].map(u32),
          ...sizes.map(u64),
          ...times.map(f64),
          ...nanoseconds.map(u32),
          u32(count),
          u16(count % 5 === 0 ? count : xattrs.length),
          ...xattrs.flatMap(([each, value, wrong]) => [
            u16(each.length),
            u32(wrong % 7 === 0 ? wrong : value.length),
            each,
            Buffer.from(value),
          ]),
        ]),
      ),
  )
  const chunks = put(
    key(3, fc.oneof(fc.nat(4), number64).map(u64be), labelKey),
    fc
      .tuple(
        fc.constantFrom(0, 1, 2, 2 ** 32 - 1),
        fc.array(number32, { minLength: 3, maxLength: 3 }),
        fc.array(number32, { maxLength: 6 }),
      )
      .map(([segment, words, extents]) => Buffer.concat([segment, ...words, ...extents].map(u32))),
  )
  const locations = put(
    key(4),
    fc
      .tuple(
        fc.constantFrom(0, 1, 2),
        fc.oneof(fc.constant(undefined), fc.nat(255)),
        label,
        fc.array(fc.tuple(object, nameBytes, fc.nat(20)), { maxLength: 4 }),
      )
      .map(([isRetired, count, bornAfter, places]) =>
        Buffer.concat([
          u8(isRetired),
          u8(count ?? places.length),
          u32(bornAfter),
          u32(bornAfter + 1),
          ...places.flatMap(([parent, each, wrong]) => [
            u64(parent),
            u16(wrong === 0 ? 65535 : each.length),
            each,
          ]),
        ]),
      ),
  )
  const drifts = put(key(5), label.map(u32))
  const anything = fc.record({
    key: fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
    payload: fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
  })
  return fc.oneof(
    { weight: 6, arbitrary: names },
    { weight: 4, arbitrary: attributes },
    { weight: 4, arbitrary: chunks },
    { weight: 4, arbitrary: locations },
    { weight: 1, arbitrary: drifts },
    { weight: 1, arbitrary: anything },
  )
}

/** One put a record where a record with an impossible key would be refused whole. */
export function hostileRecords(objects: readonly number[]): fc.Arbitrary<ForgedRecord[]> {
  const record = fc.record({
    puts: fc.array(hostilePut(objects), { minLength: 1, maxLength: 12 }),
    data: fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each)),
  })
  return fc.array(record, { minLength: 1, maxLength: 4 })
}
