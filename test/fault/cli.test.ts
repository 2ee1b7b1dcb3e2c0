import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import type { RunAs } from '../support/cli-sandbox.js'
import { describeMount } from '../support/requirements.js'
import { changeSealed } from '../support/sealed-file.js'

const user = 65534

interface Case {
  what: string
  /** Makes the situation; may use the command line. */
  prepare?: (box: CliSandbox) => void | Promise<void>
  /** Paths are relative to the sandbox. */
  args: string[]
  as?: (box: CliSandbox) => RunAs
  code: number
  says: RegExp
}

/** A volume that was mounted once and has a snapshot. */
async function usedVolume(box: CliSandbox, ...args: string[]): Promise<void> {
  box.mk('o/file')
  await box.succeed('mount', 'o', ...args)
  await box.succeed('snapshot', 'o')
  await box.succeed('unmount', 'o')
}

async function mountedVolume(box: CliSandbox): Promise<void> {
  box.mk('o/file', 'm/')
  await box.succeed('mount', 'o', 'm')
}

function change(path: string, edit: (text: string) => string): void {
  writeFileSync(path, edit(readFileSync(path, 'utf8')))
}

/** A device file that any user may open, as udev would make it, in place of this machine's. */
const openFuse = 'mknod -m 666 fuse c 10 229; mount --bind fuse /dev/fuse'

const paths: Case[] = [
  { what: 'a missing origin', args: ['mount', 'o'], code: 5, says: /origin .*\/o does not exist/ },
  {
    what: 'an origin that is a file',
    prepare: (box) => {
      box.mk('o')
    },
    args: ['mount', 'o'],
    code: 64,
    says: /origin .*\/o is not a directory/,
  },
  {
    what: 'an origin below a file',
    prepare: (box) => {
      box.mk('o')
    },
    args: ['mount', 'o/x'],
    code: 64,
    says: /not a directory/,
  },
  {
    what: 'a missing mount point',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o', 'm'],
    code: 5,
    says: /mount point .*\/m does not exist/,
  },
  {
    what: 'a mount point that is a file',
    prepare: (box) => {
      box.mk('o/', 'm')
    },
    args: ['mount', 'o', 'm'],
    code: 64,
    says: /mount point .*\/m is not a directory/,
  },
  {
    what: 'a mount point that is not empty',
    prepare: (box) => {
      box.mk('o/', 'm/file')
    },
    args: ['mount', 'o', 'm'],
    code: 3,
    says: /mount point .*\/m is not empty/,
  },
  {
    what: 'a mount point inside the origin',
    prepare: (box) => {
      box.mk('o/m/')
    },
    args: ['mount', 'o', 'o/m'],
    code: 64,
    says: /lies inside the origin/,
  },
  {
    what: 'a mount point inside the origin by a link',
    prepare: (box) => {
      box.mk('o/m/')
      symlinkSync('o/m', box.path('link'))
    },
    args: ['mount', 'o', 'link'],
    code: 64,
    says: /lies inside the origin/,
  },
  {
    what: 'a mount point around the origin',
    prepare: (box) => {
      box.mk('m/o/')
    },
    args: ['mount', 'm/o', 'm'],
    code: 64,
    says: /origin lies inside the mount point/,
  },
  {
    what: "a mount point inside the volume's store",
    prepare: (box) => {
      box.mk('o/', 's/m/')
    },
    args: ['mount', 'o', 's/m', '--store', 's'],
    code: 64,
    says: /lies inside the volume's store/,
  },
  {
    what: 'a mount point inside the store of a known volume',
    prepare: async (box) => {
      await usedVolume(box, '--store', 's')
      box.mk('s/m/', 'p/')
    },
    args: ['mount', 'p', 's/m'],
    code: 64,
    says: /mount point lies inside the store/,
  },
  {
    what: 'a store inside the origin',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o', '--store', 'o/s'],
    code: 64,
    says: /store .* lies inside the origin/,
  },
  {
    what: 'a store inside the mount point',
    prepare: (box) => {
      box.mk('o/', 'm/')
    },
    args: ['mount', 'o', 'm', '--store', 'm/s'],
    code: 64,
    says: /store lies inside the mount point/,
  },
  {
    what: 'an origin inside its store',
    prepare: (box) => {
      box.mk('s/o/')
    },
    args: ['mount', 's/o', '--store', 's'],
    code: 64,
    says: /origin lies inside the store/,
  },
  {
    what: 'an origin inside another store',
    prepare: (box) => usedVolume(box),
    args: ['mount', 'o/.bygone/store/volumes'],
    code: 64,
    says: /origin lies inside the store/,
  },
  {
    what: 'the root directory as the origin',
    args: ['mount', '/'],
    code: 64,
    says: /root directory/,
  },
  {
    what: 'a store whose parent is missing',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o', '--store', 'no/s'],
    code: 5,
    says: /parent of the store .*\/no does not exist/,
  },
  {
    what: 'a store that is a file',
    prepare: (box) => {
      box.mk('o/', 's')
    },
    args: ['mount', 'o', '--store', 's'],
    code: 64,
    says: /store .*\/s is not a directory/,
  },
  {
    what: 'a store directory with something else in it',
    prepare: (box) => {
      box.mk('o/', 's/file')
    },
    args: ['mount', 'o', '--store', 's'],
    code: 1,
    says: /\/s is not empty and no store/,
  },
  {
    what: "a name of bygone's that is a file",
    prepare: (box) => {
      box.mk('o/.bygone')
    },
    args: ['mount', 'o'],
    code: 64,
    says: /\.bygone is not a directory/,
  },
  {
    what: "a name of bygone's that is a link",
    prepare: (box) => {
      box.mk('o/', 'elsewhere/')
      symlinkSync('../elsewhere', box.path('o/.bygone'))
    },
    args: ['mount', 'o'],
    code: 64,
    says: /\.bygone is not a directory/,
  },
  {
    what: 'a repair of the store of somebody else',
    prepare: async (box) => {
      await usedVolume(box)
      chownSync(box.path('o/.bygone/store'), user, user)
    },
    args: ['check', 'o', '--repair'],
    code: 1,
    says: /the store .* belongs to uid 65534: repair it as that user/,
  },
  {
    what: 'an origin whose own directory belongs to somebody else',
    prepare: (box) => {
      box.mk('o/.bygone/')
      chownSync(box.path('o/.bygone'), user, user)
    },
    args: ['mount', 'o'],
    code: 1,
    says: /belongs to uid 65534/,
  },
]

