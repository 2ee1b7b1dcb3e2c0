import { expect, test } from 'vitest'
import { CliSandbox } from '../support/cli-sandbox.js'
import { describeMount } from '../support/requirements.js'

/** A command that is refused: its exit code, and its one line. */
async function refused(box: CliSandbox, ...args: string[]): Promise<[number | null, string]> {
  const { code, stdout, stderr } = await box.bygone(args)
  expect(stdout).toBe('')
  expect(stderr.trim().split('\n')).toHaveLength(1)
  return [code, stderr.trim()]
}

/** A story told on a mount, with what each snapshot must show of it after all that came later. */
const story = `
mkdir live/dir live/gone
echo first >live/dir/file; echo kept >live/dir/other; echo doomed >live/gone/doomed
ln live/dir/file live/link 2>/dev/null || cp live/dir/file live/link
touch -d 2001-02-03T04:05:06.7Z live/dir/other
head -c 300000 /dev/zero | tr '\\0' a >live/big
$BYGONE snapshot live --tag one
echo second >live/dir/file
printf b | dd of=live/big bs=1 seek=200000 conv=notrunc status=none
rm -r live/gone; mkdir live/gone; echo new >live/gone/new
echo fresh >live/fresh; mv live/fresh live/dir/other
mv live/dir live/moved
mkdir live/empty; mkdir live/full; echo full >live/full/file
$BYGONE snapshot live --tag two
mv -T live/full live/empty; rm -r live/moved; truncate -s 10 live/big; mkdir live/dir; echo third >live/dir/file`

const reading = `
cd live/.snapshots
cat one/dir/file one/dir/other one/gone/doomed two/moved/file two/moved/other two/gone/new
ls -A two/empty two/full; ls -A one one/dir one/gone two two/moved two/gone
stat -c '%n %s %Y' one/big one/dir/other two/big two/moved/other | sed 's/ 1[67].*/ now/'
cmp one/big two/big || true; md5sum <one/big; md5sum <two/big
cat ../dir/file`

/** By kind: a shell script that mounts something on the directory `origin`. */
const kinds: Record<string, string> = {
  'the plain one of the test': 'true',
  tmpfs: 'mount -t tmpfs none origin',
  xfs: 'truncate -s 320M disk; mkfs.xfs -q disk; mount -o loop disk origin',
  btrfs: 'truncate -s 128M disk; mkfs.btrfs -q disk; mount -o loop disk origin',
  // Times of whole seconds, no birth time.
  'ext3 with small inodes':
    'truncate -s 16M disk; mkfs.ext3 -q -I 128 disk; mount -o loop disk origin',
  overlayfs: `mkdir lower upper work; mkdir lower/below; echo lower >lower/below/file
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay origin`,
  bindfs: 'mkdir real; bindfs real origin',
}

