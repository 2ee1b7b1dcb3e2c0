"""What a new file gets: mode, owner, group, by its directory, umask, access list and caller."""

import itertools
import os
import socket
import stat

from calls import CALLERS, GROUP, O_TMPFILE, USER, Snapshots, acl, as_caller, linkat, mknod, outcome, state, AT_FDCWD, AT_SYMLINK_FOLLOW

MODES = (0o644, 0o2755, 0o2745, 0o7777, 0)
UMASKS = (0, 0o027)


def create(path, mode):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def unnamed(path, mode):
    fd = os.open(os.path.dirname(path), O_TMPFILE | os.O_RDWR, mode)
    try:
        linkat(AT_FDCWD, '/proc/self/fd/%d' % fd, path, AT_SYMLINK_FOLLOW)
    finally:
        os.close(fd)


def bind(path, mode):
    with socket.socket(socket.AF_UNIX) as end:
        # A path relative to the directory: sun_path is short.
        directory = os.open(os.path.dirname(path), os.O_PATH)
        try:
            end.bind('/proc/self/fd/%d/%s' % (directory, os.path.basename(path)))
        finally:
            os.close(directory)


KINDS = {
    'file': create,
    'directory': os.mkdir,
    'fifo': lambda path, mode: mknod(path, stat.S_IFIFO | mode),
    'socket': lambda path, mode: mknod(path, stat.S_IFSOCK | mode),
    'bound': bind,
    'character': lambda path, mode: mknod(path, stat.S_IFCHR | mode, os.makedev(1, 3)),
    'block': lambda path, mode: mknod(path, stat.S_IFBLK | mode, os.makedev(259, 70000)),
    'regular by mknod': lambda path, mode: mknod(path, stat.S_IFREG | mode),
    'whiteout': lambda path, mode: mknod(path, stat.S_IFCHR | mode, 0),
    'symlink': lambda path, mode: os.symlink('x', path),
    'unnamed': unnamed,
}

DIRECTORIES = {
    'plain': (0o777, USER, USER, None),
    'set-group-id': (0o2777, 0, GROUP, None),
    'sticky': (0o1777, 0, 0, None),
    'default list': (0o777, 0, GROUP, acl()),
    'set-group-id with list': (0o2777, USER, GROUP, acl(group_permissions=7, mask=5)),
    'closed': (0o755, 0, 0, None),
}


def make_all(directory):
    seen = []
    for umask, (kind, make), mode in itertools.product(UMASKS, KINDS.items(), MODES):
        if kind == 'symlink' and mode != 0:
            continue
        os.umask(umask)
        path = os.path.join(directory, 'new')
        result = outcome(make, path, mode)
        seen.append([kind, oct(umask), oct(mode), result, outcome(state, path)])
        if result is None:
            (os.rmdir if kind == 'directory' else os.unlink)(path)
    os.umask(0o022)
    return seen


def run(top):
    seen = []
    for name, (mode, uid, gid, default) in DIRECTORIES.items():
        path = os.path.join(top, name)
        os.mkdir(path)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        if default is not None:
            os.setxattr(path, 'system.posix_acl_default', default)
        for caller, act in CALLERS.items():
            Snapshots.perhaps()
            made = act(lambda: make_all(path))
            seen += [[name, caller] + each for each in made]
        # A group that is the caller's own only by his real one is none of his.
        made = as_caller(USER, GROUP, [], lambda: make_all(path))
        seen += [[name, 'primary member'] + each for each in made]
    return seen
