"""System calls that Python lacks or bends, and callers of different rights to make them.

A call's outcome is its value or the name of its errno: that is what a scene compares.
"""

import ctypes
import errno
import json
import os
import random
import stat
import struct

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_REMOVEDIR = 0x200
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000
O_TMPFILE = 0o20000000 | os.O_DIRECTORY
UTIME_NOW = 0x3FFFFFFF
UTIME_OMIT = 0x3FFFFFFE
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4

USER, OTHER, GROUP = 65534, 65533, 4242  # two ordinary users, and a group for the first to be in


class Snapshots:
    """Taken at random moments of a scene by mkdir, on a mount; elsewhere never."""

    directory = None
    period = 0
    random = random.Random()
    count = 0

    @classmethod
    def perhaps(cls):
        """Once in `period` calls."""
        if cls.directory is not None and cls.random.randrange(cls.period) == 0:
            cls.count += 1
            os.mkdir('%s/s%d' % (cls.directory, cls.count))


def outcome(call, *args, **named):
    """The value of a call as JSON has it, or the name of its errno."""
    try:
        value = call(*args, **named)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return value.decode('latin1') if isinstance(value, bytes) else value


def checked(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def path_of(name):
    return name if isinstance(name, bytes) else os.fsencode(name)


def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, path_of(old), AT_FDCWD, path_of(new), flags))


def linkat(old_fd, old, new, flags):
    checked(libc.linkat(old_fd, path_of(old), AT_FDCWD, path_of(new), flags))


def mknod(path, mode, device=0):
    checked(libc.mknod(path_of(path), mode, ctypes.c_ulong(device)))


def fchmodat2(fd, path, mode, flags):
    checked(libc.syscall(452, fd, path_of(path), mode, flags))


def fallocate(fd, mode, offset, length):
    checked(libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


def utimensat(path, atime, mtime, flags=AT_SYMLINK_NOFOLLOW):
    """Times are (seconds, nanoseconds), the latter also UTIME_NOW and UTIME_OMIT."""
    times = struct.pack('qqqq', *atime, *mtime)
    checked(libc.utimensat(AT_FDCWD, path_of(path), times, flags))


def statx(path):
    """The birth time's presence, and the rest of what statx says that stat does not."""
    buffer = ctypes.create_string_buffer(256)
    checked(libc.syscall(332, AT_FDCWD, path_of(path), AT_SYMLINK_NOFOLLOW, 0xFFF, buffer))
    mask, = struct.unpack_from('I', buffer, 0)
    birth, nanoseconds = struct.unpack_from('qI', buffer, 80)
    return {'mask': mask & 0xFFF, 'birth': birth + nanoseconds / 1e9}


def state(path):
    """What must be equal wherever the same was done. Sizes and link counts of directories too: the file system is one."""
    st = os.lstat(path)
    seen = [oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_rdev]
    if stat.S_ISREG(st.st_mode):
        seen.append(st.st_size)
    if stat.S_ISLNK(st.st_mode):
        seen.append(os.readlink(path))
    return seen


def tree(top):
    """The states of all below, by path."""
    found = {}
    for directory, directories, files in os.walk(top):
        for name in sorted(directories + files):
            path = os.path.join(directory, name)
            found[os.path.relpath(path, top)] = outcome(state, path)
    return dict(sorted(found.items()))


def as_caller(uid, gid, groups, work):
    """Does it with the rights of that user, as far as files are concerned."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return work()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


def in_child(work):
    """Does it in a process of its own; its JSON value."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            text = json.dumps(work()).encode()
            while text:
                text = text[os.write(writer, text):]
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, 'rb') as answers:
        text = answers.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError('a child died: status %d' % status)
    return json.loads(text)


def root(work):
    return work()


def user(work):
    return as_caller(USER, USER, [], work)


def member(work):
    """The user with the group as a supplementary one."""
    return as_caller(USER, USER, [GROUP], work)


def other(work):
    return as_caller(OTHER, OTHER, [], work)


CALLERS = {'root': root, 'user': user, 'member': member, 'other': other}


def access_list(*entries):
    """POSIX ACL entries (tag, permissions, id) in the xattr's form."""
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)


NO_ID = 0xFFFFFFFF


def acl(group_permissions=5, user_permissions=7, mask=7, who=USER):
    return access_list((0x01, 7, NO_ID), (0x02, user_permissions, who), (0x04, group_permissions, NO_ID),
                       (0x10, mask, NO_ID), (0x20, 0, NO_ID))
