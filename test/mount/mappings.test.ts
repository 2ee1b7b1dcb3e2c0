import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const pages = 500

/** Keeps a shared mapping of a file of `pages` pages, without holes; nothing of it is synced by itself. */
const map = `
fd = os.open(given['live'] + '/mapped', os.O_CREAT | os.O_RDWR)
os.pwrite(fd, b'-' * given['pages'] * 4096, 0)
handles['memory'] = mmap.mmap(fd, given['pages'] * 4096)
os.close(fd)`

/** A letter at the front of each page. */
const store = `
memory = handles['memory']
for page in range(given['pages']):
    memory[page * 4096] = ord(given['letter'])`

const unmap = `handles.pop('memory').close()`

/** What the pages begin with, counted. */
const look = `
data = open(given['path'], 'rb').read()
seen = [chr(data[page * 4096]) for page in range(given['pages'])]
result = [[letter, seen.count(letter)] for letter in sorted(set(seen))]`

describeMount('a cut', () => {
  test.for(['command', 'mkdir'])(
    'by %s has what was stored in shared mappings before',
    async (how) => {
      const volume = await TestVolume.mounted()
      const given = { live: volume.live, pages }
      const { actor } = volume
      await volume.snapshot()
      expect(await actor.python(map, given)).toEqual({ ok: null })
      const taken: string[] = []
      for (const letter of ['a', 'b', 'c']) {
        expect(await actor.python(store, { ...given, letter })).toEqual({ ok: null })
        if (how === 'mkdir') {
          await succeed('mkdir', [`${volume.live}/.snapshots/tag-${letter}`])
          taken.push(`${volume.live}/.snapshots/tag-${letter}`)
        } else taken.push(volume.snapshotPath(await volume.snapshot()))
      }
      expect(await actor.python(store, { ...given, letter: 'd' })).toEqual({ ok: null })
      await actor.python(unmap)
      for (const [index, letter] of ['a', 'b', 'c'].entries()) {
        const path = `${taken[index] ?? ''}/mapped`
        expect(await actor.python(look, { ...given, path })).toEqual({ ok: [[letter, pages]] })
      }
    },
  )

  test('ends while another process goes on storing, and what it took stays', async () => {
    const volume = await TestVolume.mounted()
    const given = { live: volume.live, pages }
    await volume.actor.python(map, given)
    const storing = volume.actor.python(
      `
memory = handles['memory']
rounds = 0
while not os.path.exists(given['live'] + '/stop'):
    rounds += 1
    for page in range(given['pages']):
        memory[page * 4096:page * 4096 + 4] = rounds.to_bytes(4, 'little')
result = rounds`,
      given,
    )
    const hash = `result = tree.hashlib.sha256(open(given['path'], 'rb').read()).hexdigest()`
    const paths: string[] = []
    const hashes: unknown[] = []
    const other = volume.newActor()
    for (let count = 0; count < 3; count++) {
      const path = `${volume.snapshotPath(await volume.snapshot())}/mapped`
      paths.push(path)
      hashes.push((await other.python(hash, { path })).ok)
    }
    await succeed('touch', [`${volume.live}/stop`])
    expect((await storing).ok).toBeGreaterThan(0)
    await volume.actor.python(unmap)
    await volume.remount()
    for (const [index, path] of paths.entries()) {
      expect(await other.python(hash, { path })).toEqual({ ok: hashes[index] })
    }
    expect(new Set(hashes).size).toBe(3)
  })
})

describeMount('an unmount that is forced', () => {
  test('keeps what was stored in shared mappings before', async () => {
    const volume = await TestVolume.mounted()
    const given = { live: volume.live, pages }
    await volume.actor.python(map, given)
    await volume.actor.python(store, { ...given, letter: 'a' })
    await volume.succeed('unmount', '--force', volume.live)
    const path = `${volume.plain}/mapped`
    expect(await volume.newActor().python(look, { ...given, path })).toEqual({ ok: [['a', pages]] })
  })
})
