import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: root's daemon does not let a user have what the file system keeps for root.
// Method: a small ext4 with a fifth reserved is filled by a user, by every way to take space, then by root.
const filling = `
top = given['top']
free = lambda: os.statvfs(top).f_bfree * os.statvfs(top).f_bsize >> 20
def refused(work):
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno]
def fill(fd):
    data = bytes(1 << 16)
    while True:
        write_all(fd, data, os.fstat(fd).st_size)
def grow(fd):
    # Pages of a hole that gets its blocks only when they are written back.
    start = os.fstat(fd).st_size + 4096 & ~4095
    os.ftruncate(fd, start + (2 << 20))
    with mmap.mmap(fd, 2 << 20, offset=start) as memory:
        memory[:] = b'x' * len(memory)
        memory.flush()
def take(name):
    fd = os.open(top + '/' + name, os.O_CREAT | os.O_RDWR, 0o644)
    written = refused(lambda: fill(fd))
    allocated = refused(lambda: checked(libc.fallocate(fd, 0, os.fstat(fd).st_size, 2 << 20)))
    mapped = refused(lambda: grow(fd)) is not None
    directories = refused(lambda: [os.mkdir('%s/%s-%d' % (top, name, i)) for i in range(2000)])
    os.close(fd)
    return [written, allocated, mapped, directories]
os.chmod(top, 0o777)
result = [as_caller(65534, lambda: take('users')), free() > 10]
result += [refused(lambda: take('roots')), free() < 10]`

describeMount('space that is reserved for root', () => {
  test("is not for users, through root's daemon either, and is for root", async () => {
    const volume = new TestVolume({ isStoreApart: true })
    const image = volume.beside('image')
    await succeed('sh', ['-ec', `truncate -s 64M ${image}; mkfs.ext4 -q -F -m 25 ${image}`])
    await succeed('mount', ['-o', 'loop', image, volume.origin])
    await volume.mount()
    const taken = await volume.actor.python(filling, { top: volume.live })
    const all = ['ENOSPC', 'ENOSPC', true, 'ENOSPC']
    expect(taken).toEqual({ ok: [all, true, null, true] })
    await volume.unmount()
    await succeed('umount', [volume.origin])
  })
})
