import { expect, test } from 'vitest'
import { plainSnapshotName } from '../../src/store/snapshot-name.js'
import { describeMount } from '../support/requirements.js'
import type { SmbUser } from '../support/samba-server.js'
import { contents, emptyDirectory, fetched, SambaStory, shares } from '../support/samba-story.js'
import { differencesOf, type TreeEntry } from '../support/tree.js'

describeMount('a share as `bygone samba` prints it', () => {
  test.each<SmbUser>(['root', 'daemon'])(
    'refuses every change in a snapshot, and nothing changes (%s)',
    async (user) => {
      const story = await SambaStory.begin()
      const before = await story.everything()
      const local = story.server.configFile
      const ways = [
        ['whole', story.first, 'docs\\'],
        ['stack', story.first, 'docs\\'],
        ['part', story.first, ''],
        ['whole', `.snapshots\\${plainSnapshotName(story.first)}`, 'docs\\'],
        ['whole', '@latest', 'docs\\'],
      ] as const
      for (const [share, snapshot, docs] of ways) {
        const file = share === 'part' ? 'unchanged.txt' : user === 'root' ? 'report.txt' : 'own.txt'
        const past = `${snapshot}\\${file}`
        // What an editor, Explorer and an administrator do: Windows is told that the medium is write-protected.
        const common = [
          `put ${local} ${past}`,
          `rm ${past}`,
          `mkdir ${snapshot}\\new`,
          `rmdir ${snapshot}\\${docs}sub\\empty`,
          `setmode ${past} +h`,
        ]
        const others = [
          `put ${local} ${snapshot}\\new.txt`,
          `put ${local} ${snapshot}\\${docs}sub\\new.txt`,
          `put ${local} ${past}:stream`,
          `rm ${snapshot}\\${docs}sub\\Deep.txt`,
          `rmdir ${snapshot}\\${docs}sub`,
          `deltree ${snapshot}\\${docs}sub`,
          `rename ${past} out.txt`,
          `rename ${file} ${snapshot}\\in.txt`,
          `rename ${past} ${snapshot}\\other.txt`,
          `rename ${snapshot}\\${docs}sub ${snapshot}\\moved`,
          `hardlink ${past} linked.txt`,
          `hardlink ${past} ${snapshot}\\linked.txt`,
          `scopy ${file} ${snapshot}\\copied.txt`,
          `setmode ${snapshot}\\${docs}sub +h`,
          `utimes ${past} -1 -1 2020:01:01-00:00:00 -1`,
          `setea ${past} mark value`,
        ]
        const said = await story.smbEach(share, [...common, ...others], user)
        for (const [at, change] of [...common, ...others].entries()) {
          expect(said[at], `${share}: ${change}`).toMatch(/NT_STATUS_/)
        }
        if (user === 'root') {
          const words = common.map((_, at) => /NT_STATUS_\w+/.exec(said[at] ?? '')?.[0])
          expect(words, share).toEqual(common.map(() => 'NT_STATUS_MEDIA_WRITE_PROTECTED'))
        }
      }
      const after = await story.everything()
      for (const [at, tree] of before.entries()) {
        const now = [...(after[at] ?? new Map<string, TreeEntry>()).values()]
        expect(differencesOf(now, [...tree.values()])).toEqual([])
      }
    },
  )

  test('reads and changes the live files, and the snapshots stay', async () => {
    const story = await SambaStory.begin()
    const { volume, server } = story
    const before = (await story.everything()).slice(1)
    for (const share of shares) {
      const target = emptyDirectory(volume, share)
      const said = await story.smbEach(share, [
        `put ${server.configFile} made-${share}.txt`,
        `rename made-${share}.txt moved-${share}.txt`,
        `mkdir new-${share}`,
        `put ${server.configFile} new-${share}\\inner.txt`,
        `get new-${share}\\inner.txt ${target}/inner.txt`,
        `put ${server.configFile} ${share === 'part' ? 'unchanged.txt' : 'own.txt'}`,
        `mkdir passing-${share}`,
        `rmdir passing-${share}`,
        `put ${server.configFile} passing-${share}.txt`,
        `rm passing-${share}.txt`,
      ])
      expect(said, share).toEqual(said.map(() => ''))
      const tree = contents(await story.posix(share))
      const config = [...(await fetched(volume, target)).values()].at(-1)
      expect(config).toBe((await fetched(volume, `${volume.directory}/smb`)).get('smb.conf'))
      const made = [`moved-${share}.txt`, `new-${share}/inner.txt`]
      for (const path of [...made, share === 'part' ? 'unchanged.txt' : 'own.txt']) {
        expect(tree.get(path), `${share}: ${path}`).toBe(config)
      }
      expect([...tree.keys()].filter((path) => /made|passing/.test(path))).toEqual([])
    }
    await story.smb('whole', 'rm report.txt; rename docs papers')
    const after = (await story.everything()).slice(1)
    for (const [at, tree] of before.entries()) {
      const now = [...(after[at] ?? new Map<string, TreeEntry>()).values()]
      expect(differencesOf(now, [...tree.values()])).toEqual([])
    }
  })

  test('brings a version back, and takes a snapshot by mkdir', async () => {
    const story = await SambaStory.begin()
    const { first, volume } = story
    const said = await story.smbEach('whole', [
      'mkdir .snapshots\\by-client',
      'rm report.txt',
      `scopy ${first}\\report.txt report.txt`,
      `scopy ${first}\\deleted.txt docs\\back.txt`,
    ])
    expect(said).toEqual(['', '', '', ''])
    const tree = contents(await story.posix('whole'))
    const past = contents(await story.posix('whole', first))
    expect(tree.get('report.txt')).toBe(past.get('report.txt'))
    expect(tree.get('docs/back.txt')).toBe(past.get('deleted.txt'))
    const snapshots = await volume.snapshots()
    expect(snapshots).toHaveLength(3)
    const versions = (await story.versions('whole', ['report.txt'])).get('report.txt')
    expect(versions?.map(([name, version]) => [name, version?.size])).toEqual([
      [snapshots[2], 'third'.length],
      [story.second, 'second, longer'.length],
      [first, 'first'.length],
    ])
  })

  test('keeps DOS attributes, ACLs and streams, and snapshots keep those of then', async () => {
    const story = await SambaStory.begin()
    const { volume, server } = story
    const said = await story.smbEach('stack', [
      `put ${server.configFile} kept.txt`,
      `put ${server.configFile} kept.txt:stream`,
      'setmode kept.txt +h',
    ])
    expect(said).toEqual(['', '', ''])
    const live = (await story.posix('stack')).get('kept.txt')
    expect(Object.keys(live?.xattrs ?? {}).sort()).toEqual([
      'security.NTACL',
      'system.posix_acl_access',
      'user.DOSATTRIB',
      'user.DosStream.stream:$DATA',
    ])
    const name = await volume.snapshot()
    await story.smb('stack', `setmode kept.txt -h; put ${server.configFile} kept.txt`)
    expect((await story.posix('stack')).get('kept.txt')?.xattrs).not.toEqual(live?.xattrs)
    expect((await story.posix('stack', name)).get('kept.txt')?.xattrs).toEqual(live?.xattrs)
    const target = emptyDirectory(volume, 'got')
    const [then, now] = await story.smbEach('stack', [
      `allinfo ${name}\\kept.txt`,
      'allinfo kept.txt',
      `get ${name}\\kept.txt:stream ${target}/stream`,
    ])
    expect(then).toMatch(/^attributes: HA /m)
    expect(then).toMatch(/^stream: \[:stream:\$DATA\]/m)
    expect(now).toMatch(/^attributes: A /m)
    const files = await fetched(volume, volume.directory + '/smb')
    expect((await fetched(volume, target)).get('stream')).toBe(files.get('smb.conf'))
  })

  test('lets an ordinary user do what he may: live as of now, in a snapshot as of then', async () => {
    const story = await SambaStory.begin()
    const { first, second, volume, server } = story
    const target = emptyDirectory(volume, 'got')
    const said = await story.smbEach(
      'whole',
      [
        `get private.txt ${target}/live`,
        `get ${second}\\private.txt ${target}/second`,
        `get ${first}\\private.txt ${target}/first`,
        `put ${server.configFile} report.txt`,
        `rm docs\\unchanged.txt`,
        `put ${server.configFile} own.txt`,
        `put ${server.configFile} made.txt`,
      ],
      'daemon',
    )
    expect(said.map((text) => /NT_STATUS_\w+/.exec(text)?.[0])).toEqual([
      undefined,
      undefined,
      'NT_STATUS_ACCESS_DENIED',
      'NT_STATUS_ACCESS_DENIED',
      'NT_STATUS_ACCESS_DENIED',
      undefined,
      undefined,
    ])
    expect([...(await fetched(volume, target)).keys()].sort()).toEqual(['', 'live', 'second'])
    expect((await story.posix('whole')).get('made.txt')?.uid).toBe(1)
  })
})
