import { expect, test } from 'vitest'
import { succeed } from '../support/command.js'
import { describeMount } from '../support/requirements.js'
import { TestVolume } from '../support/test-volume.js'

// Goal: set-user-ID, set-group-ID and file capabilities go when a plain file system drops them, and stay
// when it keeps them.
// Method: each way to change a file, by callers with and without the right to leave the bits there, on the
// mount and on a plain directory; each must say the same, errno included.
const program = `
os.chdir(given['top'])
open('source', 'w').write('s' * 5000)
os.mkdir('directory')

def opened(flags, work):
    fd = os.open('file', flags)
    try:
        work(fd)
    finally:
        os.close(fd)

def direct(fd):
    page = mmap.mmap(-1, 4096)
    os.writev(fd, [page])

def copied(fd):
    with open('source') as source:
        os.copy_file_range(source.fileno(), fd, 100, 0, 0)

def allocated(mode):
    return lambda: opened(os.O_RDWR, lambda fd: checked(libc.fallocate(fd, mode, 0, 4096)))

ways = {
    'write': lambda: opened(os.O_WRONLY, lambda fd: os.pwrite(fd, b'x', 0)),
    'write of nothing': lambda: opened(os.O_WRONLY, lambda fd: os.write(fd, b'')),
    'append': lambda: opened(os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b'x')),
    'direct write': lambda: opened(os.O_WRONLY | os.O_DIRECT, direct),
    'truncate': lambda: os.truncate('file', 10),
    'truncate to its size': lambda: os.truncate('file', 8192),
    'ftruncate': lambda: opened(os.O_WRONLY, lambda fd: os.ftruncate(fd, 10)),
    'open with O_TRUNC': lambda: opened(os.O_WRONLY | os.O_TRUNC, lambda fd: None),
    'copy': lambda: opened(os.O_WRONLY, copied),
    'allocate': allocated(0),
    'allocate and keep the size': allocated(1),
    'punch a hole': allocated(3),
    'zero a range': allocated(0x10),
    'read': lambda: opened(os.O_RDONLY, lambda fd: os.read(fd, 10)),
}
owning = {
    'chown': lambda: os.chown('file', -1, 65534),
    'chown to nobody': lambda: os.chown('file', -1, -1),
}
capability = bytes([1, 0, 0, 2, 0, 4, 0, 0]) + bytes(12)
said = []

def look(who, way, change, mode, has_capability, owner, groups=()):
    with open('file', 'w') as file:
        file.write('y' * 8192)
    os.chown('file', owner, 0)
    os.chmod('file', mode)
    if has_capability:
        os.setxattr('file', 'security.capability', capability)
    os.stat('file')
    try:
        as_caller(who, change, groups)
        outcome = 'ok'
    except OSError as error:
        outcome = errno.errorcode[error.errno]
    left = 'security.capability' in os.listxattr('file')
    said.append([who, way, oct(mode), groups, has_capability, outcome, oct(os.stat('file').st_mode), left])
    os.unlink('file')

for mode in (0o6777, 0o2766, 0o4777, 0o2777, 0o777):
    for has_capability in (False, True):
        for way, change in ways.items():
            look(0, way, change, mode, has_capability, 0)
            look(65534, way, change, mode, has_capability, 0)
        look(0, 'chown', owning['chown'], mode, has_capability, 0)
        for way, change in owning.items():
            look(65534, way, change, mode, has_capability, 65534)
with open('file', 'w') as writer:
    os.chmod('file', 0o6777)
    os.chown('file', -1, -1)
    said.append(oct(os.stat('file').st_mode))
os.unlink('file')
for way in ('write', 'truncate', 'copy', 'allocate'):
    for mode in (0o2766, 0o2776):
        look(65534, way, ways[way], mode, False, 0, (7, 0))
os.chmod('directory', 0o7777)
as_caller(65534, lambda: open('directory/new', 'w').close())
os.chown('directory', -1, -1)
said.append(oct(os.stat('directory').st_mode))
os.chdir('/')
result = said`

describeMount('set-user-ID, set-group-ID and file capabilities', () => {
  test.each([
    ['over the origin', true],
    ['at a mount point of its own', false],
  ])('are kept and dropped as on a plain file system, %s', async (_, isMountedOver) => {
    const volume = await TestVolume.mounted({ isMountedOver })
    await volume.snapshot()
    const plain = volume.beside('plain')
    await succeed('mkdir', [plain])
    const onPlain = await volume.actor.python(program, { top: plain })
    expect(onPlain.ok).toContainEqual(expect.arrayContaining([65534, 'copy', '0o100777', 'ok']))
    expect(await volume.actor.python(program, { top: volume.live })).toEqual(onPlain)
  })
})
