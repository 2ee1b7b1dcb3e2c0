import { expect, test } from 'vitest'
import { parseChunkSize } from '../../src/cli/chunk-size.js'
import { inOneLine } from '../../src/cli/output.js'
import { table } from '../../src/cli/table.js'

test('a table aligns its columns and has no blanks at the ends', () => {
  expect(
    table(
      ['A', 'LONGER'],
      [
        ['x', 'y'],
        ['xyz', ''],
      ],
      80,
    ),
  ).toEqual(['A    LONGER', 'x    y', 'xyz'])
})

test('a table is as wide as it may be: the last column gives way first', () => {
  const lines = table(['A', 'B'], [['a'.repeat(60), 'b'.repeat(60)]], 80)
  expect(lines[1]).toBe(`${'a'.repeat(60)}  ${'b'.repeat(17)}…`)
})

test('when the last column is down to its heading the one before gives way', () => {
  const lines = table(['A', 'LAST'], [['a'.repeat(100), 'b'.repeat(60)]], 80)
  expect(lines[1]).toBe(`${'a'.repeat(73)}…  bbb…`)
})

test('what could break the line or the terminal is shown as an escape', () => {
  expect(inOneLine('a\nb\tc\u001b[31m\u2028ä')).toBe('a\\nb\\tc\\u001b[31m\\u2028ä')
})

test.each([
  ['4K', 4096],
  ['64k', 65536],
  ['64KiB', 65536],
  ['1M', 1048576],
  ['4M', 4194304],
  ['8192', 8192],
])('a chunk size of %s is %i bytes', (text, bytes) => {
  expect(parseChunkSize(text)).toBe(bytes)
})

test.each(['', '0', '2K', '5K', '8M', '64G', '-64K', '64K64K', '1e5', 'x'])(
  'a chunk size of %j is refused',
  (text) => {
    expect(() => parseChunkSize(text)).toThrow('power of two')
  },
)
