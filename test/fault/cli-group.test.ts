import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestGroup } from '../support/test-group.js'

type Case = [what: string, args: string[], code: number, words: RegExp, env?: NodeJS.ProcessEnv]

describeMount('bad input about groups', () => {
  test('is refused in one line with its exit code before anything is mounted or made', async () => {
    const group = new TestGroup()
    const { sandbox, docs, mysql, directory } = group
    sandbox.mk('docs/inside/', 'old/snapshot/@GMT-2020.01.01-00.00.00/')
    const two = group.volumes
    const snap = ['--snap-dir', directory]
    const cases: Case[] = [
      ['no directory', two, 64, /Give --snap-dir, or set VOLUME_SNAP$/],
      ['no volume', snap, 64, /no volume is given: name ID:PATH$/],
      ['no ID', [docs, ...snap], 64, /is not ID:PATH/],
      ['no path', ['docs:', ...snap], 64, /is not ID:PATH/],
      ['an ID that is a path', [`a/b:${docs}`, ...snap], 64, /can't be the name of a volume/],
      ['the ID ..', [`..:${docs}`, ...snap], 64, /can't be the name of a volume/],
      ['an ID twice', [`a:${docs}`, `a:${mysql}`, ...snap], 64, /'a' is given twice/],
      ['a path twice', [`a:${docs}`, `b:${docs}/.`, ...snap], 64, /overlap/],
      ['one in the other', [`a:${docs}`, `b:${docs}/inside`, ...snap], 64, /overlap/],
      ['a path that is not there', [`a:${docs}x`, ...snap], 5, /does not exist/],
      ['a file', [`a:${docs}/report`, ...snap], 64, /is not a directory/],
      ['snapshots in a volume', [`a:${docs}`, '--snap-dir', `${docs}/snap`], 64, /overlap/],
      ['no parent', [...two, '--snap-dir', `${directory}/far/below`], 5, /does not exist/],
      ['old snapshots', [...two, '--snap-dir', sandbox.path('old')], 3, /is not empty/],
      ['--max 0', [...two, ...snap, '--max', '0'], 64, /it would delete every snapshot/],
      ['--max -1', [...two, ...snap, '--max=-1'], 64, /--max is '-1'/],
      ['SNAP_MAX=x', [...two, ...snap], 64, /SNAP_MAX is 'x'/, { SNAP_MAX: 'x' }],
      ['no cron line', [...two, ...snap, '--cron', 'daily'], 64, /is no cron expression/],
      ['one that never comes', [...two, ...snap], 64, /never comes/, { SNAP_CRON: '0 0 30 2 *' }],
      ['VOLUME_DATA', snap, 64, /'b' is not ID:PATH/, { VOLUME_DATA: `a:${docs},b` }],
    ]
    const before = sandbox.files().filter((path) => !path.endsWith('/old/store'))
    for (const [what, args, code, words, env] of cases) {
      const run = group.launch(args, env)
      expect({ what, code: await run.ended() }).toEqual({ what, code })
      expect(run.stderr.trim().split('\n'), what).toHaveLength(1)
      expect(run.stderr.trim(), what).toMatch(words)
      expect(sandbox.mounts(), what).toEqual([])
    }
    // But the directory of the group and its lock, which are worth nothing by themselves.
    const isOwn = (path: string) => /\/(snap|old)(\/(snapshot|start\.lock))?$/.test(path)
    expect(sandbox.files().filter((path) => !isOwn(path))).toEqual(
      before.filter((path) => !isOwn(path)),
    )
  })

  test('of a group that is there changes nothing', async () => {
    const { group, run } = await TestGroup.started()
    const { sandbox, docs, directory } = group
    const name = await group.snapshot()
    const snap = ['--snap-dir', directory]
    const absent = '@GMT-2001.01.01-00.00.00'
    const cases: Case[] = [
      ['show', ['show', '--snap-dir', docs], 5, /holds no group/],
      ['show', ['show', '--snap-dir', `${directory}x`], 5, /does not exist/],
      ['show', ['show', docs, ...snap], 64, /leave the volume out/],
      ['snapshot', ['snapshot', docs, ...snap], 64, /leave the volume out/],
      ['snapshot', ['snapshot', '--snap-dir', docs], 5, /holds no group/],
      ['restore', ['restore', absent, ...snap, '--yes'], 5, /./],
      ['restore', ['restore', name, ...snap], 64, /no terminal/],
      ['restore', ['restore', name, 'nothing', ...snap, '--yes'], 5, /begin with docs, mysql/],
      ['restore', ['restore', name, 'docs/none', ...snap, '--yes'], 5, /has no docs\/none/],
      ['restore', ['restore', name, 'docs/report/x', ...snap, '--yes'], 5, /has no docs/],
      ['restore', ['restore', name, 'docs/../x', ...snap, '--yes'], 64, /without '\.\.'/],
      ['restore', ['restore', 'last)', ...snap, '--yes'], 64, /./],
      ['restore', ['restore', name, '-V', docs, ...snap, '--yes'], 64, /leave the volume out/],
      ['restore', ['restore'], 64, /missing required argument/],
    ]
    for (const [what, args, code, words] of cases) {
      const said = await sandbox.bygone(args)
      expect({ what, args, code: said.code }).toEqual({ what, args, code })
      expect(said.stderr.trim().split('\n'), what).toHaveLength(1)
      expect(said.stderr, what).toMatch(words)
      expect(said.stdout, what).toBe('')
    }
    expect(await group.names()).toEqual([name])
    expect(await run.stop()).toBe(0)
    const unmounted = await sandbox.bygone(['restore', name, ...snap, '--yes'])
    expect(unmounted.code).toBe(1)
    expect(unmounted.stderr).toMatch(/is not mounted/)
    expect((await sandbox.bygone(['snapshot', ...snap])).code).toBe(1)
    const file = sandbox.path('snap/group.json')
    const text = readFileSync(file, 'utf8')
    for (const [wrong, code, words] of [
      [text.slice(0, 40), 2, /damaged/],
      [text.replace('"version": 1', '"version": 2'), 1, /use a newer bygone/],
      [text.replace('docs"', '../docs"'), 2, /volumes\[0\]\.id is wrong/],
    ] as const) {
      writeFileSync(file, wrong)
      const said = await sandbox.bygone(['show', ...snap])
      expect({ wrong, code: said.code }).toEqual({ wrong, code })
      expect(said.stderr).toMatch(words)
    }
  })
})
