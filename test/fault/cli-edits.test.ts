import { describe, expect, test } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'

// Tags, memos, holds and policies, by the daemon and without one; and what is wrong changes nothing.

interface Snapshot {
  name: string
  tags: string[]
  memo: string
  held: boolean
}

/** A volume `o` with three snapshots, the middle one tagged `mid`. Paths name it: others may have an `o` too. */
async function volume(): Promise<CliSandbox> {
  const box = new CliSandbox()
  box.mk('o/file')
  await box.succeed('mount', './o')
  await box.shell('cd o; $BYGONE snapshot -m first; $BYGONE snapshot --tag mid; $BYGONE snapshot')
  return box
}

async function listed(box: CliSandbox, ...revs: string[]): Promise<Snapshot[]> {
  const json = await box.succeed('list', './o', ...revs, '--json')
  return (JSON.parse(json) as { snapshots: Snapshot[] }).snapshots
}

const edit = (box: CliSandbox, ...args: string[]) => box.succeed(...args, '-V', './o')

describe.each(['mounted', 'not mounted'])('of a volume that is %s', (state) => {
  test('schedules are added, replaced and removed', async () => {
    const box = await volume()
    if (state === 'not mounted') await box.succeed('unmount', './o')
    await edit(box, 'schedule', 'add', 'a', '--cron', ' 0 3 * * * ', '--zone', 'Asia/Tokyo')
    await edit(box, 'schedule', 'add', 'b', '--every', '90m', '--tag', 't', '--if-changed')
    await edit(box, 'schedule', 'add', 'c', '--every', '7d', '--spread', '0', '-m', 'c')
    await edit(box, 'schedule', 'add', 'a', '--cron', '0 4 * * *', '--replace')
    await edit(box, 'schedule', 'rm', 'c')
    const json = await box.succeed('schedule', './o', '--json')
    const { schedules } = JSON.parse(json) as { schedules: Record<string, unknown>[] }
    expect(schedules).toMatchObject([
      { name: 'b', tags: ['t'], ifChanged: true, intervalSec: 5400, lastGood: null },
      { name: 'a', timing: { kind: 'cron', cron: '0 4 * * *', zone: 'UTC' }, failures: 0 },
    ])
    // So several snapshots may have it.
    await edit(box, 'tag', 'add', 'all', 't')
  })

  test('tags, memos and holds are changed as they are asked for', async () => {
    const box = await volume()
    if (state === 'not mounted') await box.succeed('unmount', './o')
    await edit(box, 'tag', 'add', 'first', 'nightly,manual:x', 'täg 1')
    await edit(box, 'tag', 'add', 'mid..', 'manual:x')
    await edit(box, 'tag', 'remove', 'nightly', 'täg 1', '--expect', 'manual:x, nightly, täg 1')
    await edit(box, 'tag', 'set', 'latest', 'newest', '--expect', 'manual:x')
    await edit(box, 'memo', '1..0', 'two\nlines')
    await edit(box, 'hold', 'first', 'latest')
    await edit(box, 'release', 'newest')
    expect((await listed(box)).map(({ tags, memo, held }) => [tags.join(','), memo, held])).toEqual(
      [
        ['nightly,manual:x', 'first', true],
        ['mid,manual:x', 'two\nlines', false],
        ['newest', 'two\nlines', false],
      ],
    )
    expect(await box.succeed('memo', 'newest', '-V', './o')).toBe('two\nlines\n')
    const lines = await box.succeed(
      'list',
      './o',
      'held, mid',
      '--format',
      '{tags}\\t{held}\\t{memo}',
    )
    expect(lines).toBe('nightly,manual:x\theld\tfirst\nmid,manual:x\t\ttwo\\nlines\n')
    expect(await listed(box, 'held')).toHaveLength(1)
  })

  test('a policy is set part by part, and tells what it would delete', async () => {
    const box = await volume()
    if (state === 'not mounted') await box.succeed('unmount', './o')
    const policy = (...args: string[]) => box.succeed('policy', './o', ...args)
    expect(await policy()).toBe('keep all: there is no policy\n')
    await policy('--max', '2', '--tag', 'daily:1d:9', '--tag', 'weekly:7d:5', '--min-free', '2G')
    await policy('--keep-last', '3', '--zone', 'Asia/Tokyo', '--priority', 'weekly=-5')
    await policy('--max', '1', '--min-free', 'none')
    expect((await policy()).split('\n')).toEqual([
      '--max 1',
      '--keep-last 3',
      '--tag daily:1d:9',
      '--tag weekly:1w:5',
      '--priority weekly=-5',
      '--zone Asia/Tokyo',
      '',
    ])
    await edit(box, 'tag', 'add', 'all', 'daily')
    await edit(box, 'hold', 'first')
    const rows = (await box.succeed('expire', './o', '--dry-run')).split('\n').slice(1, -1)
    expect(rows.map((row) => row.slice(26))).toEqual([
      'kept  held, last 3, daily 3 of 9',
      'goes  1 newer ones are kept, and no more may be',
      'kept  last 3, daily 1 of 9, one of the newest 1',
    ])
    expect(await listed(box)).toHaveLength(3)
    const [first, second, third] = (await listed(box)).map(({ name }) => name)
    expect(await box.succeed('expire', './o')).toBe(`${second}\n`)
    expect((await listed(box)).map(({ name }) => name)).toEqual([first, third])
    expect(await box.succeed('expire', './o')).toBe('')
    await policy('--clear')
    expect(JSON.parse(await policy('--json'))).toMatchObject({ version: 1, policy: null })
  })
})