const stores: Case[] = [
  {
    what: 'a catalog of a newer version',
    prepare: async (box) => {
      await usedVolume(box)
      changeSealed(box.path('o/.bygone/store/catalog.json'), (text) =>
        text.replace(/"version": \d+/, '"version": 99'),
      )
    },
    args: ['mount', 'o'],
    code: 1,
    says: /\/o\/\.bygone\/store\/catalog\.json has version 99.*newer bygone/,
  },
  {
    what: 'a damaged catalog',
    prepare: async (box) => {
      await usedVolume(box)
      change(box.path('o/.bygone/store/catalog.json'), (text) => text.slice(0, -20))
    },
    args: ['mount', 'o'],
    code: 2,
    says: /damaged catalog: .*\/o\/\.bygone\/store\/catalog\.json/,
  },
  {
    what: 'a listing of a damaged catalog',
    prepare: async (box) => {
      await usedVolume(box)
      change(box.path('o/.bygone/store/catalog.json'), () => '{}')
    },
    args: ['list', './o'],
    code: 2,
    says: /damaged catalog/,
  },
  {
    what: 'a catalog that is gone',
    prepare: async (box) => {
      await usedVolume(box)
      rmSync(box.path('o/.bygone/store/catalog.json'))
    },
    args: ['mount', 'o'],
    code: 2,
    says: /damaged store: .* has volumes but no catalog\.json/,
  },
  {
    what: 'a damaged marker',
    prepare: async (box) => {
      await usedVolume(box)
      writeFileSync(box.path('o/.bygone/volume.json'), '')
    },
    args: ['mount', 'o'],
    code: 2,
    says: /\/o: damaged \.bygone\/volume\.json/,
  },
  {
    what: 'a marker of a newer version',
    prepare: async (box) => {
      await usedVolume(box)
      change(box.path('o/.bygone/volume.json'), (text) =>
        text.replace('"version": 1', '"version": 9'),
      )
    },
    args: ['mount', 'o'],
    code: 1,
    says: /version 9.*newer bygone/,
  },
  {
    what: 'a store that is gone',
    prepare: async (box) => {
      await usedVolume(box, '--store', 's')
      rmSync(box.path('s'), { recursive: true })
    },
    args: ['mount', 'o'],
    code: 5,
    says: /store of this volume is gone, .*\/s/,
  },
  {
    what: 'a store that knows nothing of the volume',
    prepare: async (box) => {
      await usedVolume(box, '--store', 's')
      rmSync(box.path('s'), { recursive: true })
      mkdirSync(box.path('s'))
    },
    args: ['mount', 'o'],
    code: 2,
    says: /\/s does not know this volume/,
  },
  {
    what: 'a volume that has lost its own directory',
    prepare: async (box) => {
      await usedVolume(box, '--store', 's')
      rmSync(box.path('o/.bygone'), { recursive: true })
    },
    args: ['mount', 'o', '--store', 's'],
    code: 2,
    says: /has lost .*\/o\/\.bygone/,
  },
  {
    what: 'a copy of a volume',
    prepare: async (box) => {
      await usedVolume(box)
      cpSync(box.path('o'), box.path('copy'), { recursive: true, preserveTimestamps: true })
    },
    args: ['mount', 'copy'],
    code: 2,
    says: /\/copy is a copy of a volume.*remove .*\/copy\/\.bygone/,
  },
  {
    what: 'another store than the known one',
    prepare: (box) => usedVolume(box),
    args: ['mount', 'o', '--store', 's'],
    code: 3,
    says: /past of .*\/o is kept in .*\/o\/\.bygone\/store/,
  },
  {
    what: 'another chunk size than the known one',
    prepare: (box) => usedVolume(box),
    args: ['mount', 'o', '--chunk-size', '4K'],
    code: 64,
    says: /chunk size of o is 64K for good/,
  },
  {
    what: 'a name that another volume of the store has',
    prepare: async (box) => {
      await usedVolume(box, '--store', 's')
      box.mk('p/')
    },
    args: ['mount', 'p', '--store', 's', '--name', 'o'],
    code: 3,
    says: /has a volume 'o' already.*--name/,
  },
  {
    what: 'a name that is none',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o', '--name', 'a/b'],
    code: 64,
    says: /'a\/b' can't be the name/,
  },
  {
    what: 'a journal that ends in nonsense of a later version',
    prepare: async (box) => {
      await usedVolume(box)
      const journal = await box.shell('echo o/.bygone/store/volumes/*/journal/*.seg')
      writeFileSync(box.path(journal.trim()), 'nonsense that is long enough for a header'.repeat(9))
    },
    args: ['mount', 'o'],
    code: 2,
    says: /\/o\/\.bygone\/store\/volumes\//,
  },
  {
    what: 'a store without room',
    prepare: async (box) => {
      box.mk('o/', 's/')
      await box.shell('mount -t tmpfs -o size=4k none s')
    },
    args: ['mount', 'o', '--store', 's'],
    code: 4,
    says: /free some space/,
  },
]

