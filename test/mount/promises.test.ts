import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: the short promises of src/view/SEMANTICS.md that no other test is about.
describeMount('a promise', () => {
  test('reading sets no access time, and utimes does', async () => {
    const volume = await TestVolume.mounted()
    const { ok } = await volume.actor.python(
      `path = given['top'] + '/file'
with open(path, 'w') as out:
    out.write('text')
inner = given['top'] + '/inner'
os.mkdir(inner)
for each in [path, inner, given['top']]:
    os.utime(each, ns=(1, 10**18))
before = os.stat(path).st_atime_ns
open(path).read()
os.listdir(inner)
os.listdir(given['top'])
after = [os.stat(each).st_atime_ns for each in (path, inner, given['top'])]
os.utime(path, ns=(2, 10**18))
result = [before, *after, os.stat(path).st_atime_ns]`,
      { top: volume.live },
    )
    expect(ok).toEqual([1, 1, 1, 1, 2])
    expect(await succeed('stat', ['-c', '%x', `${volume.plain}/file`])).toContain('00.000000002')
  })

  test('what write(2) took is in the origin at once', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const { ok } = await volume.actor.python(
      `with open(given['top'] + '/file', 'wb', buffering=0) as out:
    out.write(b'written')
    result = open(given['origin'] + '/file').read()`,
      { top: volume.live, origin: volume.origin },
    )
    expect(ok).toBe('written')
  })

  test('a change made beside the mount shows within seconds', async () => {
    const volume = await TestVolume.mounted({ isMountedOver: false })
    const { ok } = await volume.actor.python(
      `live, origin = given['top'] + '/file', given['origin'] + '/file'
open(live, 'w').write('through')
shown = [open(live).read()]
open(origin, 'w').write('beside it')
deadline = time.monotonic() + 10
while open(live).read() != 'beside it' and time.monotonic() < deadline:
    time.sleep(0.05)
result = shown + [open(live).read()]`,
      { top: volume.live, origin: volume.origin },
    )
    expect(ok).toEqual(['through', 'beside it'])
  })
})
