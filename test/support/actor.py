"""Touches file trees on behalf of a test, so that a mount that hangs hangs this process and not the
test. One request a line on stdin, one answer a line on stdout, both JSON.

`perform` runs one operation below each of two roots, the mount first and then a mirror on a plain
file system, and answers what each said: {"ok": value} or {"errno": name}. If the mount dies meanwhile
the mirror is left alone.
"""

import ctypes
import errno
import json
import mmap
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import traceback

import tree

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
libc.renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
AT_FDCWD = -100

handles = {}  # (root, number) -> descriptor


def raw(name):
    return name.encode('latin1')


def checked(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def some_bytes(op):
    """The operation's data: random by seed; `zeros` of it (from the front) are zero."""
    zeros = min(op.get('zeros', 0), op['length'])
    return bytes(zeros) + random.Random(op['seed']).randbytes(op['length'] - zeros)


def write_all(fd, data, offset):
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], offset + done)


class Opened:
    def __init__(self, path, flags, mode=0o666):
        # Opening a fifo would wait for its other end; a device may only be opened off the mount.
        try:
            kind = stat.S_IFMT(os.lstat(path).st_mode)
        except FileNotFoundError:
            kind = stat.S_IFREG
        if kind in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK):
            raise OSError(errno.EINVAL, 'not a file')
        self.fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def __enter__(self):
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


