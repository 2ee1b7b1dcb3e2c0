import { expect, test } from 'vitest'
import { bashReply, readBashLine } from '../../src/cli/completion/bash-line.js'

const breaks = ' \t\n"\'@><=;|&(:'

test.each<[string, string, string | undefined]>([
  ['bygone ', 'list', 'list '],
  ['bygone list @G', '@GMT-2026.11.25-22.43.40', '@GMT-2026.11.25-22.43.40 '],
  ['bygone list tag:n', 'tag:nightly', 'nightly '],
  ['bygone list tag\\:n', 'tag:nightly', 'tag:nightly '],
  ['bygone list t', 'tag:', 'tag:'],
  ['bygone list "two w', 'two "words" $x', 'two \\"words\\" \\$x'],
  ["bygone list 'two w", 'two words', 'two words'],
  ["bygone list 'two w", "two wo'rds", undefined],
  ["bygone list t'wo w", 'two words', undefined],
  ["bygone list 'two words'", 'two words', undefined],
  ['bygone list two\\ w', "two wor(d's", "two\\ wor\\(d\\'s "],
  ['bygone mount ~/w', '~/work/', '~/work/'],
])('after %s bash is to put %s there as %s', (line, value, reply) => {
  expect(bashReply({ value, description: '' }, readBashLine(line, breaks))).toBe(reply)
})

test('words of bash are read as bash reads them', () => {
  const line = `bygone tag add  'it''s' "a\\"b\\c" x\\ y ''`
  expect(readBashLine(line, breaks).words).toEqual([
    ...['bygone', 'tag', 'add', 'its', 'a"b\\c', 'x y', ''],
  ])
  expect(readBashLine('bygone list ', breaks).words).toEqual(['bygone', 'list', ''])
  // What bash would evaluate is text here.
  expect(readBashLine('bygone $(x y', breaks).words).toEqual(['bygone', '$(x', 'y'])
})
