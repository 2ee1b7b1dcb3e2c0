import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Failure } from '../../src/base/failure.js'
import { sectionOf } from '../../src/cli/samba.js'
import { sambaShare } from '../../src/daemon/samba-share.js'
import { succeed } from '../support/command.js'
import { temporaryPrefix } from '../support/leftovers.js'
import { describeMount } from '../support/requirements.js'
import { SambaStory } from '../support/samba-story.js'
import { TestVolume } from '../support/test-volume.js'

describeMount('a share as `bygone samba` prints it', () => {
  test('is understood as it was meant, whatever characters the path has', async () => {
    const characters = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at))
    const names = [...characters, 'ä', '😀', '\u00a0', '\u2003'].flatMap((each) =>
      [each, `a${each}b`, `a${each}`, `${each}b`, `a${each}${each}b`].filter(isDirectoryName),
    )
    const taken = names.filter((inner) => isTaken(inner))
    const sections = taken.flatMap((inner, at) => sectionOf(sambaShare(`s${at}`, '/srv', inner)))
    const conf = temporaryFile('smb.conf', ['[global]', ...sections, ''].join('\n'))
    const said = await succeed('testparm', ['--suppress-prompt', conf])
    const paths = [...said.matchAll(/^\tpath = (.*)$/gm)].map(([, path]) => path)
    expect(paths).toEqual(taken.map((inner) => `/srv/${inner}`))
    // Of the rest each is for one of the reasons that the unit tests name.
    expect(names.filter((inner) => !taken.includes(inner)).join('')).toMatch(/^[ab%"\\ ]+$/)
  })

  test('can have kernel oplocks: whoever opens a live file breaks the lease on it', async () => {
    const { live, actor } = await TestVolume.mounted()
    const lines = `
path = given['path']
with open(path, 'w') as file:
    file.write('cached')
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
reader = subprocess.Popen(['cat', path], stdout=subprocess.PIPE)
broken = signal.sigtimedwait([signal.SIGIO], 10) is not None
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
os.close(fd)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGIO])
result = [broken, reader.communicate(timeout=10)[0].decode()]`
    const outcome = await actor.python(`import fcntl${lines}`, { path: `${live}/file` })
    expect(outcome).toEqual({ ok: [true, 'cached'] })
  })

  test('is unmounted when its clients have been sent away, who come back to the next mount', async () => {
    const story = await SambaStory.begin()
    const { volume, server } = story
    const client = server.session('whole')
    const listed = /blocks available|NT_STATUS_/
    expect(await client.says('ls report.txt', listed)).toMatch(/report\.txt/)
    const busy = await volume.bygone('unmount', volume.live)
    expect(busy.stderr).toMatch(/is in use by smbd/)
    expect(busy.code).toBe(1)
    await server.control('close-share', 'whole')
    // It lets go of the directory after it has answered.
    await vi.waitFor(() => volume.unmount(), { timeout: 20_000, interval: 50 })
    await volume.mount()
    expect(await client.says('ls report.txt', listed)).toMatch(/NT_STATUS_NETWORK_NAME_DELETED/)
    const versions = await story.versions('whole', ['report.txt'])
    expect(versions.get('report.txt')?.map(([name]) => name)).toEqual(story.snapshots)
  })
})

function isDirectoryName(name: string): boolean {
  return !name.includes('/') && name !== '.' && name !== '..'
}

function isTaken(inner: string): boolean {
  try {
    sambaShare('s', '/srv', inner)
    return true
  } catch (error) {
    if (error instanceof Failure) return false
    throw error
  }
}

function temporaryFile(name: string, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), temporaryPrefix()))
  onTestFinished(() => {
    rmSync(directory, { recursive: true })
  })
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
