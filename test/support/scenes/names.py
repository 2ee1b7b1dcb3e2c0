"""What every call on names says of every kind of name, and what it leaves behind."""

import os
import shutil
import stat

from calls import (AT_FDCWD, AT_SYMLINK_FOLLOW, EXCHANGE, NOREPLACE, O_TMPFILE, WHITEOUT, Snapshots, fchmodat2, linkat, mknod,
                   outcome, renameat2, state, statx, tree)


def furnish(top):
    """One name of each kind."""
    os.mkdir(top)
    with open(top + '/file', 'w') as file:
        file.write('text')
    os.link(top + '/file', top + '/hard')
    os.mkdir(top + '/empty')
    os.makedirs(top + '/full/below')
    open(top + '/full/inside', 'w').close()
    os.symlink('file', top + '/link')
    os.symlink('full', top + '/link to directory')
    os.symlink('nothing', top + '/dangling')
    os.symlink('loop', top + '/loop')
    os.symlink('x' * 4095, top + '/long link')
    os.mkfifo(top + '/fifo')
    mknod(top + '/socket', stat.S_IFSOCK | 0o644)
    outcome(mknod, top + '/device', stat.S_IFCHR | 0o644, os.makedev(1, 3))  # not as an ordinary user


NAMES = ['file', 'hard', 'empty', 'full', 'full/below', 'full/inside', 'link', 'link to directory', 'dangling', 'loop', 'long link', 'fifo',
         'socket', 'device', 'missing', 'missing/below', 'file/below', 'link to directory/inside', 'empty/', 'full/', 'file/', 'link/',
         'link to directory/', 'dangling/', 'missing/', 'full/..', 'full/.', 'empty/.', '.', 'x' * 255, 'x' * 256, 'full/' + 'y' * 256,
         'full/../' * 600 + 'file', './' * 2047 + 'a', './' * 2048, '']


def single(path):
    """Calls with one name; each gets the names afresh."""
    yield 'lstat', lambda: state(path)
    yield 'stat', lambda: oct(os.stat(path).st_mode)
    yield 'statx', lambda: statx(path)['mask']
    yield 'readlink', lambda: os.readlink(path)
    yield 'unlink', lambda: os.unlink(path)
    yield 'rmdir', lambda: os.rmdir(path)
    yield 'mkdir', lambda: os.mkdir(path)
    yield 'mkfifo', lambda: os.mkfifo(path)
    yield 'symlink', lambda: os.symlink('target', path)
    yield 'long symlink', lambda: os.symlink('t' * 4095, path)
    yield 'symlink too long', lambda: os.symlink('t' * 4096, path)
    yield 'empty symlink', lambda: os.symlink('', path)
    yield 'chmod', lambda: os.chmod(path, 0o600)
    yield 'lchmod', lambda: fchmodat2(AT_FDCWD, path, 0o600, 0x100)
    yield 'lchown', lambda: os.lchown(path, 1, 2)
    yield 'truncate', lambda: os.truncate(path, 2)
    yield 'access', lambda: os.access(path, os.R_OK)
    yield 'chdir', lambda: os.close(os.open(path, os.O_PATH | os.O_DIRECTORY))
    yield 'listdir', lambda: sorted(os.listdir(path))
    yield 'set xattr', lambda: os.setxattr(path, 'user.a', b'b', follow_symlinks=False)
    yield 'list xattrs', lambda: os.listxattr(path, follow_symlinks=False)
    yield 'remove xattr', lambda: os.removexattr(path, 'user.a', follow_symlinks=False)
    yield 'utime', lambda: os.utime(path, (5, 6), follow_symlinks=False)
    yield 'unnamed', lambda: os.close(os.open(path, O_TMPFILE | os.O_RDWR, 0o600))


OPENS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_CREAT | os.O_WRONLY, os.O_CREAT | os.O_EXCL | os.O_RDWR, os.O_CREAT | os.O_TRUNC | os.O_WRONLY,
         os.O_TRUNC | os.O_WRONLY, os.O_TRUNC, os.O_DIRECTORY, os.O_DIRECTORY | os.O_WRONLY, os.O_NOFOLLOW, os.O_NOFOLLOW | os.O_CREAT,
         os.O_PATH, os.O_PATH | os.O_NOFOLLOW, os.O_APPEND | os.O_WRONLY, os.O_DIRECTORY | os.O_CREAT, os.O_CREAT | os.O_DIRECTORY | os.O_RDWR,
         os.O_NOATIME, 3, os.O_SYNC | os.O_WRONLY, os.O_TRUNC | os.O_CREAT | os.O_EXCL | os.O_WRONLY]


def opens(path):
    """Not of the device: a mount has nodev unless asked otherwise."""
    for flags in OPENS:
        yield 'open %o' % flags, lambda flags=flags: open_close(path, flags)


def open_close(path, flags):
    fd = os.open(path, flags | os.O_NONBLOCK, 0o640)
    try:
        return [oct(os.fstat(fd).st_mode), os.fstat(fd).st_nlink]
    finally:
        os.close(fd)


def remove(top):
    """Also as an ordinary user, who may have locked himself out."""
    os.chmod(top, 0o700)
    for directory, directories, _ in os.walk(top):
        for name in directories:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(top)


class Furnished:
    """A directory with one name of each kind, made anew whenever a call has changed something."""

    def __init__(self, top):
        self.top = top
        furnish(top)
        self.before = tree(top)

    def observe(self, call):
        """What the call says, and what it leaves of each name that it changed."""
        Snapshots.perhaps()
        result = outcome(call)
        after = tree(self.top)
        changes = {name: after.get(name) for name in sorted({*self.before, *after}) if self.before.get(name) != after.get(name)}
        if changes:
            remove(self.top)
            furnish(self.top)
        return [result, changes]


def run_single(top):
    seen = []
    work = top + '/work'
    furnished = Furnished(work)
    for name in NAMES:
        path = work + '/' + name if name else ''
        for label, call in (*single(path), *(() if name == 'device' else opens(path))):
            seen.append([label, name[:40], len(name), *furnished.observe(call)])
    return seen


PAIRS = ['file', 'hard', 'empty', 'full', 'full/below', 'full/inside', 'link', 'link to directory', 'dangling', 'fifo', 'missing', 'full/new', 'full/below/new',
         'file/x', 'empty/', 'missing/', 'full/..']
FLAGS = [0, NOREPLACE, EXCHANGE, WHITEOUT, NOREPLACE | EXCHANGE, WHITEOUT | NOREPLACE, WHITEOUT | EXCHANGE, 8]


def double(old, new):
    for flags in FLAGS:
        yield 'rename %d' % flags, lambda flags=flags: renameat2(old, new, flags)
    yield 'link', lambda: os.link(old, new, follow_symlinks=False)
    yield 'link, following', lambda: linkat(AT_FDCWD, old, new, AT_SYMLINK_FOLLOW)


def run_double(top):
    seen = []
    work = top + '/work'
    furnished = Furnished(work)
    for old in PAIRS:
        for new in PAIRS:
            for label, call in double(work + '/' + old, work + '/' + new):
                seen.append([label, old[:20], new[:20], *furnished.observe(call)])
    return seen
