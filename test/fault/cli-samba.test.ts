import { chownSync, mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { openTheDevice } from '../support/fuse-device.js'
import { describeMount } from '../support/requirements.js'

const user = 65534

// Names count on the whole machine, where others may have mounted something too.
const name = `docs-of-${process.pid}`

/** Mounted over itself as `o`; `p` at the mount point `m`. */
async function twoVolumes(): Promise<CliSandbox> {
  const box = new CliSandbox()
  box.mk('o/sub/inner/file', 'o/file', 'p/sub/file', 'm/')
  await box.succeed('mount', 'o', '--name', name)
  await box.succeed('mount', 'p', 'm')
  return box
}

const wholeOf = (share: string, path: string) => `[${share}]
  # Keep shadow_copy2: without it a request for an old version reaches the live file.
  path = ${path}
  read only = no
  vfs objects = shadow_copy2
  shadow:mountpoint = ${path}
  shadow:snapdir = ${path}
  shadow:format = @GMT-%Y.%m.%d-%H.%M.%S
  shadow:localtime = no
  shadow:sort = desc
  veto files = /@GMT-*/
`

const partOf = (share: string, root: string, path: string) => `[${share}]
  # Keep shadow_copy2: without it a request for an old version reaches the live file.
  path = ${root}/${path}
  read only = no
  vfs objects = shadow_copy2
  shadow:mountpoint = ${root}
  shadow:snapdir = ${root}
  shadow:basedir = ${root}
  shadow:format = @GMT-%Y.%m.%d-%H.%M.%S
  shadow:localtime = no
  shadow:sort = desc
`

describeMount('bygone samba', () => {
  test('prints the share of a volume by its name, origin or mount point', async () => {
    const box = await twoVolumes()
    for (const volume of [name, './o', box.path('o')]) {
      const { stdout, stderr } = await box.bygone(['samba', volume])
      expect({ stdout, stderr }).toEqual({ stdout: wholeOf(name, box.path('o')), stderr: '' })
    }
    for (const volume of ['./p', './m']) {
      expect(await box.succeed('samba', volume)).toBe(wholeOf('p', box.path('m')))
    }
    const within = await box.bygone(['samba'], { cwd: box.path('m/sub') })
    expect(within.stdout).toBe(wholeOf('p', box.path('m')))
  })

  test('prints the share of a directory in a volume, also by its path in the origin', async () => {
    const box = await twoVolumes()
    expect(await box.succeed('samba', 'o/sub')).toBe(partOf('sub', box.path('o'), 'sub'))
    expect(await box.succeed('samba', 'o/sub/inner/', '--share', 'a b')).toBe(
      partOf('a b', box.path('o'), 'sub/inner'),
    )
    expect(await box.succeed('samba', 'p/sub')).toBe(partOf('sub', box.path('m'), 'sub'))
    const within = await box.bygone(['samba', '.'], { cwd: box.path('m/sub') })
    expect(within.stdout).toBe(partOf('sub', box.path('m'), 'sub'))
  })

  test('prints JSON with the same parameters', async () => {
    const box = await twoVolumes()
    const { share, parameters } = JSON.parse(await box.succeed('samba', 'o/sub', '--json')) as {
      share: string
      parameters: Record<string, string>
    }
    const lines = Object.entries(parameters).map(([name, value]) => `  ${name} = ${value}\n`)
    const [head, comment] = partOf(share, '', '').split('\n')
    expect([head, comment, ''].join('\n') + lines.join('')).toBe(
      partOf('sub', box.path('o'), 'sub'),
    )
  })

  test('refuses what can not be shared, in one line', async () => {
    const box = await twoVolumes()
    await box.succeed('snapshot', './o')
    const odd = ['100%', 'two  blanks', 'end ', 'quote"', 'back\\', 'new\nline']
    for (const each of odd) mkdirSync(box.path(`p/${each}`))
    const cases: [args: string[], code: number, says: RegExp][] = [
      [['o/file'], 64, /\/o\/file is not a directory/],
      [['o/nosuch'], 5, /\/o\/nosuch does not exist/],
      [['o/@latest'], 64, /in a snapshot/],
      [['o/sub/@latest/inner'], 64, /in a snapshot/],
      [['o/.snapshots'], 64, /in a snapshot/],
      [['p/.bygone'], 64, /bygone's own/],
      [['o/.bygone'], 5, /does not exist/],
      ...odd.map((each): [string[], number, RegExp] => [
        [`m/${each}`],
        1,
        /smb\.conf can't hold the path .*: .*; rename it/,
      ]),
      [['./o', '--share', 'a]'], 64, /can't be the name of a share: '\]'/],
      [['./o', '--share', 'homes'], 64, /can't be the name of a share: .*Samba/],
      [['./o', '--share', ''], 64, /can't be the name of a share/],
      [['./o', '--share', 'x'.repeat(81)], 64, /more than 80 characters/],
    ]
    for (const [args, code, says] of cases) {
      const result = await box.bygone(['samba', ...args])
      expect(result.stderr, args.join(' ')).toMatch(/^bygone: [^\n]+\n$/)
      expect(result.stderr).toMatch(says)
      expect(result.stdout).toBe('')
      expect(result.code, args.join(' ')).toBe(code)
    }
  })

  test('refuses a directory on which another file system is mounted', async () => {
    const box = await twoVolumes()
    await box.shell('mount -t tmpfs none o/sub')
    const result = await box.bygone(['samba', 'o/sub'])
    expect(result.stderr).toMatch(/^bygone: another file system is mounted on .*\/o\/sub: /)
    expect(result.code).toBe(64)
  })

  test('refuses a volume that is not mounted, and one whose daemon is gone', async () => {
    const box = await twoVolumes()
    await box.succeed('unmount', './o')
    const unmounted = await box.bygone(['samba', './o'])
    expect(unmounted.stderr).toMatch(/^bygone: .*\/o is not mounted: `bygone mount` it first\n$/)
    expect(unmounted.code).toBe(1)
    box.killAll()
    const stale = await box.bygone(['samba', './m'])
    expect(stale.stderr).toMatch(/^bygone: the daemon of .*\/p.* is gone/)
    expect(stale.code).toBe(1)
  })

  test('says on stderr that a directory of a closed volume shows no versions', async () => {
    const box = await twoVolumes()
    await box.shell('chmod 750 o')
    const { stdout, stderr, code } = await box.bygone(['samba', 'o/sub'])
    expect(stderr).toMatch(/^bygone: users who may not list .*\/o itself see no .*\n$/)
    expect(stdout).toBe(partOf('sub', box.path('o'), 'sub'))
    expect(code).toBe(0)
  })

  test('says on stderr that smbd can not enter the mount of an ordinary user', async () => {
    openTheDevice()
    const box = new CliSandbox()
    box.mk('o/sub/file', 'run/')
    for (const path of [box.directory, box.path('o'), box.path('o/sub'), box.path('run')]) {
      chownSync(path, user, user)
    }
    const as = { uid: user, env: { XDG_RUNTIME_DIR: box.path('run') } }
    expect(await box.bygone(['mount', 'o'], as)).toMatchObject({ stderr: '', code: 0 })
    const { stdout, stderr, code } = await box.bygone(['samba', 'o/sub'], as)
    expect(stderr).toMatch(/^bygone: only uid 65534 can enter .*\/o, .*--allow-other\n$/)
    expect(stdout).toBe(partOf('sub', box.path('o'), 'sub'))
    expect(code).toBe(0)
    await box.bygone(['unmount', './o'], as)
  })
})