class Operations:
    """Each method is one operation below `root`."""

    def __init__(self, root, op):
        self.root = root
        self.op = op

    def at(self, key='path'):
        return os.path.join(self.root, raw(self.op[key])) if self.op[key] else self.root

    def create(self):
        op = self.op
        with Opened(self.at(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, op['mode']) as fd:
            write_all(fd, some_bytes(op), 0)

    def write(self):
        with Opened(self.at(), os.O_WRONLY) as fd:
            write_all(fd, some_bytes(self.op), self.op['offset'])

    def append(self):
        with Opened(self.at(), os.O_WRONLY | os.O_APPEND) as fd:
            data = some_bytes(self.op)
            while data:
                data = data[os.write(fd, data):]

    def rewrite(self):
        with Opened(self.at(), os.O_WRONLY | os.O_TRUNC | os.O_CREAT) as fd:
            write_all(fd, some_bytes(self.op), 0)

    def replace(self):
        with Opened(self.at('temporary'), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644) as fd:
            write_all(fd, some_bytes(self.op), 0)
            os.fsync(fd)
        os.rename(self.at('temporary'), self.at())

    def tmpfile(self):
        with Opened(self.at('directory'), os.O_WRONLY | os.O_TMPFILE, 0o640) as fd:
            write_all(fd, some_bytes(self.op), 0)
            os.link('/proc/self/fd/%d' % fd, self.at(), follow_symlinks=True)

    def truncate(self):
        os.truncate(self.at(), self.op['size'])

    def rename(self):
        checked(libc.renameat2(AT_FDCWD, self.at('from'), AT_FDCWD, self.at('to'), self.op['flags']))

    def link(self):
        os.link(self.at('from'), self.at('to'), follow_symlinks=False)

    def unlink(self):
        os.unlink(self.at())

    def mkdir(self):
        os.mkdir(self.at(), self.op['mode'])

    def rmdir(self):
        os.rmdir(self.at())

    def rmtree(self):
        # In order of names, so that it stops at the same entry on both sides if it may not go on.
        def remove(directory):
            for name in sorted(os.listdir(directory)):
                path = os.path.join(directory, name)
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    remove(path)
                else:
                    os.unlink(path)
            os.rmdir(directory)
        remove(self.at())

    def chmod(self):
        os.chmod(self.at(), self.op['mode'])

    def chown(self):
        os.lchown(self.at(), self.op['owner'], self.op['group'])

    def utimes(self):
        os.utime(self.at(), ns=(int(self.op['atime']), int(self.op['mtime'])), follow_symlinks=False)

    def setxattr(self):
        os.setxattr(self.at(), raw(self.op['name']), raw(self.op['value']), self.op['flags'], follow_symlinks=False)

    def removexattr(self):
        os.removexattr(self.at(), raw(self.op['name']), follow_symlinks=False)

    def symlink(self):
        os.symlink(raw(self.op['target']), self.at())

    def mknod(self):
        os.mknod(self.at(), self.op['mode'], self.op['rdev'])

    def copy(self):
        with Opened(self.at('from'), os.O_RDONLY) as source:
            with Opened(self.at('to'), os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as target:
                size = min(os.fstat(source).st_size, 4 << 20)
                offset = 0
                while offset < size:
                    if self.op['isRange']:
                        done = os.copy_file_range(source, target, size - offset, offset, offset)
                    else:
                        done = os.pwrite(target, os.pread(source, min(100_000, size - offset), offset), offset)
                    if done == 0:
                        return
                    offset += done

    def fallocate(self):
        with Opened(self.at(), os.O_WRONLY) as fd:
            checked(libc.fallocate(fd, self.op['mode'], self.op['offset'], self.op['length']))

    def mapped(self):
        with Opened(self.at(), os.O_RDWR) as fd:
            size = os.fstat(fd).st_size
            if size == 0 or size > 16 << 20:
                return None
            with mmap.mmap(fd, size) as memory:
                offset = self.op['offset'] % size
                data = some_bytes(self.op)[:size - offset]
                memory[offset:offset + len(data)] = data
                memory.flush()

    def open(self):
        flags = os.O_RDWR | (os.O_APPEND if self.op['isAppend'] else 0)
        handles[self.root, self.op['handle']] = os.open(self.at(), flags | os.O_CLOEXEC | os.O_NOFOLLOW)

    def handle(self):
        return handles[self.root, self.op['handle']]

    def handleWrite(self):
        write_all(self.handle(), some_bytes(self.op), self.op['offset'])

    def handleRead(self):
        return text_hash(os.pread(self.handle(), self.op['length'], self.op['offset']))

    def handleTruncate(self):
        os.ftruncate(self.handle(), self.op['size'])

    def handleSync(self):
        os.fsync(self.handle())

    def handleStat(self):
        return seen(os.fstat(self.handle()))

    def close(self):
        os.close(handles.pop((self.root, self.op['handle'])))

    def read(self):
        with Opened(self.at(), os.O_RDONLY) as fd:
            return text_hash(os.pread(fd, self.op['length'], self.op['offset']))

    def stat(self):
        return seen(os.lstat(self.at()))

    def list(self):
        names = (text(os.fsencode(name)) for name in os.listdir(self.at()))
        # What a mount adds to its root, and what it hides there.
        return sorted(n for n in names if self.op['path'] or not n.startswith(('@GMT-', '.bygone')))


def text(name):
    return name.decode('latin1')


def text_hash(data):
    return [len(data), tree.hashlib.blake2b(data, digest_size=8).hexdigest()]


def seen(st):
    is_directory = stat.S_ISDIR(st.st_mode)
    return [st.st_mode, st.st_uid, st.st_gid, None if is_directory else st.st_nlink,
            None if is_directory else st.st_size, st.st_rdev]


def as_caller(uid, work, groups=()):
    """Runs work as a user whose group has the same number, and who is in `groups` besides."""
    if uid == 0:
        return work()
    groups_before = os.getgroups()
    os.setgroups(groups)
    os.setegid(uid)
    os.seteuid(uid)
    try:
        return work()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups_before)


def outcome(root, op):
    try:
        return {'ok': as_caller(op.get('uid', 0), getattr(Operations(root, op), op['do']))}
    except OSError as error:
        return {'errno': errno.errorcode.get(error.errno, str(error.errno))}


GONE = ('ENOTCONN', 'ECONNABORTED')


def perform(request):
    live = outcome(raw(request['live']), request['op'])
    if live.get('errno') in GONE:
        return {'live': live, 'mirror': None}
    return {'live': live, 'mirror': outcome(raw(request['mirror']), request['op'])}


def forget_handles(request):
    """After the mount has died: descriptors of a dead mount can only be closed."""
    for fd in handles.values():
        try:
            os.close(fd)
        except OSError:
            pass
    handles.clear()


def fingerprint(request):
    keep = raw(request['keep']) if request.get('keep') else None
    return tree.fingerprint(raw(request['root']), [raw(prefix) for prefix in request['hidden']], keep)


def differing_blocks(request):
    return tree.differing_blocks(raw(request['path']), raw(request['kept']))


def attempt(request):
    """One operation below one root. Unlike `perform`, for a single test's own steps."""
    return outcome(raw(request['root']), request['op'])


def python(request):
    """A test's own few lines; its result is what they bind to `result`."""
    scope = dict(globals(), given=request['given'])
    try:
        exec(request['lines'], scope)
    except OSError as error:
        return {'errno': errno.errorcode.get(error.errno, str(error.errno))}
    return {'ok': scope.get('result')}


answers = {
    'perform': perform,
    'attempt': attempt,
    'fingerprint': fingerprint,
    'differingBlocks': differing_blocks,
    'forgetHandles': forget_handles,
    'python': python,
}


def main():
    # The test's umask is its own business; here the operations say their modes.
    os.umask(0o022)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {'ok': answers[request['ask']](request)}
        except Exception:
            answer = {'bug': traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + '\n')
        sys.stdout.flush()


if __name__ == '__main__':
    main()
