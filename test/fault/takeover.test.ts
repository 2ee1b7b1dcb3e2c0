import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { faultPoints } from '../../src/base/fault-points.js'
import { giveToUser, runAsUser } from '../support/as-user.js'
import { run, succeed } from '../support/command.js'
import { DaemonKiller } from '../support/daemon-killer.js'
import { Faults } from '../support/faults.js'
import { kill } from '../support/mounts.js'
import { Oracle } from '../support/oracle.js'
import { OracleVolume } from '../support/oracle-volume.js'
import { PostgresServer } from '../support/postgres.js'
import { Random, seedOfThisRun } from '../support/random.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume, type TestVolumeOptions } from '../support/test-volume.js'
import { ToldClock } from '../support/told-clock.js'

// Goal: programs do not notice that the daemon is killed, but for a pause; what they ask for is carried out once.
//   BYGONE_SEED=n, BYGONE_OPERATIONS=n (for each oracle)
const operations = Number(process.env['BYGONE_OPERATIONS'] ?? 160)
const killsMin = 5
const seed = seedOfThisRun()

/** Steps of requests and of snapshots: all that can be left half done under a mount. */
const stepsOfRequests = Object.keys(faultPoints).filter((point) =>
  /^(journal\.append|preserve|change|create|link|unlink|rename|retire|write|truncate|allocate|attributes|xattr|snapshot)/.test(
    point,
  ),
)

interface SupervisorStatus {
  pid: number
  supervisor: { pid: number | null; takeovers: number; why: string | null }
}

async function statusOf(volume: TestVolume): Promise<SupervisorStatus> {
  return (await volume.status()) as unknown as SupervisorStatus
}

function logOf(volume: TestVolume): string {
  return readFileSync(join(volume.store, 'daemon.log'), 'utf8')
}

/** The descriptors that a command run by the process would get: it could keep a mount or a lock for ever. */
function inheritable(pid: number): string[] {
  const closedOnExec = 0o2000000
  const directory = `/proc/${pid}/fdinfo`
  return readdirSync(directory).filter((fd) => {
    const flags = /^flags:\t(\d+)$/m.exec(readFileSync(`${directory}/${fd}`, 'latin1'))?.[1] ?? '0'
    // LMDB opens one so, which is nobody's lock.
    const isIndex = readlinkSync(`/proc/${pid}/fd/${fd}`).endsWith('/index/data.mdb')
    return Number(fd) > 2 && !isIndex && (Number.parseInt(flags, 8) & closedOnExec) === 0
  })
}

/** An oracle run, until the killer has killed often enough; it is stopped before the volume is unmounted. */
async function oracleRun(
  volume: TestVolume,
  chunkBytes: number,
  count: number,
  killer?: DaemonKiller,
): Promise<void> {
  const { directory } = volume
  const oracle = new Oracle(new OracleVolume(volume, 0), { seed, chunkBytes, directory })
  for (let stage = 0; stage < 2 || (killer?.kills ?? killsMin) < killsMin; stage++) {
    await oracle.operate(count / 2)
    await oracle.snapshot()
    await oracle.verifyOne()
  }
  await oracle.verifyAll()
  await killer?.stop()
  await oracle.remount()
  await oracle.verifyAll()
  await oracle.stop()
}

