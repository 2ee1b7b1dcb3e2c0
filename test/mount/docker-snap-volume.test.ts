import { mkdirSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { run } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestGroup } from '../support/test-group.js'

// What docker-snap-volume gets wrong, one test each, numbered as in the list of its bugs. 2 (no instant) and 3 (snapshots
// can be written to) are held by group.test.ts, and much of 8 (what files are) by that and restore.test.ts.

describeMount('what docker-snap-volume gets wrong', () => {
  test('1: a restore is of all volumes', async () => {
    const { group } = await TestGroup.started()
    const name = await group.snapshot()
    await group.actor.python(
      `for top in given['tops']:
    for name in os.listdir(top):
        if os.path.isfile(top + '/' + name):
            os.unlink(top + '/' + name)
    open(top + '/new', 'w').close()`,
      { tops: [group.docs, group.mysql] },
    )
    await group.sandbox.succeed('restore', name, '--snap-dir', group.directory, '--yes')
    const { ok } = await group.actor.python(
      `result = [open(given['docs'] + '/report').read(), open(given['mysql'] + '/table').read(),
    sorted(name for name in os.listdir(given['mysql']) if not name.startswith('@'))]`,
      { docs: group.docs, mysql: group.mysql },
    )
    expect(ok).toEqual(['docs/report\n', 'mysql/table\n', ['table']])
  })

  test.each(['snapshot.held', 'snapshot.exists'])(
    '4: a snapshot that was interrupted (at %s) is of all volumes or of none',
    async (point) => {
      const group = new TestGroup()
      const start = group.launch([...group.volumes, '--snap-dir', group.directory], {
        BYGONE_FAULTS: `${point}=kill`,
      })
      await start.isReady()
      const interrupted = await group.sandbox.bygone(['snapshot', '--snap-dir', group.directory])
      expect(interrupted.code).not.toBe(0)
      await start.kill()
      group.sandbox.killAll()
      await group.start()
      const count = point === 'snapshot.held' ? 0 : 1
      const names = await group.listed()
      expect(names).toHaveLength(count)
      for (const name of names) expect(await group.listed(name)).toEqual(['docs', 'mysql'])
      expect(await group.listed(await group.snapshot())).toEqual(['docs', 'mysql'])
    },
  )

  test('5: snapshots that are asked for at the same time, and in one second, are several', async () => {
    const { group } = await TestGroup.started()
    const names = await Promise.all([1, 2, 3].map(() => group.snapshot()))
    expect(new Set(names).size).toBe(3)
    expect(await group.listed()).toEqual([...names].sort())
    for (const name of names) expect(await group.listed(name)).toEqual(['docs', 'mysql'])
    const second = group.launch([...group.volumes, '--snap-dir', group.directory])
    expect(await second.ended()).toBe(1)
    expect(second.stderr).toMatch(
      /^bygone: the group in \S+ is in use by process \d+; end that first\n$/,
    )
    expect(await group.listed()).toHaveLength(3)
  })

  test('6: only snapshots are counted, and no SNAP_MAX deletes all of them', async () => {
    const { group, run: first } = await TestGroup.started('--max', '2')
    const names: string[] = []
    for (let count = 0; count < 3; count++) names.push(await group.snapshot())
    for (const stray of ['@GMT-0000', 'stray', '@GMT-2000.01.01-00.00.00']) {
      mkdirSync(group.sandbox.path(`snap/${stray}`))
    }
    for (const volume of [group.docs, group.mysql]) {
      await group.sandbox.succeed('expire', volume)
    }
    expect(await group.names()).toEqual(names.slice(1))
    await first.stop()
    const refused = group.launch([...group.volumes, '--snap-dir', group.directory], {
      SNAP_MAX: '0',
    })
    expect(await refused.ended()).toBe(64)
    expect(refused.stderr).toBe(
      "bygone: SNAP_MAX is '0': it would delete every snapshot; give 1 or more, or none to keep all\n",
    )
    expect(await group.names()).toEqual(names.slice(1))
  })

  test('7: a restart doubles nothing, and show tells what was asked for', async () => {
    const { group, run: first } = await TestGroup.started('--cron', '15 4 * * 1')
    const schedules = async () =>
      JSON.parse(await group.sandbox.succeed('schedule', 'list', group.docs, '--json')) as {
        schedules: { name: string }[]
      }
    const before = await schedules()
    await first.stop()
    // The command's own environment is another one.
    await group.start()
    expect((await schedules()).schedules).toEqual(before.schedules)
    expect(before.schedules).toHaveLength(1)
    const shown = await group.sandbox.bygone(['show', '-a'], {
      env: { VOLUME_SNAP: group.directory, SNAP_CRON: '1 1 1 1 1', SNAP_MAX: '7' },
    })
    expect(shown.stdout).toBe(
      `snapshot path:    ${group.directory}/snapshot
data path:
    ${group.docs} -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss/docs
    ${group.mysql} -> [snapshot path]/@GMT-YYYY.MM.DD-hh.mm.ss/mysql
cron setting:     15 4 * * 1
snapshot max:     128
snapshot list:
`,
    )
  })

  test('8: a changed byte costs a chunk, not the file', async () => {
    const { group } = await TestGroup.started()
    const { docs } = group
    const storeBytes = async () => {
      const status = await group.sandbox.succeed('status', docs, '--json')
      return (JSON.parse(status) as { storeBytes: number }).storeBytes
    }
    const large = `open(given['docs'] + '/large', 'wb').write(os.urandom(16 << 20))`
    await group.actor.python(large, { docs })
    await group.snapshot()
    const before = await storeBytes()
    await group.actor.python(
      `with open(given['docs'] + '/large', 'r+b') as file:
    file.seek(5000000)
    file.write(b'!')`,
      { docs },
    )
    await group.snapshot()
    expect((await storeBytes()) - before).toBeLessThan(1 << 20)
  })

  test('9: a path may have blanks, commas and colons', async () => {
    const group = new TestGroup()
    group.sandbox.mk('a, b: c/file')
    const odd = group.sandbox.path('a, b: c')
    const start = group.launch([], {
      VOLUME_DATA: `odd one:${odd.replace(',', '\\,')},mysql:${group.mysql}`,
      VOLUME_SNAP: group.directory,
    })
    await start.isReady()
    const name = await group.snapshot()
    expect(await group.listed(name)).toEqual(['mysql', 'odd one'])
    expect(await group.listed(name, 'odd one')).toEqual(['file'])
    await group.actor.python(`os.unlink(given['odd'] + '/file')`, { odd })
    const restored = ['restore', name, 'odd one/file', '--snap-dir', group.directory, '--yes']
    await group.sandbox.succeed(...restored)
    const { ok } = await group.actor.python(`result = open(given['odd'] + '/file').read()`, { odd })
    expect(ok).toBe('a, b: c/file\n')
  })

  test('10: a restore asks, shows what it would do, and loses nothing', async () => {
    const { group } = await TestGroup.started()
    const { docs, directory } = group
    const name = await group.snapshot()
    const change = `open(given['docs'] + '/report', 'w').write('precious')`
    await group.actor.python(change, { docs })
    const report = async () =>
      (await group.actor.python(`result = open(given['docs'] + '/report').read()`, { docs })).ok
    const restore = (...args: string[]) =>
      group.sandbox.bygone(['restore', name, '--snap-dir', directory, ...args])
    const unasked = await restore()
    expect(unasked.code).toBe(64)
    expect(unasked.stderr).toMatch(
      /^bygone: restore changes live files, and there is no terminal .*--dry-run\n$/,
    )
    expect((await restore('--dry-run')).stdout).toBe('change  docs/report (content, times)\n')
    expect((await restore('mysql', '--dry-run')).stdout).toBe('')
    // On a terminal it asks, and only yes means it.
    const asked = (answer: string) =>
      run(
        'script',
        ['-qec', group.sandbox.command('restore', name, '--snap-dir', directory), '/dev/null'],
        {
          input: `${answer}\n`,
          env: group.sandbox.environment,
          deadlineMs: 30_000,
        },
      )
    const no = await asked('n')
    expect(no.stdout).toMatch(
      /change {2}docs\/report \(content, times\)[^]*As at @GMT-\S+\? 1 changes \[y\/N\]/,
    )
    expect(no.code).toBe(1)
    expect(await report()).toBe('precious')
    expect(await group.names()).toEqual([name])
    expect((await asked('yes')).code).toBe(0)
    expect(await report()).toBe('docs/report\n')
    const [, before = ''] = await group.names()
    await vi.waitFor(async () => {
      expect(await group.listed(before)).toEqual(['docs', 'mysql'])
    })
    const kept = await group.actor.python(`result = open(given['path']).read()`, {
      path: group.at(before, 'docs', 'report'),
    })
    expect(kept.ok).toBe('precious')
    // No policy takes it away, and nothing is held that was not.
    const listed = await group.sandbox.succeed('list', docs, '--format', '{name} {held} {tags}')
    expect(listed).toMatch(
      new RegExp(`^${name} \\S* *\\n${before} \\S* *manual:before-restore\\n$`),
    )
  })
})
