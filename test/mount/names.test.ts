import { expect, test } from 'vitest'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

const makingOddNames = `
names = [b'new\\nline', b'tab\\t', b'\\xff\\xfe', b'caf\\xc3\\xa9', b'cafe\\xcc\\x81', b'\\xe9' * 255, b'x' * 255,
         b'-rf', b' ', b'...', b'\\x01\\x7f', b'"quoted\\\\"', b'a:b*?', b'\\xed\\xa0\\x80', b'@home', b'@GM', b'gmt@GMT-']
live = os.fsencode(given['live'])
for name in names:
    os.mkdir(os.path.join(live, b'd-' + name[:200]))
    with open(os.path.join(live, b'd-' + name[:200], name), 'wb') as file:
        file.write(name)
    os.symlink(name, os.path.join(live, b'd-' + name[:200], b'link'))
    os.setxattr(os.path.join(live, b'd-' + name[:200], name), b'user.' + name[:200], name)`

const lookingAtOddNames = `
top = os.fsencode(given['top'])
found = []
for directory in sorted(os.listdir(top)):
    if not directory.startswith(b'd-'):
        continue
    path = os.path.join(top, directory)
    name = os.readlink(os.path.join(path, b'link'))
    file = os.path.join(path, name)
    content = open(file, 'rb').read()
    xattr = os.getxattr(file, os.listxattr(file)[0])
    assert sorted(os.listdir(path)) == sorted([name, b'link']), os.listdir(path)
    assert directory == b'd-' + name[:200] and content == name and xattr == name, (directory, name, content)
    assert os.fsencode(os.listxattr(file)[0]) == b'user.' + name[:200]
    found.append(name)
result = len(found)`

describeMount('names are bytes', () => {
  test('newlines, 255 bytes and invalid UTF-8 are kept in the live tree, the origin and snapshots', async () => {
    const volume = await TestVolume.mounted()
    expect(await volume.actor.python(makingOddNames, { live: volume.live })).toEqual({ ok: null })
    const snapshot = volume.snapshotPath(await volume.snapshot())
    const look = async (top: string) => volume.actor.python(lookingAtOddNames, { top })
    expect(await look(volume.live)).toEqual({ ok: 17 })
    expect(await look(snapshot)).toEqual({ ok: 17 })
    await volume.actor.python(`subprocess.run('rm -rf d-*', shell=True, cwd=given['live'])`, {
      live: volume.live,
    })
    expect(await look(volume.live)).toEqual({ ok: 0 })
    expect(await look(snapshot)).toEqual({ ok: 17 })
    await volume.remount()
    expect(await look(snapshot)).toEqual({ ok: 17 })
  })

  test('a name of 256 bytes is ENAMETOOLONG', async () => {
    const volume = await TestVolume.mounted()
    const op = { do: 'mkdir', path: 'x'.repeat(256), mode: 0o755 }
    expect(await volume.actor.attempt(volume.live, op)).toEqual({ errno: 'ENAMETOOLONG' })
  })

  test('a path of 4,000 bytes works, live and in a snapshot', async () => {
    const volume = await TestVolume.mounted()
    const deep = [...Array<string>(15).fill('d'.repeat(255)), 'e'.repeat(155), 'f'].join('/')
    expect(deep.length).toBe(15 * 256 + 156 + 1)
    const made = await volume.actor.python(
      `path = given['live'] + '/' + given['deep']
os.makedirs(os.path.dirname(path))
open(path, 'w').write('deep')
result = len(given['deep'])`,
      { live: volume.live, deep },
    )
    expect(made).toEqual({ ok: 3997 })
    const snapshot = volume.snapshotPath(await volume.snapshot())
    const change = `open(given['live'] + '/' + given['deep'], 'w').write('changed')`
    await volume.actor.python(change, { live: volume.live, deep })
    const read = `result = open(given['top'] + '/' + given['deep']).read()`
    const look = async (top: string) => volume.actor.python(read, { top, deep })
    expect(await look(volume.live)).toEqual({ ok: 'changed' })
    expect(await look(snapshot)).toEqual({ ok: 'deep' })
    await volume.remount()
    expect(await look(snapshot)).toEqual({ ok: 'deep' })
  })

  test('a tree deeper than PATH_MAX works for who walks it step by step', async () => {
    const volume = await TestVolume.mounted()
    const walk = `
os.chdir(given['top'])
try:
    for level in range(40):
        if given['isMaking']:
            os.mkdir('d' * 200)
        os.chdir('d' * 200)
    if given['isMaking']:
        open('file', 'w').write('deep')
    result = open('file').read()
finally:
    os.chdir('/')`
    const go = async (top: string, isMaking: boolean) =>
      volume.actor.python(walk, { top, isMaking })
    expect(await go(volume.live, true)).toEqual({ ok: 'deep' })
    const snapshot = volume.snapshotPath(await volume.snapshot())
    expect(await go(snapshot, false)).toEqual({ ok: 'deep' })
    await volume.actor.python(`subprocess.run('rm -rf d*', shell=True, cwd=given['live'])`, {
      live: volume.live,
    })
    expect(await go(volume.live, false)).toEqual({ errno: 'ENOENT' })
    expect(await go(snapshot, false)).toEqual({ ok: 'deep' })
    await volume.remount()
    expect(await go(snapshot, false)).toEqual({ ok: 'deep' })
  })

  test('names that begin with @GMT- can not be made in the live tree', async () => {
    const volume = await TestVolume.mounted()
    const live = volume.live
    await volume.actor.python(
      `os.mkdir(given['live'] + '/sub')
open(given['live'] + '/file', 'w').close()`,
      { live },
    )
    const name = '@GMT-2020.01.01-00.00.00'
    for (const path of [name, `sub/${name}`, '@GMT-', 'sub/@GMT-anything']) {
      for (const op of [
        { do: 'mkdir', path, mode: 0o755 },
        { do: 'create', path, mode: 0o644, seed: 0, length: 0 },
        { do: 'symlink', path, target: 'x' },
        { do: 'mknod', path, mode: 0o010644, rdev: 0 },
        { do: 'link', from: 'file', to: path },
        { do: 'rename', from: 'file', to: path, flags: 0 },
      ]) {
        expect(await volume.actor.attempt(live, op), JSON.stringify(op)).toHaveProperty('errno')
      }
    }
    const listed = await volume.actor.python(
      `result = sorted(os.listdir(given['live'])) + os.listdir(given['live'] + '/sub')`,
      { live },
    )
    expect(listed).toEqual({ ok: ['file', 'sub'] })
  })

  test('.bygone is hidden and can not be made, removed or entered', async () => {
    const volume = await TestVolume.mounted()
    const attempt = async (op: { do: string; path: string; mode?: number }) =>
      volume.actor.attempt(volume.live, op)
    expect(await attempt({ do: 'stat', path: '.bygone' })).toEqual({ errno: 'ENOENT' })
    expect(await attempt({ do: 'list', path: '.bygone' })).toEqual({ errno: 'ENOENT' })
    expect(await attempt({ do: 'mkdir', path: '.bygone', mode: 0o755 })).toHaveProperty('errno')
    expect(await attempt({ do: 'rmdir', path: '.bygone' })).toHaveProperty('errno')
    const listed = await volume.actor.python(`result = os.listdir(given['live'])`, {
      live: volume.live,
    })
    expect(listed).toEqual({ ok: [] })
  })
})