describeMount('a daemon that is killed while its supervisor lives', () => {
  console.log(`BYGONE_SEED=${seed}`)

  test.each<[string, TestVolumeOptions]>([
    ['over the origin', { chunkSize: '4K' }],
    ['at its own mount point', { isMountedOver: false }],
  ])('at random moments is not noticed by any operation, %s', async (_, options) => {
    const volume = await TestVolume.mounted(options)
    const killer = new DaemonKiller(volume, new Random(seed))
    killer.start(100, 400)
    const chunkBytes = options.chunkSize === '4K' ? 4096 : 65536
    await oracleRun(volume, chunkBytes, operations, killer)
    console.log(`kills: ${killer.kills}`)
  })

  test('at every step of a request has that carried out once', async () => {
    const random = new Random(seed)
    const plan = stepsOfRequests.map((point) => `${point}=kill@${random.between(1, 4)}`).join(',')
    const volume = new TestVolume({ chunkSize: '4K' })
    const faults = new Faults(volume.directory, plan, true)
    volume.variables = faults.variables
    await volume.mount()
    await oracleRun(volume, 4096, operations * 3)
    console.log(`killed at ${faults.kills} of ${stepsOfRequests.length} points`)
    expect(faults.kills).toBeGreaterThan(stepsOfRequests.length / 2)
  })

  test('every two seconds is not noticed by dd, rsync and PostgreSQL, whose data is right', async () => {
    const volume = await TestVolume.mounted()
    const data = `${volume.live}/data`
    mkdirSync(`${volume.plain}/data`)
    chownSync(`${volume.plain}/data`, 65534, 65534)
    const server = new PostgresServer(volume, 'live', data)
    await server.init()
    await server.start()
    await server.program('pgbench', '--initialize', '--scale=1', '--quiet')
    const killer = new DaemonKiller(volume, new Random(seed))
    killer.start(2000, 2000)
    const onHang = () => {
      volume.kill()
    }
    const source = '/usr/lib/python3/dist-packages'
    const copying = succeed(
      'sh',
      [
        '-ec',
        `dd if=/dev/urandom of=${volume.beside('data')} bs=64K count=320 status=none
        for pass in 1 2; do
          dd if=${volume.beside('data')} of=${volume.live}/copy bs=4K status=none conv=fsync
          cmp ${volume.beside('data')} ${volume.live}/copy
        done
        rsync -a ${source}/ ${volume.live}/synced/
        diff -r ${source} ${volume.live}/synced`,
      ],
      { deadlineMs: 200_000, onHang },
    )
    await server.program('pgbench', '--no-vacuum', '--client=4', '--jobs=2', '--time=8')
    await copying
    await killer.stop()
    await server.check()
    await server.stop()
    expect(killer.kills).toBeGreaterThan(2)
    // What the kernel has is what is there.
    await succeed('diff', ['-r', source, `${volume.plain}/synced`], { onHang })
  })

  test('leaves what programs have open, read and locked', async () => {
    const volume = await TestVolume.mounted()
    const { actor, live } = volume
    const ask = async (lines: string) => {
      const answer = await actor.python(lines, { live })
      expect(answer.errno).toBeUndefined()
      return answer.ok
    }
    await ask(`
import fcntl, mmap, sys
keep = sys.modules['__main__'].keep = {}
live = given['live']
os.mkdir(live + '/many')
for number in range(3000):
    os.close(os.open('%s/many/%d' % (live, number), os.O_CREAT | os.O_WRONLY, 0o444))
unlinked = os.open(live + '/unlinked', os.O_CREAT | os.O_RDWR, 0o600)
os.write(unlinked, b'still here')
os.unlink(live + '/unlinked')
unnamed = os.open(live, os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(unnamed, b'no name')
locked = os.open(live + '/locked', os.O_CREAT | os.O_RDWR, 0o400)
fcntl.flock(locked, fcntl.LOCK_EX)
os.truncate(locked, 4096)
mapping = mmap.mmap(locked, 4096)
mapping[0:6] = b'before'
listing = os.scandir(live + '/many')
first = [next(listing).name for number in range(1000)]
keep.update(unlinked=unlinked, unnamed=unnamed, locked=locked, listing=listing, first=first, mapping=mapping)
result = None
`)
    const before = await statusOf(volume)
    kill(before.pid)
    const found = await ask(`
import fcntl
unlinked, unnamed, first, mapping = keep['unlinked'], keep['unnamed'], keep['first'], keep['mapping']
rest = [entry.name for entry in keep['listing']]
mapping[6:11] = b'after'
mapping.flush()
os.write(unlinked, b', and more')
other = os.open(given['live'] + '/locked', os.O_RDWR)
# With a descriptor, only to have linkat(2) called.
os.link('/proc/self/fd/%d' % unnamed, given['live'] + '/named', src_dir_fd=other, follow_symlinks=True)
try:
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    is_locked = False
except BlockingIOError:
    is_locked = True
result = [len(first) + len(rest), len(set(first + rest)), os.pread(unlinked, 99, 0).decode(),
  os.pread(unnamed, 99, 0).decode(), is_locked, os.pread(other, 11, 0).decode(), os.fstat(unlinked).st_nlink,
  open(given['live'] + '/named').read()]
os.close(other)
`)
    expect(found).toEqual([
      3000,
      3000,
      'still here, and more',
      'no name',
      true,
      'beforeafter',
      0,
      'no name',
    ])
    const after = await statusOf(volume)
    expect(after.pid).not.toBe(before.pid)
    expect(after.supervisor.pid).not.toBe(before.supervisor.pid)
    expect(after.supervisor.takeovers).toBe(1)
    expect(after.supervisor.why).toBe('killed by signal 9')
    expect(inheritable(after.pid)).toEqual([])
    expect(logOf(volume)).toMatch(/took over 1 of 1 volumes/)
    await ask(`
keep['mapping'].close()
for name in ('unlinked', 'unnamed', 'locked'): os.close(keep[name])
keep['listing'].close()
result = None`)
    await vi.waitFor(async () => {
      const { gauges } = await volume.status()
      expect(gauges['handles']).toBe(0)
    }, 10_000)
  })

  test('has snapshots as they were, read on where a program was', async () => {
    const volume = await TestVolume.mounted()
    const { actor, live } = volume
    const lines = `
live = given['live']
os.makedirs(live + '/a/b')
with open(live + '/a/b/file', 'w') as file: file.write('x' * 200000)
result = None`
    await actor.python(lines, { live })
    const name = await volume.snapshot()
    const opened = await actor.python(
      `
import sys
with open(given['live'] + '/a/b/file', 'r+') as file: file.write('y' * 100000)
past = open(given['live'] + '/' + given['name'] + '/a/b/file', 'rb', buffering=0)
os.chdir(given['live'] + '/' + given['name'] + '/a')
sys.modules['__main__'].past = past
result = past.read(1000).decode()`,
      { live, name },
    )
    expect(opened.ok).toBe('x'.repeat(1000))
    kill((await statusOf(volume)).pid)
    const read = await actor.python(
      `
rest = past.read()
result = [len(rest), set(rest) == {120}, open('b/file').read() == 'x' * 200000, os.listdir('.')]
os.chdir('/')
past.close()`,
      { live, name },
    )
    expect(read.ok).toEqual([199_000, true, true, ['b']])
  })

  test('while it deletes a snapshot shows nothing of that any more', async () => {
    const volume = new TestVolume()
    volume.variables = new Faults(volume.directory, 'delete.gone=kill@1', true).variables
    await volume.mount()
    const name = await volume.snapshot()
    const past = `${volume.live}/${name}`
    await succeed('ls', ['-la', past])
    const { code, stderr } = await volume.bygone('delete', name, '--volume', volume.live)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^bygone: the daemon ended before it replied: .*\n$/)
    expect(await volume.snapshots()).toEqual([])
    await vi.waitFor(async () => {
      const { stderr: refusal } = await run('ls', ['-la', past])
      expect(refusal).toContain('No such file or directory')
    }, 10_000)
    expect(await succeed('ls', [volume.live])).toBe('')
  })

  test('while it unmounts is replaced, and the unmount done', async () => {
    const volume = new TestVolume()
    volume.variables = new Faults(volume.directory, 'unmount.kernel=kill@1', true).variables
    await volume.mount()
    await succeed('sh', ['-c', `echo text > ${volume.live}/file`])
    const { code, stderr } = await volume.bygone('unmount', volume.live)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `bygone: the daemon died while it unmounted ${volume.origin}: the next mount recovers what it had not finished\n`,
    })
    await volume.hasDied()
    expect(logOf(volume)).toMatch(/took over 1 of 1 volumes/)
    await volume.mount()
    await volume.unmount()
  })

  test('has what it does by itself done by its successor: hooks, expiry, schedules', async () => {
    const hourMs = 3_600_000
    const volume = new TestVolume()
    const clock = new ToldClock(volume.beside('clock'), Date.UTC(2026, 10, 21, 12, 0))
    const notes = volume.beside('notes')
    volume.variables = {
      // Passes are counted anew by each daemon.
      ...new Faults(volume.directory, 'hooks.pre=kill@1,snapshot.done=kill@3', true).variables,
      ...clock.variables,
      BYGONE_CONFIG: volume.beside('config'),
    }
    await volume.mount()
    const hook = volume.beside('post.sh')
    writeFileSync(hook, `#!/bin/sh\necho "$BYGONE_RESULT: $BYGONE_ERROR" >> ${notes}\n`)
    chmodSync(hook, 0o755)
    await volume.succeed('hook', 'set', 'post', '-V', volume.live, '--', hook)
    expect((await volume.bygone('snapshot', volume.live)).code).toBe(1)
    await vi.waitFor(() => {
      expect(readFileSync(notes, 'utf8')).toMatch(
        /^failed: .*the daemon was killed before it was done\n$/,
      )
    }, 10_000)
    await volume.succeed('schedule', 'add', 'hourly', '-V', volume.live, '--every', '1h')
    await volume.succeed('policy', volume.live, '--max', '2')
    const first = await volume.snapshot()
    clock.goOn(1000)
    const second = await volume.snapshot()
    clock.goOn(1000)
    expect((await volume.bygone('snapshot', volume.live)).code).toBe(1)
    const later = async (isThere: (names: string[]) => boolean) =>
      vi.waitFor(
        async () => {
          const names = await volume.snapshots()
          expect(names).toSatisfy(isThere)
          return names
        },
        { timeout: 20_000, interval: 50 },
      )
    const kept = await later((names) => names.length === 2)
    expect(kept[0]).toBe(second)
    expect(kept).not.toContain(first)
    await volume.actor.python(`open(given['path'], 'w').write('text')`, {
      path: `${volume.live}/file`,
    })
    clock.goOn(hourMs)
    await later((names) => names.some((name) => !kept.includes(name)))
    expect((await statusOf(volume)).supervisor.takeovers).toBe(2)
  })

  test('of two volumes has both taken over', async () => {
    const volume = await TestVolume.mounted({ isStoreApart: true })
    const second = volume.beside('second')
    mkdirSync(second)
    await volume.succeed('mount', second, '--store', volume.store)
    kill((await statusOf(volume)).pid)
    const script = `echo live > ${volume.live}/file; echo live > ${second}/file; cat ${volume.live}/file ${second}/file`
    expect(await succeed('sh', ['-ec', script])).toBe('live\nlive\n')
    await volume.succeed('unmount', second)
    await volume.unmount()
  })

  test('is replaced for an ordinary user too', async () => {
    const volume = new TestVolume()
    giveToUser(volume)
    const script = `
      $BYGONE mount origin
      exec 3>origin/readonly; chmod 0 origin/readonly; echo before >&3
      kill -9 $($BYGONE status origin --json | sed -n 's/^  "pid": \\([0-9]*\\),$/\\1/p')
      echo after >&3; exec 3>&-
      chmod 600 origin/readonly; cat origin/readonly
      $BYGONE unmount origin`
    const { stdout, stderr, code } = await runAsUser(volume, script)
    expect({ stdout, stderr, code }).toEqual({ stdout: 'before\nafter\n', stderr: '', code: 0 })
  })
})

