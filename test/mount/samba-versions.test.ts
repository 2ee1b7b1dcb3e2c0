import { expect, test } from 'vitest'
import { plainSnapshotName } from '../../src/store/snapshot-name.js'
import { describeMount } from '../support/requirements.js'
import {
  contents,
  emptyDirectory,
  fetched,
  filesOf,
  type ListedVersion,
  SambaStory,
  shares,
  smbPath,
} from '../support/samba-story.js'
import type { TreeEntry } from '../support/tree.js'

describeMount('a share as `bygone samba` prints it', () => {
  test('lists every snapshot as a version of every file, with the size and time of then', async () => {
    const story = await SambaStory.begin()
    for (const share of shares) {
      const trees = new Map<string, ReadonlyMap<string, TreeEntry>>()
      for (const name of story.snapshots) trees.set(name, await story.posix(share, name))
      const paths = filesOf(await story.posix(share))
      const wanted = paths.map((path) => [
        path,
        story.snapshots.map((name) => [name, listedAs(trees.get(name)?.get(path))]),
      ])
      expect(Object.fromEntries(await story.versions(share, paths)), share).toEqual(
        Object.fromEntries(wanted),
      )
      expect(paths.length).toBeGreaterThanOrEqual(share === 'part' ? 4 : 8)
    }
  })

  test('serves the bytes of each version, of deleted files too, whatever the case of the name', async () => {
    const story = await SambaStory.begin()
    const { volume } = story
    for (const share of shares) {
      const live = await story.posix(share)
      for (const name of story.snapshots) {
        const wanted = contents(await story.posix(share, name))
        const target = emptyDirectory(volume, `${share}-${name}`)
        // Samba 4.17 finds a directory of the past only where a live one has its name.
        const paths = [...wanted.keys()].filter(
          (path) => wanted.get(path) !== 'a directory' && live.has(parentOf(path)),
        )
        const commands = paths.map((path, at) => {
          // Nor does it find a deleted file but by its own name.
          const asked = live.has(path) && at % 2 === 0 ? path.toUpperCase() : path
          return `get "${smbPath(name, asked)}" "${target}/${at}"`
        })
        await story.smb(share, commands.join('; '))
        const got = await fetched(volume, target)
        const byPath = paths.map((path, at) => [path, got.get(String(at))])
        expect(Object.fromEntries(byPath), `${share} ${name}`).toEqual(
          Object.fromEntries(paths.map((path) => [path, wanted.get(path)])),
        )
        expect(paths.length).toBeGreaterThanOrEqual(share === 'part' ? 3 : 7)
      }
    }
  })

  test('restores whole trees, at which deleted directories are reached through .snapshots', async () => {
    const story = await SambaStory.begin()
    const { volume } = story
    for (const share of shares) {
      for (const name of story.snapshots) {
        const wanted = contents(await story.posix(share, name))
        const target = emptyDirectory(volume, `${share}-${name}`)
        const from = share === 'part' ? name : `.snapshots/${plainSnapshotName(name)}`
        const cd = `lcd "${target}"; cd "${smbPath(from)}"`
        await story.smb(share, `recurse; prompt; ${cd}; mget *`)
        expect(await fetched(volume, target), `${share} ${name}`).toEqual(wanted)
      }
    }
    const target = emptyDirectory(volume, 'by-token')
    await story.smb('whole', `recurse; prompt; lcd "${target}"; cd ${story.first}; mget *`)
    const got = await fetched(volume, target)
    const wanted = contents(await story.posix('whole', story.first))
    for (const [path, bytes] of got) expect(bytes, path).toBe(wanted.get(path))
    // 4.17 stops at what is below a deleted directory, 4.22 does not.
    const missed = [...wanted.keys()].filter((path) => !got.has(path))
    expect(missed.filter((path) => !path.startsWith('gone/'))).toEqual([])
  })

  test('shows neither snapshots nor what is hidden in its listings', async () => {
    const story = await SambaStory.begin()
    for (const share of shares) {
      const live = [...(await story.posix(share)).keys()].filter((path) => path !== '')
      const top = live.filter((path) => !path.includes('/')).sort()
      expect(namesIn(await story.smb(share, 'ls')), share).toEqual(top)
      const past = [...(await story.posix(share, story.first)).keys()]
      const listed = namesIn(await story.smb(share, `ls ${story.first}\\*`))
      expect(listed, share).toEqual(
        past.filter((path) => path !== '' && !path.includes('/')).sort(),
      )
    }
    const plain = namesIn(await story.smb('whole', 'ls .snapshots\\*'))
    expect(plain).toEqual(story.snapshots.map(plainSnapshotName).sort())
  })

  test('lists the newest 512 of 520 snapshots, and the older ones are there all the same', async () => {
    const story = await SambaStory.begin()
    const { volume, first } = story
    const many = `
for number in range(given['count']):
    os.mkdir(given['live'] + '/.snapshots/tag-%d' % number)`
    const made = await volume.actor.python(many, { live: volume.live, count: 518 }, 120_000)
    expect(made).toEqual({ ok: null })
    const snapshots = await volume.snapshots()
    expect(snapshots).toHaveLength(520)
    const versions = (await story.versions('whole', ['report.txt'])).get('report.txt') ?? []
    expect(versions.map(([name]) => name)).toEqual(snapshots.slice(-512).reverse())
    expect(versions.filter(([, version]) => version === undefined)).toEqual([])
    const target = emptyDirectory(volume, 'got')
    const got = await story.smb('whole', `get ${first}\\report.txt ${target}/old`)
    expect(got).toBe('')
    const past = contents(await story.posix('whole', first))
    expect((await fetched(volume, target)).get('old')).toBe(past.get('report.txt'))
  })
})

/** As `allinfo` shows what the mount has. */
function listedAs(entry: TreeEntry | undefined): ListedVersion | undefined {
  if (entry?.size === undefined) return undefined
  return { size: entry.size, mtimeSec: Math.round(Number(BigInt(entry.mtime) / 1_000_000n) / 1000) }
}

function parentOf(path: string): string {
  return path.split('/').slice(0, -1).join('/')
}

/** The names in what `ls` has printed. */
function namesIn(listing: string): string[] {
  return listing
    .split('\n')
    .map((line) => /^ {2}(.+?) {2,}[A-Z]+ +\d+ {2}\w{3} \w{3}/.exec(line)?.[1])
    .filter((name): name is string => name !== undefined && name !== '.' && name !== '..')
    .sort()
}
