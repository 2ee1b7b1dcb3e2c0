import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { describeMount } from '../support/requirements.js'

// Every command with what it can't do something with, by a few volumes: the exit code, one line, and nothing changed. What
// needs no volume is in cli-usage.test.ts, what a mount refuses in cli.test.ts.

/** Arguments, exit code, words; the uid that runs it, if not root. */
type Case = [args: string[], code: number, words: RegExp, uid?: number]

const of = (volume: string, cases: Case[]): Case[] =>
  cases.map(([args, ...rest]) => [[...args, '-V', volume], ...rest])

const nobody = 65534

/** `o` is mounted and has three snapshots: the oldest, `mid`, which is held, and the newest; in use. `u` is not mounted. */
const cases: Case[] = [
  // No such volume, or no such snapshot.
  ...['snapshot', 'gc', 'show', 'list', 'tree', 'policy', 'expire', 'status', 'check', 'samba'].map(
    (command): Case => [[command, 'nosuch'], 5, /no mounted volume 'nosuch': see `bygone list`/],
  ),
  [['metrics', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  [['unmount', './u'], 5, /u is not mounted: there is nothing to do/],
  [['hook', 'list', 'nosuch'], 5, /no mounted volume 'nosuch'/],
  ...of('nosuch', [
    [['schedule', 'add', 'x', '--every', '1h'], 5, /no mounted volume 'nosuch'/],
    [['delete', '0'], 5, /no mounted volume 'nosuch'/],
    [['hold', '0'], 5, /no mounted volume 'nosuch'/],
    [['memo', '0'], 5, /no mounted volume 'nosuch'/],
  ]),
  ...['./o', './u'].flatMap((volume) =>
    of(volume, [
      [['tag', 'add', '3', 'x'], 5, /only [13] snapshots?/],
      [['tag', 'add', 'tag:nosuch', 'x'], 5, /no snapshot is meant by 'tag:nosuch'/],
      [['release', '@GMT-2020.01.01-00.00.00'], 5, /no snapshot has the name/],
      [['delete', 'nosuch'], 5, /no snapshot has the name or tag 'nosuch'/],
      [['delete', 'tag:nosuch'], 5, /no snapshot is meant/],
      [['delete', 'last)..'], 64, /at character 5: '\)' is out of place/],
      [['delete', 'mid'], 1, /mid|held/],
    ]),
  ),
  [['list', './o', '3..nosuch'], 5, /only 3 snapshots|'nosuch'/],
  ...of('./o', [
    [['delete', '0', 'mid'], 1, /is held/],
    [['hold', 'mid', 'nosuch'], 5, /nosuch/],
    [['tag', 'add', '1980-01-01', 'x'], 5, /no snapshot is that old/],
    [['tag', 'add', 'nosuch', 'x'], 5, /no snapshot has the name or tag 'nosuch'/],
    [['memo', 'all'], 64, /3 snapshots are meant by it, and it must be one/],
    [['memo', 'tag:nosuch'], 5, /tag:nosuch/],
  ]),

  // Words that can't be what they are to be.
  ...of('./o', [
    [['tag', 'add', '2026-01-01T00:00+25:00', 'x'], 64, /there is no zone \+25:00/],
    [['tag', 'add', '0', 'mid'], 3, /can't both have the tag mid/],
    [['tag', 'set', 'all', 'x'], 3, /can't both have the tag x/],
    [['tag', 'add', '0', 'yesterday'], 64, /'yesterday' can't be a tag/],
    [['tag', 'add', '0', 'a/b'], 64, /'a\/b' can't be a tag/],
    [['tag', 'remove', '0', 'mid'], 5, /has the tag mid: nothing was changed/],
    [['tag', 'remove', 'mid', 'mid', '--expect', ''], 1, /has the tags mid, not none/],
    [['tag', 'add', 'mid', 'x', '--expect', 'mid,y'], 1, /has the tags mid, not mid, y/],
    [['memo', '0', 'x'.repeat(5000)], 64, /longer than 4096 bytes/],
  ]),
  [['snapshot', './o', '--tag', 'mid'], 3, /is tagged mid: choose another tag/],
  [['snapshot', './o', './u'], 1, /u is not mounted: `bygone mount` it first/],
  [['policy', './o', '--max', '0'], 64, /'0'.*1 or more, or none/],
  [['policy', './o', '--zone', 'Mars/Olympus'], 64, /no time zone 'Mars\/Olympus'/],
  [['policy', './o', '--tag', 'daily:1d:9', '--tag', 'daily:7d:9'], 64, /two rules for one tag/],
  [['policy', './o', '--tag', 'latest:1d:9'], 64, /'latest' can't be a tag/],
  ...of('./o', [
    [['schedule', 'add', 'x', '--cron', '0 0 31 2 *'], 64, /'0 0 31 2 \* UTC' never comes: there/],
    [['schedule', 'add', 'x', '--cron', '0 0 0 1 1 * 2020'], 64, /never comes/],
    [['schedule', 'add', 'x', '--cron', '60 * * * *'], 64, /Invalid value for minute: 60/],
    [['schedule', 'add', 'x', '--cron', 'hourly'], 64, /'hourly' is no cron expression: /],
    [['schedule', 'add', 'x', '--cron', ''], 64, /cron is wrong/],
    [['schedule', 'add', 'x', '--cron', '0 3 * * *', '--zone', 'Mars/X'], 64, /zone 'Mars\/X'/],
    [['schedule', 'add', 'x', '--every', '1h', '--spread', '2h'], 64, /longer than --every/],
    [['schedule', 'add', 'x', '--every', '999999999w'], 64, /never comes/],
    [['schedule', 'add', 'x', '--every', '1h', '--tag', 'latest'], 64, /'latest' can't be a tag/],
    [['schedule', 'add', 'x', '--every', '1h', '-m', 'x'.repeat(5000)], 64, /4096 bytes/],
    [['schedule', 'add', 'there', '--every', '1h'], 3, /has a schedule there already: .*--replace/],
    [['schedule', 'remove', 'there', 'nosuch'], 5, /has no schedule nosuch/],
    [['hook', 'set', 'pre', 'relative/program'], 64, /absolute path of a program/],
    [['hook', 'set', 'during', '/bin/true'], 64, /during.*pre, post/],
  ]),
  [['check', '--quick', '--repair', './u'], 64, /cannot be used with option/],
  [['check', '--all'], 64, /go with --quick/],
  [['check', '--quick', '--timeout', '0', './u'], 64, /number of seconds/],
  [['samba', './o', '--share', 'a/b'], 64, /can't be the name of a share/],
  [['completion', 'tcsh'], 64, /tcsh.*bash, zsh, fish/],
  [['man', 'mount'], 64, /too many arguments/],

  // Busy, or of the other kind.
  [['unmount', './o'], 1, /is in use by .*sleep/],
  [['check', './o'], 1, /o is mounted: `bygone unmount` it/],
  [['mount', './o'], 3, /mounted/],
  [['gc', './u'], 1, /u is not mounted: `bygone mount` it first/],
  [['samba', './u'], 1, /u is not mounted/],

  // Full: a store that is there has a reserve for edits; a new one has no room to begin.
  [['mount', './v', '--store', './full'], 4, /free some space/],

  // Of another user.
  ...[
    'snapshot',
    'unmount',
    'list',
    'show',
    'tree',
    'gc',
    'expire',
    'policy',
    'status',
    'metrics',
  ].map((command): Case => [[command, './o'], 1, /mounted by uid 0: run the command as/, nobody]),
  ...of('./o', [
    [['delete', 'latest'], 1, /mounted by uid 0/, nobody],
    [['tag', 'add', 'latest', 'x'], 1, /mounted by uid 0/, nobody],
    [['release', 'mid'], 1, /mounted by uid 0/, nobody],
    [['schedule', 'remove', 'there'], 1, /mounted by uid 0/, nobody],
  ]),
  [['list', './u'], 1, /permission/, nobody],
  [['mount', './u'], 1, /permission/, nobody],
]

/** What must stay: the catalogs, the names of all files, what is mounted, who lives. */
function stateOf(box: CliSandbox): unknown {
  const catalogs = ['so', 'u/.bygone/store'].map((store) => {
    return readFileSync(box.path(join(store, 'catalog.json')), 'utf8')
  })
  const below = (path: string): string[] =>
    readdirSync(box.path(path), { recursive: true }).map(String).sort()
  return { catalogs, files: [below('u'), below('full'), below('v')], mounts: box.mounts() }
}

/** At once, but no more than the machine has processors for. */
async function inTurns(work: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...work]
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await next()
  }
  await Promise.all([worker(), worker(), worker()])
}

describeMount('bad input', () => {
  test('is told in one line with an exit code, and changes nothing', async () => {
    const box = new CliSandbox()
    box.mk('o/file', 'so/', 'u/file', 'v/file', 'full/')
    await box.shell(`
      mount -t tmpfs -o size=4k none full
      $BYGONE mount ./o --store ./so; $BYGONE mount ./u; $BYGONE snapshot ./o ; $BYGONE snapshot ./u
      cd o; $BYGONE snapshot --tag mid; $BYGONE snapshot; $BYGONE hold mid; $BYGONE hold latest -V ../u
      $BYGONE schedule add there --every 1h
      $BYGONE tag add latest mid -V ../u; $BYGONE unmount ../u
      setsid sleep 1000 </dev/null >/dev/null 2>&1 &`)
    const before = stateOf(box)
    const wrong: string[] = []
    await inTurns(
      cases.map(([args, code, words, uid]) => async () => {
        const result = await box.bygone(args, uid === undefined ? {} : { uid })
        const isOneLine = /^bygone: [^\n]+\n$/.test(result.stderr) && result.stdout === ''
        if (isOneLine && result.code === code && words.test(result.stderr)) return
        const said = `exit ${result.code ?? '?'}, ${result.stdout}${result.stderr}`
        wrong.push(`${args.join(' ').slice(0, 100)}: ${said}; not exit ${code}, ${String(words)}`)
      }),
    )
    expect(wrong).toEqual([])
    expect(stateOf(box)).toEqual(before)

    // Whoever adds a command adds a row. These are made to run for long, or are told nothing.
    const all = (await box.succeed('complete', 'zsh', '--', '')).matchAll(/^whole\t(\S+)/gm)
    const without = [...all]
      .map(([, name]) => name)
      .filter((name) => !cases.some(([[first]]) => first === name))
    expect(without.sort()).toEqual(
      ['daemon', 'help', 'restore', 'start'].filter((each) => without.includes(each)),
    )
  })
})