describeMount('a mount', () => {
  test('that fails at its last step leaves nothing, and nobody who goes on with it', async () => {
    const volume = new TestVolume({ isStoreApart: true })
    const { variables } = new Faults(volume.directory, 'mount.bequeathed=fail:EIO', true)
    volume.variables = variables
    const { code, stderr } = await volume.tryMount()
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('EIO') as string })
    await volume.hasDied()
    expect(volume.mounts()).toEqual([])
    volume.variables = new Faults(volume.directory, 'mount.bequeathed=fail:EIO@2', true).variables
    await volume.mount()
    const second = volume.beside('second')
    mkdirSync(second)
    const refused = await volume.bygone('mount', second, '--store', volume.store)
    expect(refused.stderr).toContain('EIO')
    expect(volume.mounts()).toEqual([volume.live])
    kill((await statusOf(volume)).pid)
    await succeed('ls', [volume.live])
    expect(logOf(volume)).toMatch(/took over 1 of 1 volumes/)
    await volume.unmount()
  })

  test('is given up when its daemons die again and again, and can be mounted again', async () => {
    const volume = new TestVolume()
    volume.variables = new Faults(volume.directory, '', true).variables
    await volume.mount()
    const killer = new DaemonKiller(volume, new Random(seed))
    await vi.waitFor(
      () => {
        killer.killNow()
        expect(volume.processes()).toEqual([])
      },
      { timeout: 30_000, interval: 20 },
    )
    const { stderr } = await run('cat', [`${volume.live}/file`])
    expect(stderr).toContain('Transport endpoint is not connected')
    expect(logOf(volume)).toContain('its mounts are given up')
    await volume.mount()
    await volume.unmount()
  })

  test('ends with its daemon where the kernel can not send again', async () => {
    const volume = new TestVolume()
    volume.variables = { BYGONE_WITHOUT_FEATURES: 'resend' }
    await volume.mount()
    const { pid, supervisor } = await statusOf(volume)
    expect(supervisor.pid).toBeNull()
    const { code, stderr: refusal } = await volume.bygone('reload', volume.live)
    expect(refusal).toMatch(/^bygone: the daemon can't be replaced.*Linux 6\.9.*\n$/)
    expect(code).toBe(1)
    kill(pid)
    await volume.hasDied()
    const { stderr } = await run('cat', [`${volume.live}/file`])
    // Aborted: it came while the last thread of the daemon was ending.
    expect(stderr).toMatch(/not connected|caused connection abort/)
    await volume.mount()
    await volume.unmount()
  })

  test('has a new daemon after bygone reload, and a new supervisor if that was killed', async () => {
    const volume = await TestVolume.mounted()
    const before = await statusOf(volume)
    await volume.succeed('reload', volume.live)
    const after = await statusOf(volume)
    expect(after.pid).not.toBe(before.pid)
    expect(after.supervisor.why).toBe('reload')
    kill(after.supervisor.pid ?? 0)
    await vi.waitFor(
      async () => {
        const { supervisor } = await statusOf(volume)
        expect(supervisor.pid).not.toBe(after.supervisor.pid)
      },
      { timeout: 10_000, interval: 200 },
    )
    kill(after.pid)
    await succeed('ls', [volume.live])
    await volume.unmount()
    await volume.hasDied()
  })
})
