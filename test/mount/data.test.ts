import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { python } from '../support/actor.js'
import { run, succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'
import type { TestVolumeOptions } from '../support/test-volume.js'
import type { TreeEntry } from '../support/tree.js'

const program = fileURLToPath(new URL('../support/data_cases.py', import.meta.url))
const limits = 'kernel_limits'
const full = 'full_disk'
const cases = [...readFileSync(program, 'utf8').matchAll(/^def ([a-z_]+)\(\):/gm)]
  .map(([, name = '']) => name)
  .filter((name) => name !== limits && name !== full)

/** What one case says in a new directory below `top`. */
async function observed(volume: TestVolume, top: string, name: string): Promise<unknown> {
  const directory = join(top, name)
  const made = await volume.actor.python(`os.mkdir(given['directory'])`, { directory })
  expect(made.errno).toBeUndefined()
  const { stdout, stderr } = await run(python, [program, directory, name], {
    deadlineMs: 60_000,
    onHang: () => {
      volume.kill()
    },
  })
  return stderr === '' ? JSON.parse(stdout) : stderr
}

describeMount('the data of files', () => {
  test.each<[string, TestVolumeOptions]>([
    ['over the origin', {}],
    ['at its own mount point, in chunks of 4 KiB', { isMountedOver: false, chunkSize: '4K' }],
  ])(
    'behaves as on a plain file system, and snapshots between stay as they were, %s',
    async (_, options) => {
      const volume = await TestVolume.mounted(options)
      const plain = volume.beside('plain')
      mkdirSync(plain)
      const kept = new Map<string, TreeEntry[]>()
      for (const [index, name] of cases.entries()) {
        const onPlain = await observed(volume, plain, name)
        const onMount = await observed(volume, volume.live, name)
        expect({ [name]: onMount }).toEqual({ [name]: onPlain })
        // A case that fails is one that could not run, on both.
        expect(onPlain, name).toBeTypeOf('object')
        if (index % 4 > 0) continue
        const path = volume.snapshotPath(await volume.snapshot())
        kept.set(path, await volume.actor.fingerprint(path, []))
      }
      // The same again over what the snapshots have.
      await volume.actor.python(
        `
for name in given['names']:
    path = given['live'] + '/' + name
    for file in sorted(os.listdir(path)):
        if os.path.isdir(path + '/' + file) or os.path.islink(path + '/' + file):
            continue
        with open(path + '/' + file, 'r+b') as opened:
            opened.write(b'changed')
            opened.truncate(os.path.getsize(path + '/' + file) // 2)`,
        { live: volume.live, names: cases.filter((name) => name !== 'busy_text') },
      )
      for (const [path, before] of kept) {
        expect(await volume.actor.fingerprint(path, []), path).toEqual(before)
      }
    },
    180_000,
  )

  test('differs from ext4 only where the FUSE of the kernel does', async () => {
    const volume = await TestVolume.mounted()
    expect(await observed(volume, volume.live, limits)).toEqual({
      collapse: 'ENOTSUP',
      insert: 'ENOTSUP',
      unshare: 'ENOTSUP',
      'not waiting': 'ENOTSUP',
      'direct, not aligned': 9,
      version: 'ENOTTY',
      extents: 'ENOTSUP',
      clone: 'ENOTSUP',
      'seek beyond the largest file': 2 ** 45,
      content: [
        [97, 5],
        [117, 1],
        [110, 1],
        [97, 1],
      ],
      'seek to data that is mapped': 'ENXIO',
      'after msync': 4096,
      'store in what is append-only': 'EPERM',
    })
  })

  test('of a full origin is refused as there, and nothing is lost', async () => {
    const volume = new TestVolume({ isMountedOver: false, isStoreApart: true })
    const plain = volume.beside('plain')
    mkdirSync(plain)
    for (const directory of [volume.origin, plain]) {
      await succeed('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'bygone-test', directory])
    }
    await volume.mount()
    const onPlain = await observed(volume, plain, full)
    // tmpfs as ext4: the store itself. Here the page is written later, and msync tells.
    expect(onPlain).toMatchObject({ mapping: 'SIGBUS', append: 'ENOSPC' })
    const onMount = await observed(volume, volume.live, full)
    expect(onMount).toEqual({ ...(onPlain as object), mapping: 'ENOSPC' })
  })
})
