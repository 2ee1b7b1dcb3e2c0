import { expect, test } from 'vitest'
import { parseChunkSize } from '../../src/cli/chunk-size.js'
import { inOneLine } from '../../src/cli/output.js'
import { table } from '../../src/cli/table.js'
import { ago } from '../../src/cli/when.js'

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

test('when the last column is down to what is worth reading the one before gives way, then both', () => {
  const rows = [['a'.repeat(100), 'b'.repeat(60)]]
  expect(table(['A', 'LAST'], rows, 80)[1]).toBe(`${'a'.repeat(67)}…  bbbbbbbbb…`)
  expect(table(['A', 'LAST'], rows, 16)[1]).toBe('aaaaaaaaa…  bbb…')
})

test('where there is too little room columns without a value go, and the first ones are not cut', () => {
  const rows = [['a'.repeat(20), '', '2.9 MiB', 'tag '.repeat(5).trim(), 'm'.repeat(60)]]
  const headings = ['NAME', 'HELD', 'SIZE', 'TAGS', 'MEMO']
  expect(table(headings, rows, 60, 3)).toEqual([
    'NAME                  SIZE     TAGS               MEMO',
    `${'a'.repeat(20)}  2.9 MiB  tag tag tag tag …  mmmmmmmmm…`,
  ])
  expect(table(headings, rows, Infinity)[0]).toContain('HELD')
})

test.each([
  [0, '0 s ago'],
  [119, '119 s ago'],
  [120, '2 min ago'],
  [7199, '119 min ago'],
  [7200, '2 h ago'],
  [86_400 * 2 - 1, '47 h ago'],
  [86_400 * 400, '400 d ago'],
])('%i seconds are %s', (seconds, text) => {
  expect(ago(1000, (1000 + seconds) * 1000)).toBe(text)
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