const commands: Case[] = [
  {
    what: 'a second mount of an origin that is mounted over',
    prepare: async (box) => {
      box.mk('o/')
      await box.succeed('mount', 'o')
    },
    args: ['mount', 'o'],
    code: 3,
    says: /\/o is mounted already: `bygone unmount/,
  },
  {
    what: 'a second mount of an origin elsewhere',
    prepare: async (box) => {
      await mountedVolume(box)
      box.mk('n/')
    },
    args: ['mount', 'o', 'n'],
    code: 3,
    says: /\/o is mounted already on .*\/m/,
  },
  {
    what: 'a mount point where another volume is',
    prepare: async (box) => {
      await mountedVolume(box)
      box.mk('p/')
    },
    args: ['mount', 'p', 'm'],
    code: 3,
    says: /another volume, .*\/o, is mounted already on .*\/m/,
  },
  {
    what: 'a mount as an origin',
    prepare: mountedVolume,
    args: ['mount', 'm'],
    code: 3,
    says: /is mounted already/,
  },
  {
    what: 'an origin inside a mount',
    prepare: async (box) => {
      box.mk('o/sub/', 'm/')
      await box.succeed('mount', 'o', 'm')
    },
    args: ['mount', 'm/sub'],
    code: 64,
    says: /lies in the mount of a volume/,
  },
  {
    what: 'a snapshot of what is not mounted',
    prepare: (box) => usedVolume(box),
    args: ['snapshot', './o'],
    code: 1,
    says: /\/o is not mounted: `bygone mount` it first/,
  },
  {
    what: 'an unmount of what is not mounted',
    prepare: (box) => usedVolume(box),
    args: ['unmount', './o'],
    code: 5,
    says: /\/o is not mounted/,
  },
  {
    what: 'a snapshot of two volumes of which one is unknown',
    prepare: mountedVolume,
    args: ['snapshot', './o', 'nosuch'],
    code: 5,
    says: /nosuch/,
  },
  ...['', 'a/b', '.hidden', '@x', 'latest', 'first', '17', '2026-11-21_09.30.00', '-x', 'a\nb'].map(
    (tag) => ({
      what: `the tag ${JSON.stringify(tag)}`,
      prepare: mountedVolume,
      args: ['snapshot', './o', `--tag=${tag}`],
      code: 64,
      says: /can't be a tag/,
    }),
  ),
  {
    what: 'a tag that is taken',
    prepare: async (box) => {
      await mountedVolume(box)
      await box.succeed('snapshot', 'o', '--tag', 'first-of-may')
    },
    args: ['snapshot', './o', '--tag', 'first-of-may'],
    code: 3,
    says: /is tagged first-of-may/,
  },
  {
    what: 'a memo too long',
    prepare: mountedVolume,
    args: ['snapshot', './o', '-m', 'x'.repeat(5000)],
    code: 64,
    says: /memo is longer than 4096 bytes/,
  },
]

const permissions: Case[] = [
  {
    what: 'no /dev/fuse',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o'],
    as: () => ({
      namespace:
        'mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9',
    }),
    code: 1,
    says: /no \/dev\/fuse: .*modprobe fuse/,
  },
  {
    what: 'a /dev/fuse that is none',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o'],
    as: () => ({ namespace: 'mount --bind /dev/null /dev/fuse' }),
    code: 1,
    says: /kernel refused to mount/,
  },
  {
    what: 'a /dev/fuse for root alone',
    prepare: (box) => {
      box.mk('o/')
      chownSync(box.path('o'), user, user)
    },
    args: ['mount', 'o'],
    as: () => ({ uid: user, namespace: 'mknod -m 600 fuse c 10 229; mount --bind fuse /dev/fuse' }),
    code: 1,
    says: /no permission to open \/dev\/fuse/,
  },
  {
    what: 'no CAP_SYS_ADMIN',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o'],
    as: () => ({
      namespace: 'set -- setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"',
    }),
    code: 1,
    says: /no permission to mount: .*CAP_SYS_ADMIN/,
  },
  {
    what: 'no fusermount3',
    prepare: (box) => {
      box.mk('o/')
      chownSync(box.path('o'), user, user)
    },
    args: ['mount', 'o'],
    as: () => ({
      uid: user,
      namespace: `${openFuse}; export PATH=$PWD`,
    }),
    code: 1,
    says: /no fusermount3.*fuse3/,
  },
  {
    what: '--allow-other where /etc/fuse.conf does not permit it',
    prepare: (box) => {
      box.mk('o/')
      chownSync(box.path('o'), user, user)
    },
    args: ['mount', 'o', '--allow-other'],
    as: () => ({ uid: user, namespace: `${openFuse}; mount --bind /dev/null /etc/fuse.conf` }),
    code: 1,
    says: /\/etc\/fuse\.conf does not permit --allow-other/,
  },
  ...['--suid', '--dev'].map((flag) => ({
    what: `${flag} for an ordinary user`,
    prepare: (box: CliSandbox) => {
      box.mk('o/')
      chownSync(box.path('o'), user, user)
    },
    args: ['mount', 'o', flag],
    as: () => ({ uid: user, namespace: openFuse }),
    code: 64,
    says: /for root/,
  })),
  {
    what: 'an origin that the user may not write to',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o'],
    as: () => ({ uid: user, namespace: openFuse }),
    code: 1,
    says: /no permission to make .*\/o\/\.bygone/,
  },
  {
    what: "a mount point that is not the user's",
    prepare: (box) => {
      box.mk('o/', 'm/')
      chownSync(box.path('o'), user, user)
    },
    args: ['mount', 'o', 'm'],
    as: (box) => ({
      uid: user,
      namespace: `${openFuse}; install -d -o ${user} run`,
      env: { XDG_RUNTIME_DIR: box.path('run') },
    }),
    code: 1,
    says: /could not mount on .*\/m: .*no write access/,
  },
  {
    what: "a volume of root's for an ordinary user",
    prepare: (box) => usedVolume(box),
    args: ['list', './o'],
    as: () => ({ uid: user }),
    code: 1,
    says: /permission/,
  },
  {
    what: "a mount of root's for an ordinary user",
    prepare: mountedVolume,
    args: ['snapshot', './m'],
    as: () => ({ uid: user }),
    code: 1,
    says: /mounted by uid 0: .*as root/,
  },
  {
    what: 'a read-only origin',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o'],
    as: () => ({ namespace: 'mount --bind o o; mount -o remount,bind,ro o' }),
    code: 1,
    says: /read-only file system/,
  },
  {
    what: 'a fuse-native that does not load',
    prepare: (box) => {
      box.mk('o/')
    },
    args: ['mount', 'o', '--transport', 'fuse-native'],
    as: () => ({
      namespace: `mount -t tmpfs none ${join(import.meta.dirname, '../../node_modules/fuse-native')}`,
    }),
    code: 1,
    says: /fuse-native can't be loaded/,
  },
]

function describeCases(name: string, cases: Case[]): void {
  describeMount(name, () => {
    test.each(cases)('$what: one line, the exit code, nothing left', async (each) => {
      const box = new CliSandbox()
      await each.prepare?.(box)
      // A daemon that has answered may take a moment to end.
      const state = () => ({ files: box.files(), mounts: box.mounts() })
      await settled(box)
      const earlier = state()
      const daemons = box.processes()
      const result = await box.bygone(each.args, each.as?.(box))
      expect(result.stderr).toMatch(/^bygone: [^\n]+\n$/)
      expect(result.stderr).toMatch(each.says)
      expect(result.stdout).toBe('')
      expect(result.code).toBe(each.code)
      await vi.waitFor(() => {
        expect(box.processes()).toEqual(daemons)
      }, 10_000)
      const scratch = [box.path('fuse'), box.path('run'), box.path('run/bygone')]
      const after = state()
      after.files = after.files.filter((file) => !scratch.includes(file))
      expect(after).toEqual(earlier)
    })
  })
}

/** Every daemon that serves nothing any more has ended. */
async function settled(box: CliSandbox): Promise<void> {
  if (box.mounts().some((path) => existsSync(path))) return
  await vi.waitFor(() => {
    expect(box.processes()).toEqual([])
  }, 10_000)
}

describeCases('paths that can not be mounted', paths)
describeCases('stores that can not be used', stores)
describeCases('commands that can not be carried out', commands)
describeCases('what the system does not let one do', permissions)
