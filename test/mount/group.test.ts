import { expect, test, vi } from 'vitest'
import { PairedWriters } from '../support/paired-writers.js'
import { describeMount } from '../support/requirements.js'
import { TestGroup } from '../support/test-group.js'
import { differencesOf } from '../support/tree.js'

describeMount('a group of volumes', () => {
  test('is cut at one instant, while programs write to all of them', async () => {
    const { group, run } = await TestGroup.started()
    const writers = new PairedWriters(() => group.newActor(), 3, group.sandbox.path('stop'))
    await writers.start({ first: group.docs, second: group.mysql })
    const names: string[] = []
    for (let count = 0; count < 8; count++) names.push(await group.snapshot())
    await writers.stop()
    await writers.expectInOrder(
      names.map((name) => ({ first: `${group.at(name)}/docs`, second: `${group.at(name)}/mysql` })),
    )
    expect(await run.stop()).toBe(0)
  })

  test('shows each snapshot as its volumes do, with all that files are', async () => {
    const { group, run } = await TestGroup.started()
    const { docs, mysql } = group
    const made = await group.actor.python(
      `top = given['docs']
os.setxattr(top + '/report', 'user.note', b'kept')
os.setxattr(top + '/report', 'system.posix_acl_access',
            bytes.fromhex('0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff'))
os.link(top + '/report', top + '/deep/second')
os.symlink('no/where', top + '/link')
os.mkfifo(top + '/fifo')
os.mknod(top + '/device', 0o20600, os.makedev(4, 1000))
with open(top + '/sparse', 'wb') as file:
    file.truncate(3 << 20)
    file.seek(1 << 20)
    file.write(b'in the middle')
name = os.fsencode(top) + b'/not-utf8-\\xff'
open(name, 'w').write('bytes')
os.chown(name, 1234, 4321)
os.utime(name, ns=(-5000000001, 4000000000123456789))
deep = top
for level in range(40):
    deep += '/' + 'long' * 50
    at = os.open(os.path.dirname(deep) if level == 0 else '.', os.O_PATH)
    os.fchdir(at); os.close(at)
    os.mkdir('long' * 50); os.chdir('long' * 50)
open('bottom', 'w').write('far below')
os.chdir('/')`,
      { docs },
    )
    expect(made).toEqual({ ok: null })
    const name = await group.snapshot('-m', 'all kinds')
    await group.actor.python(
      `open(given['docs'] + '/report', 'w').write('changed')
os.unlink(given['docs'] + '/fifo')
os.unlink(given['mysql'] + '/table')`,
      { docs, mysql },
    )
    // Not by its path, which is longer than any may be.
    const bottom = await group.actor.python(
      `os.chdir(given['at'])
for level in range(40):
    os.chdir('long' * 50)
result = open('bottom').read()
os.chdir('/')`,
      { at: group.at(name, 'docs') },
    )
    expect(bottom).toEqual({ ok: 'far below' })
    await group.actor.python(
      `os.chdir(given['docs'])
import shutil
shutil.rmtree('long' * 50)
os.chdir('/')`,
      { docs },
    )
    const shallow = await group.snapshot()
    for (const [id, live] of [
      ['docs', docs],
      ['mysql', mysql],
    ] as const) {
      const shown = await group.actor.fingerprint(group.at(shallow, id), [])
      const own = await group.actor.fingerprint(`${live}/${shallow}`, [])
      expect(differencesOf(shown, own)).toEqual([])
      expect(shown.length).toBeGreaterThan(id === 'docs' ? 8 : 0)
    }
    const { ok } = await group.actor.python(
      `at = given['at']
def refused(work):
    try:
        work()
        return None
    except OSError as error:
        return errno.errorcode[error.errno]
result = {
    'table': open(at + '/mysql/table').read(),
    'report': open(at + '/docs/deep/second').read(),
    'acl': os.getxattr(at + '/docs/report', 'system.posix_acl_access').hex()[:8],
    'same': os.stat(at + '/docs').st_ino == os.stat(at + '/mysql').st_ino,
    'write': refused(lambda: open(at + '/docs/report', 'r+')),
    'make': refused(lambda: os.mkdir(at + '/docs/new')),
    'remove': refused(lambda: os.rmdir(at)),
    'absent': refused(lambda: os.stat(at + '/docs/nothing')),
    'no volume': refused(lambda: os.stat(at + '/other')),
    'no snapshot': refused(lambda: os.stat(at + 'x')),
    'live': refused(lambda: os.stat(os.path.dirname(at) + '/deep')),
}`,
      { at: group.at(name) },
    )
    expect(ok).toEqual({
      table: 'mysql/table\n',
      report: 'docs/report\n',
      acl: '02000000',
      same: false,
      write: 'EROFS',
      make: 'EROFS',
      remove: 'EROFS',
      absent: 'ENOENT',
      'no volume': 'ENOENT',
      'no snapshot': 'ENOENT',
      live: 'ENOENT',
    })
    expect(await run.stop('SIGINT')).toBe(0)
    expect(group.sandbox.mounts()).toEqual([])
  })

  test('shows what comes and goes at once, whoever takes or deletes it', async () => {
    const { group } = await TestGroup.started()
    const first = await group.snapshot()
    expect(await group.listed()).toEqual([first])
    expect(await group.listed(first)).toEqual(['docs', 'mysql'])
    // Of one volume alone: there only.
    await group.actor.python(`os.mkdir(given['docs'] + '/.snapshots/alone')`, { docs: group.docs })
    const [, alone = ''] = await group.names()
    expect(await group.listed()).toEqual([first, alone])
    expect(await group.listed(alone)).toEqual(['docs'])
    await group.sandbox.succeed('delete', first, '-V', group.docs)
    expect(await group.listed(first)).toEqual(['mysql'])
    await group.sandbox.succeed('delete', first, '-V', group.mysql)
    expect(await group.listed()).toEqual([alone])
    const gone = await group.actor.python(`os.stat(given['at'])`, { at: group.at(first) })
    expect(gone.errno).toBe('ENOENT')
  })

  test('goes on after its process, or the daemon of its volumes, was killed', async () => {
    const { group, run } = await TestGroup.started()
    const first = await group.snapshot()
    await run.kill()
    // The live files are still served, and snapshots can be taken.
    const second = await group.snapshot()
    const again = await group.start()
    expect(await group.listed()).toEqual([first, second])
    expect(group.sandbox.mounts().sort()).toEqual([
      group.docs,
      group.mysql,
      `${group.directory}/snapshot`,
    ])
    expect(group.daemons()).toHaveLength(1)
    const [daemon] = group.daemons()
    group.killDaemon()
    await vi.waitFor(
      async () => {
        expect(group.daemons()).toHaveLength(1)
        expect(group.daemons()).not.toEqual([daemon])
        // Not a part of them, at no time.
        const listed = await group.listed()
        expect(listed).toEqual([first, second])
      },
      { timeout: 20_000, interval: 100 },
    )
    await group.snapshot()
    expect(await again.stop()).toBe(0)
    expect(group.sandbox.mounts()).toEqual([])
    expect(group.daemons()).toEqual([])
    // Unmounted, the past is still told, and the next start has it.
    const names = await group.names()
    expect(names).toHaveLength(3)
    await group.start()
    expect(await group.listed()).toEqual(names)
  })
})
