import { expect, test } from 'vitest'
import { checkShareName, sambaShare, shareNameFrom } from '../../src/daemon/samba-share.js'

function refusal(mountPoint: string, inner = ''): string {
  try {
    sambaShare('x', mountPoint, inner)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('a whole volume hides its snapshots in listings, a directory in it names the volume as its base', () => {
  const whole = new Map(sambaShare('x', '/srv/docs', '').parameters)
  expect(whole.get('path')).toBe('/srv/docs')
  expect(whole.get('veto files')).toBe('/@GMT-*/')
  expect(whole.has('shadow:basedir')).toBe(false)
  const part = new Map(sambaShare('x', '/srv/docs', 'a/b').parameters)
  expect(part.get('path')).toBe('/srv/docs/a/b')
  expect(part.get('shadow:snapdir')).toBe('/srv/docs')
  expect(part.get('shadow:basedir')).toBe('/srv/docs')
  expect(part.has('veto files')).toBe(false)
})

test.each([
  ['docs', 'docs'],
  ['Grüße 😀', 'Grüße 😀'],
  ['a;b#c', 'a_b#c'],
  ['[x]', '_x_'],
  ['50%', '50_'],
  ['a\tb\nc', 'a_b_c'],
  [' two  blanks ', 'two blanks'],
  ['homes', 'homes-volume'],
  ['Global', 'Global-volume'],
  ['..', 'bygone'],
  ['   ', 'bygone'],
  ['ä'.repeat(100), 'ä'.repeat(80)],
  ['x'.repeat(79) + ' y', 'x'.repeat(79)],
])('the share of a directory called %j is %j, and such a name can be asked for', (name, share) => {
  expect(shareNameFrom(name)).toBe(share)
  checkShareName(share)
})

test.each([
  ...Array.from('%<>*?|/\\+=;:",[]\n\t\u0000\u0085\ufffd', (bad) => `a${bad}b`),
  '',
  ' ',
  '.',
  '..',
  ' a',
  'a ',
  'a  b',
  'global',
  'Homes',
  'printers',
  'IPC$',
  'x'.repeat(81),
])('a share can not be called %j', (name) => {
  expect(() => {
    checkShareName(name)
  }).toThrow("can't be the name of a share")
})

test.each(['a b', "it's", '#1', 'a;b', '[x]', 'x"y', 'a\\b', 'a = b', 'é', 'q"/in'])(
  'the path of %j is taken as it is',
  (name) => {
    expect(refusal('/srv', name)).toBe('')
  },
)

test.each([
  ['100%', '% for a variable'],
  ['%U', '% for a variable'],
  ['a\nb', 'control characters'],
  ['a\tb', 'control characters'],
  ['a\ufffd', 'not UTF-8'],
  ['a\\', 'joins lines'],
  ['a"', 'quote at the end'],
  ['a ', 'blank at the end'],
  ['a  b', 'several blanks'],
])('the path of %j is refused: %s', (name, why) => {
  expect(refusal('/srv', name)).toContain(why)
  expect(refusal('/srv', `${name}/inner`) !== '').toBe(!/["\\ ]$/.test(name))
  // The mount point is a value of its own.
  expect(refusal(`/srv/${name}`, 'inner')).toContain(why)
})