describeMount('an origin', () => {
  const told = new Map<string, string>()

  test.each(Object.entries(kinds))('on %s has snapshots that stay', async (kind, mount) => {
    const box = new CliSandbox()
    box.mk('origin/', 'live/')
    await box.shell(mount)
    await box.succeed('mount', 'origin', 'live', '--chunk-size', '4K')
    // bindfs itself caches the size of a file under each of its names, and reads by that.
    await box.shell(kind === 'bindfs' ? story.replace(/ln .* \|\| cp/, 'cp') : story)
    const before = await box.shell(reading)
    expect(before).toMatch(/^first\nkept\ndoomed\nsecond\nfresh\nnew\n/)
    await box.succeed('unmount', 'live')
    await box.succeed('mount', 'origin', 'live')
    expect(await box.shell(reading)).toBe(before)
    told.set(kind, before.replaceAll('lost+found\n', '').replaceAll('below\n', ''))
    expect(told.get(kind)).toBe([...told.values()][0])
    await box.succeed('unmount', 'live')
  })

  test('on a read-only file system is refused, and nothing is left', async () => {
    const box = new CliSandbox()
    box.mk('origin/file', 'live/')
    await box.shell('mount --bind origin origin && mount -o remount,bind,ro origin')
    for (const store of [[], ['--store', 'store']]) {
      const [code, line] = await refused(box, 'mount', 'origin', 'live', ...store)
      expect(code).toBe(1)
      expect(line).toContain('read-only file system')
    }
    await box.shell('umount origin')
    expect(box.files().sort()).toEqual(['live', 'origin', 'origin/file'].map((n) => box.path(n)))
  })

  test('that has become read-only can be looked at with its store elsewhere', async () => {
    const box = new CliSandbox()
    box.mk('origin/file', 'live/')
    await box.succeed('mount', 'origin', 'live', '--store', 'store')
    await box.succeed('snapshot', 'live')
    await box.succeed('unmount', 'live')
    await box.shell('mount --bind origin origin && mount -o remount,bind,ro origin')
    await box.succeed('mount', 'origin', 'live')
    expect(await box.shell('cat live/file live/@latest/file')).toBe('origin/file\n'.repeat(2))
    const changes = ['echo >>live/file', 'rm live/file', 'mkdir live/new', 'chmod 600 live/file']
    for (const change of changes) {
      expect(await box.shell(`(${change}) 2>&1 || true`)).toContain('Read-only file system')
    }
    await box.succeed('unmount', 'live')
  })

  test('whose own store has become read-only is refused', async () => {
    const box = new CliSandbox()
    box.mk('origin/file', 'live/')
    await box.succeed('mount', 'origin', 'live')
    await box.succeed('unmount', 'live')
    await box.shell('mount --bind origin origin && mount -o remount,bind,ro origin')
    const [code, line] = await refused(box, 'mount', 'origin', 'live')
    expect(code).toBe(1)
    expect(line).toMatch(/store .*origin\/\.bygone\/store is on a read-only file system: remount/)
  })

  test('on a full disk is refused, nothing is left, and with space it is mounted', async () => {
    const box = new CliSandbox()
    box.mk('origin/', 'live/')
    await box.shell(`mount -t tmpfs -o size=1M none origin
      head -c 2M /dev/zero >origin/ballast 2>/dev/null || true`)
    const [code, line] = await refused(box, 'mount', 'origin', 'live')
    expect(code).toBe(4)
    expect(line).toContain('free some space')
    expect(await box.shell('ls -A origin')).toBe('ballast\n')
    await box.shell('truncate -s 500K origin/ballast')
    await box.succeed('mount', 'origin', 'live')
    await box.succeed('snapshot', 'live')
    // What can't be preserved is not changed; what needs nothing preserved is.
    await box.shell('cat /dev/zero >live/more 2>/dev/null || true; ls live/more')
    const refusal = await box.shell('cat live/more >>live/more2 2>&1 || true; rm live/more 2>&1')
    expect(refusal.replaceAll(/^.*No space left on device\n/gm, '')).toBe('')
    await box.succeed('unmount', 'live')
  })

  test('whose names are the same in capitals is refused', async () => {
    const box = new CliSandbox()
    box.mk('origin/', 'live/')
    await box.succeed('mount', 'origin', 'live')
    await box.succeed('unmount', 'live')
    // As a file system shows it that takes capitals for the same letters.
    await box.shell('mkdir origin/.BYGONE && mount --bind origin/.bygone origin/.BYGONE')
    const [code, line] = await refused(box, 'mount', 'origin', 'live')
    expect(code).toBe(1)
    expect(line).toMatch(/"a" and "A" are one name.*; choose/)
    await box.shell('umount origin/.BYGONE')
    await box.succeed('mount', 'origin', 'live')
    await box.succeed('unmount', 'live')
  })

  test('on a network file system without lasting inode numbers is refused', async () => {
    const box = new CliSandbox()
    box.mk('remote/file', 'origin/', 'live/')
    await box.shell(`mkfifo wire
      (/usr/lib/openssh/sftp-server <wire | sshfs -o passive :"$PWD"/remote origin >wire) 2>/dev/null &
      until mountpoint -q origin; do sleep 0.05; done`)
    for (const store of [[], ['--store', 'store']]) {
      const [code, line] = await refused(box, 'mount', 'origin', 'live', ...store)
      expect(code).toBe(1)
      expect(line).toMatch(/no lasting inode numbers.*; choose/)
    }
    expect(box.files(box.path('remote'))).toEqual([box.path('remote/file')])
  })

  test('shows what is mounted inside as empty directories, and says so once', async () => {
    const box = new CliSandbox()
    box.mk('origin/inner/', 'origin/second/', 'origin/plain/file')
    await box.shell(`mount -t tmpfs none origin/inner; mount -t tmpfs none origin/second
      echo secret >origin/inner/hidden`)
    const { code, stderr } = await box.bygone(['mount', 'origin'])
    expect(code).toBe(0)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toContain(`${box.path('origin/inner')} and 1 more below`)
    await box.succeed('snapshot', 'origin')
    for (const root of ['origin', 'origin/@latest']) {
      expect(
        await box.shell(`ls -lA ${root}/inner ${root}/second; getfattr -d ${root}/inner`),
      ).toBe(`${root}/inner:\ntotal 0\n\n${root}/second:\ntotal 0\n`)
    }
    const outcome = async (change: string) => box.shell(`(${change}) 2>&1 || true`)
    expect(await outcome('rmdir origin/inner')).toContain('busy')
    expect(await outcome('mv -T origin/inner origin/moved')).toContain('busy')
    expect(await outcome('mv -T origin/plain origin/inner')).toContain('busy')
    for (const change of [
      'touch origin/inner/new',
      'chmod 700 origin/inner',
      'touch origin/inner',
    ]) {
      expect(await outcome(change)).toContain('Read-only file system')
    }
    await box.succeed('unmount', 'origin')
    expect(await box.shell('ls -A origin/inner')).toBe('hidden\n')
  })
})
