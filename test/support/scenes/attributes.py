"""chmod, chown, times, extended attributes and access lists: what each caller may do, and what comes of it."""

import itertools
import os
import stat
import time

from calls import (AT_FDCWD, CALLERS, GROUP, NO_ID, OTHER, USER, UTIME_NOW, UTIME_OMIT, Snapshots, access_list, acl, fchmodat2, mknod,
                   outcome, state, statx, utimensat)

OLD = 1_000_000_000


def furnish(path, kind, uid, gid, mode):
    """A file of that kind. A symlink leads to a file beside it."""
    if kind == 'link':
        os.symlink('target', path)
        path_of_mode = os.path.join(os.path.dirname(path), 'target')
        open(path_of_mode, 'w').close()
        os.chown(path_of_mode, uid, gid)
        os.chmod(path_of_mode, mode)
    elif kind == 'directory':
        os.mkdir(path)
    elif kind == 'file':
        open(path, 'w').close()
    else:
        mknod(path, (stat.S_IFIFO if kind == 'fifo' else stat.S_IFCHR) | 0o600, 0 if kind == 'fifo' else os.makedev(1, 3))
    os.lchown(path, uid, gid)
    if kind != 'link':
        os.chmod(path, mode)
    os.utime(path, (OLD, OLD), follow_symlinks=False)


def clear(path, kind):
    if kind == 'directory':
        os.rmdir(path)
    else:
        os.unlink(path)


KINDS = ['file', 'directory', 'fifo', 'device', 'link']


def changes(path):
    for mode in (0o600, 0o4755, 0o2755, 0o2745, 0o6777, 0o1777, 0o7777):
        yield 'chmod %o' % mode, lambda mode=mode: os.chmod(path, mode)
        yield 'fchmodat2 %o' % mode, lambda mode=mode: fchmodat2(AT_FDCWD, path, mode, 0x100)
    for uid, gid in ((-1, -1), (USER, -1), (-1, USER), (-1, GROUP), (USER, GROUP), (OTHER, -1), (-1, OTHER), (0, 0), (OTHER, OTHER)):
        yield 'chown %d %d' % (uid, gid), lambda uid=uid, gid=gid: os.lchown(path, uid, gid)


def time_changes(path):
    values = {'now': (0, UTIME_NOW), 'omit': (0, UTIME_OMIT), 'early': (-2_000_000_000, 999_999_999), 'zero': (0, 0), 'late': (2**33, 1),
              'before 1970': (-1, 5), 'too many nanoseconds': (5, 10**9), 'beyond': (2**40, 0), 'long ago': (-2**40, 0)}
    for (one, atime), (two, mtime) in itertools.product(values.items(), values.items()):
        yield '%s, %s' % (one, two), lambda atime=atime, mtime=mtime: utimensat(path, atime, mtime)


def times(path):
    """Each time, or that it is of this minute."""
    st = os.lstat(path)
    now = time.time_ns()
    return ['now' if abs(now - ns) < 60 * 10**9 else ns for ns in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]


NAMESPACES = ['user.a', 'trusted.a', 'security.a', 'security.capability', 'system.a', 'nothing.a', 'user.', 'user', 'user.' + 'n' * 250,
              'user.' + 'n' * 251, 'system.posix_acl_access', 'system.posix_acl_default', 'trusted.overlay.opaque', 'user.\udcff']
CAPABILITY = bytes.fromhex('0100000200040000000000000000000000000000')[:20]
VALUES = [b'', b'value', CAPABILITY]
LARGE = [b'v' * 5000, b'v' * 65536, b'v' * 65537]


def xattr_changes(path):
    for name, value, flags in itertools.product(NAMESPACES, VALUES, (0, os.XATTR_CREATE, os.XATTR_REPLACE)):
        yield ['set', name[:30], VALUES.index(value), flags], lambda n=name, v=value, f=flags: os.setxattr(path, n, v, f, follow_symlinks=False)
    for value in LARGE:
        yield ['set large', len(value)], lambda v=value: os.setxattr(path, 'user.a', v, follow_symlinks=False)
    for name in NAMESPACES:
        yield ['remove', name[:30]], lambda n=name: os.removexattr(path, n, follow_symlinks=False)
    for value in LISTS:
        for name in ('system.posix_acl_access', 'system.posix_acl_default'):
            yield ['set list', name, LISTS.index(value)], lambda n=name, v=value: os.setxattr(path, n, v, follow_symlinks=False)


LISTS = [acl(), acl(mask=0), acl(group_permissions=0, user_permissions=0), access_list(), access_list((0x01, 7, NO_ID)), b'\x02\x00\x00\x00\x01',
         access_list((0x01, 6, NO_ID), (0x04, 4, NO_ID), (0x20, 0, NO_ID)), access_list((0x01, 6, NO_ID), (0x02, 7, 5), (0x04, 4, NO_ID), (0x20, 0, NO_ID)),
         b'', b'\x03\x00\x00\x00']


def xattrs(path):
    return {name: outcome(lambda: len(os.getxattr(path, name, follow_symlinks=False)))
            for name in sorted(os.listxattr(path, follow_symlinks=False))}


def try_all(top, uid, gid, mode, each, look, kinds=KINDS):
    """Every change to every kind of file by every caller, each to fresh files."""
    seen = []
    for kind, (caller, act) in itertools.product(kinds, CALLERS.items()):
        path = top + '/' + kind
        for label, call in each(path):
            furnish(path, kind, uid, gid, mode)
            Snapshots.perhaps()
            said = act(lambda: outcome(call))
            seen.append([kind, caller, label, said, outcome(state, path), look(path)])
            clear(path, kind)
    return seen


def visible(top):
    """What each caller sees of all namespaces."""
    path = top + '/seen'
    open(path, 'w').close()
    os.chmod(path, 0o644)
    for name in ('user.a', 'trusted.a', 'security.a'):
        os.setxattr(path, name, b'v')
    seen = [[caller, act(lambda: sorted(os.listxattr(path)))] for caller, act in CALLERS.items()]
    for caller, act in CALLERS.items():
        seen += [[caller, name, act(lambda: outcome(os.getxattr, path, name))] for name in ('user.a', 'trusted.a', 'security.a', 'user.b', 'x')]
    os.unlink(path)
    return seen


def birth(top):
    start = time.time() - 5
    path = top + '/born'
    open(path, 'w').close()
    first = statx(path)
    os.utime(path, (5, 5))
    os.chmod(path, 0o600)
    os.rename(path, path + '2')
    second = statx(path + '2')
    os.unlink(path + '2')
    return [first['mask'], start < first['birth'] < time.time() + 5, first == second]


def run(top):
    os.chmod(top, 0o777)
    return [
        *try_all(top, USER, USER, 0o6755, changes, times),
        *try_all(top, USER, GROUP, 0o2645, changes, times, ['file', 'directory']),
        *try_all(top, 0, GROUP, 0o2770, changes, times, ['file', 'directory']),
        *try_all(top, USER, USER, 0o666, time_changes, times, ['file', 'link']),
        *try_all(top, USER, USER, 0o644, xattr_changes, xattrs, ['file', 'directory', 'link', 'fifo']),
        *try_all(top, 0, 0, 0o1777, xattr_changes, xattrs, ['directory']),
        *visible(top),
        birth(top),
    ]
