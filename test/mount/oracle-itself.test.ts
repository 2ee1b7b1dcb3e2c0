import { describe, expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { CopyingVolume } from '../support/copying-volume.js'
import { Oracle } from '../support/oracle.js'
import { seedOfThisRun } from '../support/random.js'

async function oracleWithSnapshots(volume: CopyingVolume): Promise<Oracle> {
  const seed = seedOfThisRun()
  console.log(`BYGONE_SEED=${seed} (the oracle itself)`)
  const oracle = new Oracle(volume, {
    seed,
    chunkBytes: 4096,
    directory: volume.directory,
    // What cp can't keep.
    without: ['ctime', 'blocks'],
  })
  for (let stage = 0; stage < 3; stage++) {
    await oracle.operate(200)
    // Something of each kind that the faults below can be planted in.
    await succeed('sh', ['-c', prepared], { cwd: volume.live })
    await succeed('sh', ['-c', prepared], { cwd: `${volume.directory}/mirror` })
    await oracle.snapshot()
  }
  return oracle
}

const prepared = `rm -rf kit && mkdir kit && cd kit && printf 0123456789 >file && ln file other &&
  setfattr -n user.mark -v 1 file && ln -s file symlink && mkfifo fifo && mknod null c 1 3 &&
  truncate -s 1M hole && touch -hd 2001-01-01T00:00:00.123456789Z file symlink fifo null hole .`

describe('the oracle', () => {
  test('accepts snapshots that are plain copies', async () => {
    const oracle = await oracleWithSnapshots(new CopyingVolume())
    await oracle.verifyAll()
    expect(oracle.snapshots).toBe(3)
  })

  test.each([
    ['a changed byte', 'printf x | dd of=file bs=1 seek=5 conv=notrunc status=none', /content/],
    [
      'a byte in a hole',
      'printf x | dd of=hole bs=1 seek=99999 conv=notrunc status=none',
      /content/,
    ],
    ['a file that is longer', 'printf x >>file', /size/],
    ['a file that is missing', 'rm hole', /missing/],
    ['a file too many', 'touch new', /must not exist/],
    ['an mtime off by a nanosecond', 'touch -d 2001-01-01T00:00:00.123456788Z hole', /mtime/],
    ['the mode', 'chmod 4644 hole', /mode/],
    ['the owner', 'chown 5 hole', /uid/],
    ['the group', 'chgrp 5 hole', /gid/],
    ['a lost xattr', 'setfattr -x user.mark file', /xattrs/],
    ['an xattr of another value', 'setfattr -n user.mark -v 2 file', /xattrs/],
    ['a hard link that became a copy', 'cp -p --remove-destination file other', /link group/],
    ['a symlink that leads elsewhere', 'ln -sfn other symlink', /target/],
    ['a device of another number', 'rm null; mknod null c 1 5', /device/],
    ['a fifo that became a file', 'rm fifo; touch fifo', /mode/],
  ])('notices %s in a snapshot', async (_, fault, told) => {
    const volume = new CopyingVolume()
    const oracle = await oracleWithSnapshots(volume)
    await oracle.verifyAll()
    await succeed('sh', ['-ec', `cd kit; ${fault}; touch -d 2001-01-01T00:00:00.123456789Z .`], {
      cwd: volume.snapshotPath('snapshot-2'),
    })
    await expect(oracle.verifyAll()).rejects.toThrow(told)
  })
})
