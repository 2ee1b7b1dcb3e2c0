import { expect, test } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'

// What is wrong before anything is touched: needs no mount.

test.each<[string, string[], number, RegExp]>([
  ['no command', [], 64, /no command.*--help/],
  ['an unknown command', ['explode'], 64, /unknown command 'explode'/],
  ['an unknown option', ['list', '--explode'], 64, /unknown option '--explode'/],
  ['no origin', ['mount'], 64, /missing required argument 'origin'/],
  ['too many arguments', ['mount', 'a', 'b', 'c'], 64, /too many arguments/],
  ['an option without its value', ['mount', '.', '--store'], 64, /--store.*argument missing/],
  [
    'an unknown transport',
    ['mount', '.', '--transport', 'pigeon'],
    64,
    /pigeon.*native, fuse-native/,
  ],
  ['an unknown durability', ['mount', '.', '--durability', 'maybe'], 64, /maybe.*ordered, strict/],
  [
    'a chunk size of 5000',
    ['mount', '.', '--chunk-size', '5000'],
    64,
    /power of two from 4K to 4M/,
  ],
  ['a chunk size of 8M', ['mount', '.', '--chunk-size', '8M'], 64, /power of two from 4K to 4M/],
  [
    'a chunk size of words',
    ['mount', '.', '--chunk-size', 'big'],
    64,
    /power of two from 4K to 4M/,
  ],
  ['unmount of an unknown name', ['unmount', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['unmount of an unknown path', ['unmount', './nosuch'], 5, /nosuch does not exist/],
  ['unmount of no volume', ['unmount', '.'], 5, /is in no volume/],
  ['unmount without a volume around', ['unmount'], 5, /is in no volume/],
  ['snapshot of an unknown name', ['snapshot', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['snapshot of an unknown path', ['snapshot', './nosuch'], 5, /nosuch does not exist/],
  ['snapshot without a volume around', ['snapshot'], 5, /is in no volume/],
  ['check of an unknown name', ['check', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['check without a volume around', ['check'], 5, /is in no volume/],
  ['check of two volumes', ['check', 'a', 'b'], 64, /too many arguments/],
  ['list of an unknown name', ['list', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['list of no volume', ['list', '.'], 5, /is in no volume/],
  ['status of an unknown name', ['status', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['status without a volume around', ['status'], 5, /is in no volume/],
  ['show of no volume', ['show', '.'], 5, /is in no volume/],
  ['tree of an unknown name', ['tree', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['list with a wrong format', ['list', '--format', '{size}'], 64, /no \{size\}: use \{name\}, /],
  ['list with half a field', ['list', '--format', 'a{name'], 64, /a single \{ at character 2/],
  ['list as two things', ['list', '--format', '{name}', '--json'], 64, /cannot be used with/],
  [
    'a volume named twice',
    ['gc', 'one', '--volume', 'other'],
    64,
    /named twice, one and other: name it once/,
  ],
  ['gc of an unknown volume by -V', ['gc', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  [
    'expire of an unknown volume by -V',
    ['expire', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  [
    'policy of an unknown volume by -V',
    ['policy', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  [
    'status of an unknown volume by -V',
    ['status', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  ['show of an unknown volume by -V', ['show', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['tree of an unknown volume by -V', ['tree', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  [
    'unmount of an unknown volume by -V',
    ['unmount', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  ['check of an unknown volume by -V', ['check', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['samba of an unknown volume by -V', ['samba', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  [
    'metrics of an unknown volume by -V',
    ['metrics', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  ['list of an unknown volume by -V', ['list', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  [
    'snapshot of an unknown volume by -V',
    ['snapshot', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  [
    'schedule of an unknown volume by -V',
    ['schedule', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  [
    'schedule list of an unknown volume by -V',
    ['schedule', 'list', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  ['hook of an unknown volume by -V', ['hook', '-V', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  [
    'hook list of an unknown volume by -V',
    ['hook', 'list', '-V', 'nosuch'],
    5,
    /no mounted volume 'nosuch'/,
  ],
  ['tag without an action', ['tag'], 64, /no action.*add, remove/],
  [
    'tag with an unknown action',
    ['tag', 'paint', '0', 'red'],
    64,
    /no action 'paint': add, remove or set/,
  ],
  ['tag without a tag', ['tag', 'add', '0'], 64, /missing required argument 'tags'/],
  ['tag with an empty tag', ['tag', 'add', '0', ','], 64, /no tag is given/],
  ['tag of no volume', ['tag', 'add', '0', 'x'], 5, /is in no volume/],
  ['tag of an unknown volume', ['tag', 'rm', '0', 'x', '-V', 'nosuch'], 5, /no mounted volume/],
  ['memo of no volume', ['memo', 'latest', 'x'], 5, /is in no volume/],
  ['memo of nothing', ['memo'], 64, /missing required argument 'rev'/],
  ['hold of no volume', ['hold', 'latest'], 5, /is in no volume/],
  ['release of nothing', ['release'], 64, /missing required argument 'rev'/],
  ['policy of no volume', ['policy', '--max', '3'], 5, /is in no volume/],
  ['policy that keeps none', ['policy', '--max', '0'], 64, /--max.*'0'.*1 or more, or none/],
  ['policy with less than none', ['policy', '--keep-daily=-1'], 64, /'-1'.*1 or more, or none/],
  ['policy with a rule of words', ['policy', '--tag', 'daily'], 64, /TAG:INTERVAL:KEEP/],
  ['policy with a rule of no time', ['policy', '--tag', 'daily:0d:9'], 64, /TAG:INTERVAL:KEEP/],
  ['policy with a wrong size', ['policy', '--min-free', '5X'], 64, /such as 500M/],
  ['policy with a wrong priority', ['policy', '--priority', 'daily'], 64, /TAG=NUMBER/],
  ['policy cleared and set', ['policy', '--clear', '--max', '3'], 64, /cannot be used with/],
  ['schedule of no volume', ['schedule'], 5, /is in no volume/],
  ['schedule of an unknown volume', ['schedule', 'list', 'nosuch'], 5, /no mounted volume/],
  ['schedule without a name', ['schedule', 'add'], 64, /missing required argument 'name'/],
  ['schedule without a time', ['schedule', 'add', 'x'], 64, /when\? Give --cron/],
  ['schedule of no volume around', ['schedule', 'add', 'x', '--every', '1h'], 5, /is in no volume/],
  [
    'schedule at no interval',
    ['schedule', 'add', 'x', '--every', '0'],
    64,
    /such as 15m, 1h or 7d/,
  ],
  ['schedule of words', ['schedule', 'add', 'x', '--every', 'often'], 64, /such as 15m, 1h or 7d/],
  [
    'schedule with two times',
    ['schedule', 'add', 'x', '--every', '1h', '--cron', '0 3 * * *'],
    64,
    /cannot be used with/,
  ],
  [
    'schedule with a zone for an interval',
    ['schedule', 'add', 'x', '--every', '1h', '--zone', 'UTC'],
    64,
    /cannot be used with/,
  ],
  [
    'schedule with a bad name',
    ['schedule', 'add', 'a b', '--every', '1h'],
    64,
    /can't be the name/,
  ],
  ['schedule that removes nothing', ['schedule', 'rm'], 64, /missing required argument 'name'/],
  ['daemon of nothing', ['daemon'], 64, /missing required argument 'path'/],
  ['daemon of a path that is not there', ['daemon', './nosuch'], 5, /can't reach .*nosuch/],
  ['daemon of what is neither', ['daemon', '.'], 5, /is neither: name a store, or the origin/],
  ['hook of no volume', ['hook'], 5, /is in no volume/],
  ['hook at no point', ['hook', 'set', 'mid', '--', '/bin/true'], 64, /choices are pre, post/],
  ['hook without a command', ['hook', 'set', 'pre'], 64, /missing required argument 'command'/],
  ['expire of no volume', ['expire', '--dry-run'], 5, /is in no volume/],
  ['expire for real, as JSON', ['expire', '--json'], 64, /give --dry-run too/],
  ['samba of an unknown name', ['samba', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ['samba of an unknown path', ['samba', './nosuch'], 5, /nosuch does not exist/],
  ['samba without a volume around', ['samba'], 5, /is in no volume/],
  ['samba with too many arguments', ['samba', 'a', 'b'], 64, /too many arguments/],
  [
    'samba with a bad share',
    ['samba', '--share', 'a/b'],
    64,
    /'a\/b' can't be the name of a share/,
  ],
  ['samba with a share of two lines', ['samba', '--share', 'a\nb'], 64, /can't be the name/],
])('%s: one line and the exit code', async (_, args, code, words) => {
  const result = await new CliSandbox().bygone(args)
  expect(result.stderr).toMatch(/^bygone: [^\n]+\n$/)
  expect(result.stderr).toMatch(words)
  expect(result.stdout).toBe('')
  expect(result.code).toBe(code)
})

test.each([
  ['--version'],
  ['--help'],
  ['help', 'mount'],
  ['mount', '--help'],
  ['unmount', '--help'],
  ['umount', '--help'],
  ['snapshot', '--help'],
  ['list', '--help'],
  ['status', '--help'],
  ['samba', '--help'],
  ['tag', '--help'],
  ['tag', 'add', '--help'],
])('%s %s answers on stdout alone and succeeds', async (...args) => {
  const result = await new CliSandbox().bygone(args)
  expect(result.stdout).not.toBe('')
  expect(result.stderr).toBe('')
  expect(result.code).toBe(0)
})

test.each([
  ...['mount', 'unmount', 'snapshot', 'list', 'show', 'tree', 'status', 'samba'],
  ...['start', 'restore'],
  ...['tag', 'tag add', 'tag remove', 'tag set', 'memo', 'hold', 'release', 'policy', 'expire'],
  ...['schedule', 'schedule list', 'schedule add', 'schedule remove'],
  ...['hook', 'hook list', 'hook set', 'hook remove', 'daemon'],
])('the help of %s shows examples, in lines of at most 100 characters', async (command) => {
  const { stdout } = await new CliSandbox().bygone([...command.split(' '), '--help'])
  expect(stdout).toContain(`Examples:\n  bygone ${command}`)
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
})