test('what is wrong is said in one line with its exit code, and nothing is changed', async () => {
  const box = await volume()
  await edit(box, 'hold', 'mid')
  const before = await listed(box)
  const wrong: [string[], number, RegExp][] = [
    [['tag', 'add', '3', 'x'], 5, /only 3 snapshots/],
    [['tag', 'add', 'nosuch', 'x'], 5, /no snapshot has the name or tag 'nosuch'/],
    [['tag', 'add', 'tag:nosuch', 'x'], 5, /no snapshot is meant by 'tag:nosuch'/],
    [['tag', 'add', 'last)', 'x'], 64, /at character 5: '\)' is out of place/],
    [['tag', 'add', '1980-01-01', 'x'], 5, /no snapshot is that old/],
    [['tag', 'add', '2026-01-01T00:00+25:00', 'x'], 64, /there is no zone \+25:00/],
    [['tag', 'add', '0', 'mid'], 3, /can't both have the tag mid/],
    [['tag', 'set', 'all', 'x'], 3, /can't both have the tag x/],
    [['tag', 'add', '0', 'yesterday'], 64, /'yesterday' can't be a tag/],
    [['tag', 'add', '0', 'a/b'], 64, /'a\/b' can't be a tag/],
    [['tag', 'remove', '0', 'mid'], 5, /has the tag mid: nothing was changed/],
    [['tag', 'remove', 'mid', 'mid', '--expect', ''], 1, /has the tags mid, not none/],
    [['tag', 'add', 'mid', 'x', '--expect', 'mid,y'], 1, /has the tags mid, not mid, y/],
    [['memo', 'all'], 64, /3 snapshots are meant by it, and it must be one/],
    [['memo', '0', 'x'.repeat(5000)], 64, /longer than 4096 bytes/],
    [['hold', 'mid', 'nosuch'], 5, /nosuch/],
    [['release', '@GMT-2020.01.01-00.00.00'], 5, /no snapshot has the name/],
  ]
  for (const [args, code, words] of wrong) {
    const result = await box.bygone([...args, '-V', './o'])
    expect(result.stderr, args.join(' ')).toMatch(/^bygone: [^\n]+\n$/)
    expect(result.stderr).toMatch(words)
    expect([result.stdout, result.code], args.join(' ')).toEqual(['', code])
  }
  const policies: [string[], RegExp][] = [
    [['--zone', 'Mars/Olympus'], /no time zone 'Mars\/Olympus'/],
    [['--tag', 'daily:1d:9', '--tag', 'daily:7d:9'], /two rules for one tag/],
    [['--tag', 'latest:1d:9'], /'latest' can't be a tag/],
  ]
  for (const [args, words] of policies) {
    const result = await box.bygone(['policy', './o', ...args])
    expect(result.stderr).toMatch(words)
    expect(result.code).toBe(64)
  }
  await box.succeed('schedule', 'add', 'there', '--every', '1h', '-V', './o')
  const schedules = await box.succeed('schedule', './o', '--json')
  const wrongSchedules: [string[], number, RegExp][] = [
    [
      ['add', 'x', '--cron', '0 0 31 2 *'],
      64,
      /'0 0 31 2 \* UTC' never comes: there is no such date/,
    ],
    [['add', 'x', '--cron', '0 0 0 1 1 * 2020'], 64, /never comes/],
    [['add', 'x', '--cron', '60 * * * *'], 64, /no cron expression: Invalid value for minute: 60/],
    [['add', 'x', '--cron', 'hourly'], 64, /'hourly' is no cron expression: /],
    [['add', 'x', '--cron', ''], 64, /cron is wrong/],
    [
      ['add', 'x', '--cron', '0 3 * * *', '--zone', 'Mars/X'],
      64,
      /there is no time zone 'Mars\/X'/,
    ],
    [['add', 'x', '--every', '1h', '--spread', '2h'], 64, /--spread is longer than --every/],
    [['add', 'x', '--every', '999999999w'], 64, /never comes/],
    [['add', 'x', '--every', '1h', '--tag', 'latest'], 64, /'latest' can't be a tag/],
    [['add', 'x', '--every', '1h', '-m', 'x'.repeat(5000)], 64, /longer than 4096 bytes/],
    [['add', 'there', '--every', '1h'], 3, /has a schedule there already: .*--replace/],
    [['remove', 'there', 'nosuch'], 5, /has no schedule nosuch/],
  ]
  for (const [args, code, words] of wrongSchedules) {
    const result = await box.bygone(['schedule', ...args, '-V', './o'])
    expect(result.stderr, args.join(' ')).toMatch(/^bygone: [^\n]+\n$/)
    expect(result.stderr).toMatch(words)
    expect([result.stdout, result.code], args.join(' ')).toEqual(['', code])
  }
  expect(await box.succeed('schedule', './o', '--json')).toBe(schedules)
  expect(await listed(box)).toEqual(before)
  expect(await box.succeed('policy', './o')).toMatch(/no policy/)
})

test('a tag that is given while the volume is mounted is a name in .snapshots at once', async () => {
  const box = await volume()
  const names = async () => (await box.shell('ls o/.snapshots')).split('\n').slice(3, -1)
  expect(await names()).toEqual(['mid'])
  await edit(box, 'tag', 'add', 'all', 'manual:all')
  await edit(box, 'tag', 'remove', 'mid', 'mid')
  expect(await names()).toEqual(['manual:all'])
  const newest = (await box.shell('ls o/.snapshots')).split('\n')[2] ?? ''
  const inodes = await box.shell(`stat -c %i "o/.snapshots/manual:all" "o/.snapshots/${newest}"`)
  expect(new Set(inodes.trim().split('\n')).size).toBe(1)
  // The name is free again, for a new snapshot.
  await box.shell('mkdir o/.snapshots/mid')
  expect(await listed(box, 'mid')).toHaveLength(1)
})

test('of changes that are made at once each is made, and of those that expect the same, one', async () => {
  const box = await volume()
  const tags = Array.from({ length: 6 }, (_, at) => `tag${at}`)
  await Promise.all(tags.map((tag) => edit(box, 'tag', 'add', 'latest', tag)))
  expect((await listed(box, 'latest'))[0]?.tags.toSorted()).toEqual(tags)
  await box.succeed('unmount', './o')
  const races = tags.map((tag) =>
    box.bygone(['tag', 'set', 'latest', tag, '--expect', tags.join(','), '-V', './o']),
  )
  const codes = (await Promise.all(races)).map(({ code }) => code)
  expect(codes.toSorted()).toEqual([0, 1, 1, 1, 1, 1])
  const winner = tags[codes.indexOf(0)]
  expect((await listed(box, 'latest'))[0]?.tags).toEqual([winner])
})

test('on a terminal lines are as wide as that and headings bold, unless NO_COLOR; else they are whole', async () => {
  const box = await volume()
  const memo = 'long memo '.repeat(20).trim()
  await edit(box, 'memo', '0', memo)
  expect(await box.succeed('list', './o')).toContain(memo)
  const shown = async (setting: string, command: string) => {
    const script = `stty cols 80; ${setting} $BYGONE ${command} ./o`
    const lines = await box.shell(`TERM=xterm script -qec '${script}' /dev/null </dev/null`)
    return lines.replaceAll('\r', '').split('\n').slice(0, -1)
  }
  for (const command of ['list', 'tree']) {
    const lines = await shown('NO_COLOR=1', command)
    expect(Math.max(...lines.map((line) => line.length))).toBe(80)
    expect(lines.join('')).not.toContain('\u001b')
  }
  const [heading = ''] = await shown('NO_COLOR=', 'list')
  expect([heading.slice(0, 9), heading.slice(-4)]).toEqual(['\u001b[1mWHEN ', '\u001b[0m'])
  const tree = await shown('NO_COLOR=1', 'tree')
  expect(tree.map((line) => line.slice(0, 7))).toEqual([
    ...['o', '|', 'o  @GMT', 'o  @GMT', 'o  @GMT', '|', '*  (you'],
  ])
})

test('show numbers the snapshots as docker-snap-volume does', async () => {
  const box = await volume()
  const names = (await listed(box)).map(({ name }, at) => `    ${at + 1}: ${name}`)
  expect((await box.succeed('show', './o')).split('\n')).toEqual(['snapshot list:', ...names, ''])
  await box.succeed('policy', './o', '--max', '128')
  const path = box.path('o')
  expect((await box.succeed('show', '-a', './o')).split('\n')).toEqual([
    `snapshot path:    ${path}`,
    'data path:',
    `    ${path} -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss`,
    'cron setting:     -',
    'snapshot max:     128',
    'snapshot list:',
    ...names,
    '',
  ])
})

test('a volume that is not mounted is changed by the daemon that has its store for another', async () => {
  const box = new CliSandbox()
  box.mk('a/file', 'b/file', 'store/')
  for (const origin of ['./a', './b']) await box.succeed('mount', origin, '--store', './store')
  await box.succeed('snapshot', './a')
  await box.succeed('unmount', './a')
  await box.succeed('hold', 'latest', '-V', './a')
  await box.succeed('policy', './a', '--max', '7')
  // A snapshot of the other one writes the catalog anew, from what the daemon knows.
  await box.succeed('snapshot', './b')
  expect(await box.succeed('list', './a', 'held', '--format', '{held}')).toBe('held\n')
  expect(await box.succeed('policy', './a')).toContain('--max 7')
})

test('a store that somebody else has is not written to', async () => {
  const box = await volume()
  await box.succeed('unmount', './o')
  const held = 'flock o/.bygone/store/lock $BYGONE hold latest -V ./o 2>&1 || echo "exit $?"'
  expect(await box.shell(held)).toMatch(/^bygone: .* is served by another daemon .*\nexit 1\n$/)
  expect(await listed(box, 'held')).toEqual([])
})
