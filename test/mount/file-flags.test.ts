import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// What flags do on a mount as on a plain file system is in data.test.ts.
describeMount('flags of files', () => {
  test('can be set on what snapshots have, which stays as it was', async () => {
    const volume = await TestVolume.mounted()
    const file = `${volume.live}/file`
    await volume.actor.python(
      `os.mkdir(given['live'] + '/d'); open(given['file'], 'w').write('begun')`,
      { live: volume.live, file },
    )
    const path = volume.snapshotPath(await volume.snapshot())
    const before = await volume.actor.fingerprint(path, [])
    await succeed('chattr', ['+d', `${volume.live}/d`])
    await succeed('chattr', ['+a', file])
    const appended = await volume.actor.python(
      `open(given['file'], 'a').write(' and appended'); result = open(given['file']).read()`,
      { file },
    )
    expect(appended).toEqual({ ok: 'begun and appended' })
    await succeed('chattr', ['-a', '+i', file])
    const later = volume.snapshotPath(await volume.snapshot())
    const kept = await volume.actor.fingerprint(later, [])
    await succeed('chattr', ['-i', file])
    await volume.actor.python(`os.unlink(given['file'])`, { file })
    expect(await volume.actor.fingerprint(path, [])).toEqual(before)
    expect(await volume.actor.fingerprint(later, [])).toEqual(kept)
    expect(kept).not.toEqual(before)
  })

  test('for projects let files of all of them be kept', async () => {
    const volume = new TestVolume({ isStoreApart: true })
    const image = volume.beside('image')
    await succeed('sh', ['-ec', `truncate -s 320M ${image}; mkfs.xfs -q ${image}`])
    await succeed('mount', ['-o', 'loop', image, volume.origin])
    // Nothing of another project may be moved into a directory with the flag P, and .bygone/ inherits both.
    await succeed('chattr', ['-p', '5', '+P', volume.origin])
    await succeed('sh', ['-ec', `cd ${volume.origin}; mkdir d; chattr -p 6 +P d; echo 6 >d/file`])
    await volume.mount()
    const path = volume.snapshotPath(await volume.snapshot())
    const removed = await volume.actor.python(`os.unlink(given['file'])`, {
      file: `${volume.live}/d/file`,
    })
    expect(removed.errno).toBeUndefined()
    const read = await volume.actor.python(`result = open(given['file']).read()`, {
      file: `${path}/d/file`,
    })
    expect(read).toEqual({ ok: '6\n' })
    await volume.unmount()
    await succeed('umount', [volume.origin])
  })
})
