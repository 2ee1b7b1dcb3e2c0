"""What callers may do with each other's files in directories of every mode."""

import itertools
import os
import shutil
import signal
import resource

from calls import (AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, CALLERS, EXCHANGE, GROUP, OTHER, USER, Snapshots, fallocate, in_child, linkat,
                   outcome, renameat2, tree)

DIRECTORY_MODES = [0o777, 0o1777, 0o1775, 0o733]
OWNERS = [(0, 0), (USER, USER), (OTHER, GROUP)]


def furnish(top, owner, mode, file_owner):
    os.mkdir(top)
    open(top + '/file', 'w').close()
    os.mkdir(top + '/sub')
    os.symlink('file', top + '/link')
    os.mkdir(top + '/sub/deep')
    for path in ('/file', '/sub', '/link', '/sub/deep'):
        os.lchown(top + path, *file_owner)
    os.chmod(top + '/file', 0o640)
    os.chown(top, *owner)
    os.chmod(top, mode)


def acts(top):
    yield 'create', lambda: os.close(os.open(top + '/new', os.O_CREAT | os.O_WRONLY))
    yield 'create existing', lambda: os.close(os.open(top + '/file', os.O_CREAT | os.O_WRONLY))
    yield 'unlink', lambda: os.unlink(top + '/file')
    yield 'unlink link', lambda: os.unlink(top + '/link')
    yield 'rmdir', lambda: os.rmdir(top + '/sub/deep')
    yield 'rename', lambda: os.rename(top + '/file', top + '/file2')
    yield 'rename over', lambda: os.rename(top + '/link', top + '/file')
    yield 'move directory', lambda: os.rename(top + '/sub/deep', top + '/deep')
    yield 'exchange', lambda: renameat2(top + '/file', top + '/link', EXCHANGE)
    yield 'hard link', lambda: os.link(top + '/file', top + '/hard', follow_symlinks=False)
    yield 'list', lambda: sorted(os.listdir(top))
    yield 'read', lambda: os.close(os.open(top + '/file', os.O_RDONLY))
    yield 'read without atime', lambda: os.close(os.open(top + '/file', os.O_RDONLY | os.O_NOATIME))
    yield 'follow', lambda: os.close(os.open(top + '/link', os.O_RDONLY))
    yield 'access', lambda: [os.access(top + '/file', mode, effective_ids=True) for mode in (4, 2, 1)]
    yield 'truncate', lambda: os.truncate(top + '/file', 5)
    yield 'link from descriptor', lambda: link_from_descriptor(top)


def link_from_descriptor(top):
    fd = os.open(top + '/file', os.O_PATH)
    try:
        said = outcome(linkat, fd, '', top + '/hard 1', AT_EMPTY_PATH)
        return [said, outcome(linkat, AT_FDCWD, '/proc/self/fd/%d' % fd, top + '/hard 2', AT_SYMLINK_FOLLOW)]
    finally:
        os.close(fd)


def in_directories(top):
    seen = []
    work = top + '/work'
    for mode, owner, file_owner, (caller, act) in itertools.product(DIRECTORY_MODES, OWNERS[:2], OWNERS, CALLERS.items()):
        furnish(work, owner, mode, file_owner)
        before = tree(work)
        for label, call in acts(work):
            Snapshots.perhaps()
            said = act(lambda: outcome(call))
            after = tree(work)
            seen.append([oct(mode), owner, file_owner, caller, label, said, sorted(after), after.get('file')])
            if after != before:
                shutil.rmtree(work)
                furnish(work, owner, mode, file_owner)
        shutil.rmtree(work)
    return seen


def limited(top):
    """RLIMIT_FSIZE holds for everything that makes a file longer."""
    path = top + '/limited'

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
        fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        os.pwrite(fd, b'x' * 9000, 0)
        seen = [outcome(os.pwrite, fd, b'y' * 2000, 9000), outcome(os.pwrite, fd, b'y', 10000), outcome(os.ftruncate, fd, 10001),
                outcome(fallocate, fd, 0, 0, 10001), outcome(fallocate, fd, 1, 0, 20000), outcome(os.truncate, path, 20000),
                os.fstat(fd).st_size]
        os.close(fd)
        os.unlink(path)
        return seen
    os.chmod(top, 0o777)
    return [[caller, in_child(lambda: act(work))] for caller, act in CALLERS.items()]


def run(top):
    return [*in_directories(top), *limited(top)]
