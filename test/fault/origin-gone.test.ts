import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { processesMarked } from '../support/mounts.js'
import { describeMount } from '../support/requirements.js'
import { volumeVariable } from '../support/leftovers.js'

/** What a shell command says when it fails, with a deadline of its own: it may be the one that hangs. */
async function failing(box: CliSandbox, command: string): Promise<string> {
  return box.shell(`(${command}) 2>&1 >/dev/null || true`)
}

/** Processes that wait for an answer of the mount. Once it is asked, not even SIGKILL ends them. */
function waiting(box: CliSandbox): number[] {
  return processesMarked(`${volumeVariable}=${box.directory}`).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/wchan`, 'latin1') === 'request_wait_answer'
    } catch {
      return false
    }
  })
}

async function ends(box: CliSandbox): Promise<void> {
  await vi.waitFor(
    () => {
      expect(box.mounts().filter((path) => path === box.path('live'))).toEqual([])
      const daemons = box.processes().filter((pid) => commandOf(pid).includes('/daemon/'))
      expect(daemons).toEqual([])
    },
    { timeout: 15_000, interval: 50 },
  )
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

/** Of what serves the origin through FUSE. */
function bindfsOf(box: CliSandbox): number {
  const pid = box.processes().find((each) => commandOf(each).startsWith('bindfs'))
  if (pid === undefined) throw new Error('bindfs does not run')
  return pid
}

async function onBindfs(): Promise<CliSandbox> {
  const box = new CliSandbox()
  box.mk('real/file', 'real/other', 'origin/', 'live/')
  await box.shell('bindfs real origin')
  await box.succeed('mount', 'origin', 'live', '--store', 'store')
  await box.succeed('snapshot', 'live', '--tag', 'one')
  await box.shell('echo changed >live/file')
  return box
}

const snapshotOne = 'cat live/.snapshots/one/file live/.snapshots/one/other'

describeMount('an origin that goes away', () => {
  test('because its own daemon is killed fails what is asked, and can be unmounted', async () => {
    const box = await onBindfs()
    process.kill(bindfsOf(box), 'SIGKILL')
    const gone = /not connected|Input\/output error/
    for (const command of [
      'cat live/other',
      'ls live',
      'echo >>live/file',
      'mkdir live/new',
      'rm live/other',
      'cat live/.snapshots/one/other',
    ]) {
      expect(await failing(box, command), command).toMatch(gone)
    }
    await box.succeed('unmount', 'live')
    await ends(box)
    await box.shell('umount -l origin; bindfs real origin')
    await box.succeed('mount', 'origin', 'live')
    expect(await box.shell(`cat live/file; ${snapshotOne}`)).toBe(
      'changed\nreal/file\nreal/other\n',
    )
    await box.succeed('unmount', 'live')
  })

  test('without an answer leaves no process behind that waits for it', async () => {
    const box = await onBindfs()
    const stuck = bindfsOf(box)
    process.kill(stuck, 'SIGSTOP')
    let reader: Promise<string> | undefined
    // One that is killed before the daemon has taken its request ends at once: then another tries.
    await vi.waitFor(
      async () => {
        reader = box.shell('cat live/other').catch((error: unknown) => String(error))
        await vi.waitFor(() => {
          expect(waiting(box)).not.toEqual([])
        }, 5000)
        for (const pid of waiting(box)) process.kill(pid, 'SIGKILL')
        await Promise.race([reader, sleep(300)])
        expect(waiting(box)).not.toEqual([])
      },
      { timeout: 20_000, interval: 10 },
    )
    const busy = await box.bygone(['unmount', 'live'])
    expect(busy).toMatchObject({ code: 1, stdout: '' })
    const { code, stderr } = await box.bygone(['unmount', '--force', 'live'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^bygone: .*live is unmounted, but its origin .* does not answer.*\n$/)
    expect(await reader).toContain('Killed')
    expect(waiting(box)).toEqual([])
    process.kill(stuck, 'SIGCONT')
    await ends(box)
    expect(waiting(box)).toEqual([])
    await box.succeed('mount', 'origin', 'live')
    expect(await box.shell(snapshotOne)).toBe('real/file\nreal/other\n')
    await box.succeed('unmount', 'live')
  })

  test('because its disk dies is EIO, and can be unmounted', async () => {
    const box = new CliSandbox()
    box.mk('disk/', 'origin/', 'live/')
    await box.shell(`mount -t tmpfs -o size=80M none disk
      truncate -s 64M disk/image; mkfs.ext4 -q disk/image; mount -o loop,errors=continue disk/image origin
      for number in $(seq 200); do head -c 50000 /dev/urandom >origin/$number; done; sync -f origin`)
    await box.succeed('mount', 'origin', 'live', '--store', 'store')
    await box.succeed('snapshot', 'live', '--tag', 'one')
    const before = await box.shell('cat live/.snapshots/one/1 | md5sum; echo more >>live/1')
    await box.shell('sync -f origin; echo 3 >/proc/sys/vm/drop_caches')
    // Reads find nothing behind the end of the image; writes find no room.
    await box.shell(`truncate -s 1M disk/image; cat /dev/zero >disk/ballast 2>/dev/null || true
      echo 3 >/proc/sys/vm/drop_caches`)
    for (const command of ['cat live/150', 'cat live/.snapshots/one/150', 'echo >>live/151']) {
      expect(await failing(box, command), command).toContain('Input/output error')
    }
    // What was preserved is in the store: it is right, or it is an error.
    const after = await box.shell('(cat live/.snapshots/one/1 || echo failed) 2>/dev/null | md5sum')
    const failed = await box.shell('echo failed | md5sum')
    expect([before, failed]).toContain(after)
    const { code, stderr } = await box.bygone(['unmount', 'live'])
    // Where something could not reach the dead disk any more, it says so.
    expect(stderr.split('\n').length - 1).toBe(code === 0 ? 0 : 1)
    expect([0, 2]).toContain(code)
    await ends(box)
  })

  test('by a lazy unmount is still served until the volume is unmounted', async () => {
    const box = new CliSandbox()
    box.mk('origin/', 'live/')
    await box.shell('truncate -s 16M image; mkfs.ext4 -q image; mount -o loop image origin')
    await box.succeed('mount', 'origin', 'live')
    await box.shell('echo old >live/file')
    await box.succeed('snapshot', 'live', '--tag', 'one')
    await box.shell('umount -l origin; echo new >live/file')
    await box.succeed('snapshot', 'live', '--tag', 'two')
    const reading = 'cat live/.snapshots/one/file live/.snapshots/two/file live/file'
    expect(await box.shell(reading)).toBe('old\nnew\nnew\n')
    await box.succeed('unmount', 'live')
    await ends(box)
    await vi.waitFor(() => box.shell('mount -o loop image origin'), 10_000)
    await box.succeed('mount', 'origin', 'live')
    expect(await box.shell(reading)).toBe('old\nnew\nnew\n')
    await box.succeed('unmount', 'live')
  })

  test('under its name is found by its files all the same', async () => {
    const box = new CliSandbox()
    box.mk('origin/dir/file', 'live/')
    await box.succeed('mount', 'origin', 'live', '--store', 'store')
    await box.succeed('snapshot', 'live', '--tag', 'one')
    await box.shell('mv origin moved; echo new >live/dir/file; cat live/dir/file')
    expect(await box.shell('cat live/.snapshots/one/dir/file moved/dir/file')).toBe(
      'origin/dir/file\nnew\n',
    )
    await box.shell('rm -rf moved')
    expect(await failing(box, 'cat live/dir/file')).toMatch(/No such file|Stale|Input\/output/)
    expect(await failing(box, 'touch live/new')).toMatch(/No such file|Stale|Input\/output/)
    expect(await failing(box, 'cat live/.snapshots/one/dir/file')).not.toBe('')
    await box.succeed('unmount', 'live')
    await ends(box)
  })
})

describeMount("bygone's own files", () => {
  test('without the retired directory nothing is removed that a snapshot needs', async () => {
    const box = new CliSandbox()
    box.mk('origin/file', 'origin/other', 'live/')
    await box.succeed('mount', 'origin', 'live')
    await box.succeed('snapshot', 'live', '--tag', 'one')
    await box.shell('rm -r origin/.bygone/retired')
    expect(await failing(box, 'rm live/file')).not.toBe('')
    expect(await failing(box, 'echo new >live/new && mv live/new live/other')).not.toBe('')
    const snapshot = 'cat live/.snapshots/one/file live/.snapshots/one/other'
    expect(await box.shell(`cat live/file live/other live/new; ${snapshot}`)).toBe(
      'origin/file\norigin/other\nnew\norigin/file\norigin/other\n',
    )
    await box.succeed('unmount', 'live')
    await box.succeed('mount', 'origin', 'live')
    await box.shell('rm live/file && mv live/new live/other')
    expect(await box.shell(snapshot)).toBe('origin/file\norigin/other\n')
    await box.succeed('unmount', 'live')
  })

  test('on a disk that becomes read-only stop changes, and nothing else', async () => {
    const box = new CliSandbox()
    box.mk('origin/file', 'origin/other', 'live/', 'disk/')
    await box.shell('truncate -s 64M image; mkfs.ext4 -q image; mount -o loop image disk')
    await box.succeed('mount', 'origin', 'live', '--store', 'disk/store')
    await box.succeed('snapshot', 'live', '--tag', 'one')
    // As ext4 does by itself when its disk fails.
    await box.shell(
      'echo new >live/file; sync live/file; sync -f disk; mount -o remount,abort disk',
    )
    const refusal = await failing(box, 'head -c 100000 /dev/zero >live/other')
    expect(refusal).toMatch(/Read-only|Input\/output/)
    const snapshot = 'cat live/.snapshots/one/file live/.snapshots/one/other'
    const reading = `cat live/file live/other; ${snapshot}`
    const shown = 'new\norigin/other\norigin/file\norigin/other\n'
    expect(await box.shell(reading)).toBe(shown)
    const taken = await box.bygone(['snapshot', 'live'])
    expect(taken.stdout).toBe('')
    expect(taken.stderr.trim().split('\n')).toHaveLength(1)
    expect([1, 2]).toContain(taken.code)
    const { code, stderr } = await box.bygone(['unmount', 'live'])
    expect(stderr.split('\n').length - 1, stderr).toBe(code === 0 ? 0 : 1)
    await ends(box)
    await box.shell('umount disk; mount -o loop image disk')
    await box.succeed('mount', 'origin', 'live')
    expect(await box.shell(reading)).toBe(shown)
    await box.succeed('unmount', 'live')
  })
})

describeMount('a directory that is removed while it is read', () => {
  test('is read to its end, and its reader can go on', async () => {
    const box = new CliSandbox()
    box.mk('origin/')
    await box.succeed('mount', 'origin')
    const story = `
import os, sys
# More than one reading of the directory holds.
name = lambda number: 'origin/dir/' + str(number).zfill(120)
os.mkdir('origin/dir')
for number in range(600):
    open(name(number), 'w').close()
if sys.argv[1] == 'kept':
    os.mkdir('origin/.snapshots/one')
entries = os.scandir('origin/dir')
seen = [next(entries).name for _ in range(10)]
for number in range(600):
    os.unlink(name(number))
os.rmdir('origin/dir')
seen += [entry.name for entry in entries]
assert len(seen) == len(set(seen)), 'twice'
again = os.open('origin', os.O_RDONLY)
assert [name for name in os.listdir(again) if name[0] != '@'] == []
if sys.argv[1] == 'kept':
    assert len(os.listdir('origin/.snapshots/one/dir')) == 600
os.mkdir('origin/dir'); os.rmdir('origin/dir')
print(len(seen) >= 10)`
    for (const kind of ['plain', 'kept']) {
      expect(await box.shell(`timeout 20 python3 -c '${story.replaceAll("'", '"')}' ${kind}`)).toBe(
        'True\n',
      )
    }
    await box.succeed('unmount', 'origin')
  })
})
