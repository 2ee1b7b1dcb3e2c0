"""What a file system says about the data of files, case by case: each function works in an empty directory of its own
and returns what it saw. The same program runs on a plain directory and on a mount; both must say the same.

Usage: data_cases.py DIRECTORY CASE; prints JSON.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import select
import signal
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
libc.syncfs.argtypes = [ctypes.c_int]
libc.readahead.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_size_t]
libc.sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]

KEEP_SIZE, PUNCH, COLLAPSE, ZERO, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64
RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND = 1, 2, 4, 8, 16
PAGE = 4096


def said(work):
    """The value, or the name of the errno."""
    try:
        return work()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def checked(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def create(name='file', data=b'', flags=0):
    fd = os.open(name, os.O_CREAT | os.O_RDWR | flags, 0o644)
    if data:
        os.pwrite(fd, data, 0)
    return fd


def content(name='file'):
    """Runs of equal bytes, short enough to read when two differ."""
    with open(name, 'rb') as file:
        data = file.read()
    runs = []
    at = 0
    while at < len(data) and len(runs) < 50:
        end = at
        while end < len(data) and data[end] == data[at]:
            end += 1
        runs.append([data[at], end - at])
        at = end
    return runs


def in_child(work):
    """What work says in a process of its own, or the signal that ended it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(said(work)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    answer = b''
    while chunk := os.read(reading, 65536):
        answer += chunk
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return json.loads(answer)


def allocate(fd, mode, offset, length):
    return said(lambda: checked(libc.fallocate(fd, mode, offset, length)))


def pages(letters):
    return b''.join(letter.encode() * PAGE for letter in letters)


def aligned(data):
    """The data in a buffer that O_DIRECT takes."""
    memory = mmap.mmap(-1, max(PAGE, -(-len(data) // PAGE) * PAGE))
    memory[:len(data)] = data
    return memoryview(memory)[:len(data)]


# --- appending

def append_by_many():
    """Records of many lengths by processes at once: each is whole and there once."""
    writers, records = 6, 200

    def line(writer, number):
        return b'%d %d %s\n' % (writer, number, b'x' * ((number * 977 + writer * 131) % 5000))

    children = []
    for writer in range(writers):
        pid = os.fork()
        if pid == 0:
            fd = os.open('file', os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            for number in range(records):
                wanted = line(writer, number)
                if os.write(fd, wanted) != len(wanted):
                    os._exit(1)
            os._exit(0)
        children.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in children]
    with open('file', 'rb') as file:
        lines = file.read().splitlines(keepends=True)
    wanted = sorted(line(writer, number) for writer in range(writers) for number in range(records))
    orders = []
    for writer in range(writers):
        mine = [int(each.split()[1]) for each in lines if each.startswith(b'%d ' % writer)]
        orders.append(mine == sorted(mine))
    return [ended, sorted(lines) == wanted, orders]


def append_and_offsets():
    """With O_APPEND the offset of a write does not count, that of a read does."""
    fd = create(data=b'0123456789', flags=os.O_APPEND)
    seen = [os.pwrite(fd, b'ab', 0), os.lseek(fd, 0, os.SEEK_CUR), os.write(fd, b'c')]
    seen += [os.lseek(fd, 0, os.SEEK_CUR), os.pread(fd, 3, 9).decode()]
    os.ftruncate(fd, 4)
    seen += [os.write(fd, b'd'), content()]
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    seen += [os.pwrite(fd, b'Z', 0), content()]
    return seen


def append_direct():
    os.close(create(data=pages('a')))
    fd = os.open('file', os.O_WRONLY | os.O_APPEND | os.O_DIRECT)
    other = os.open('file', os.O_WRONLY | os.O_APPEND)
    seen = []
    for _ in range(3):
        seen.append(os.write(fd, aligned(pages('d'))))
        seen.append(os.write(other, pages('b')))
    return [seen, content()]


# --- direct I/O

def direct_beside_buffered():
    """What one way writes the other reads at once, though the cache held the old."""
    buffered = create(data=pages('aaaa'))
    direct = os.open('file', os.O_RDWR | os.O_DIRECT)
    seen = [os.pread(buffered, 4 * PAGE, 0) == pages('aaaa')]
    os.pwrite(direct, aligned(pages('b')), PAGE)
    seen.append(os.pread(buffered, 4 * PAGE, 0) == pages('abaa'))
    os.pwrite(buffered, b'c' * 100, 2 * PAGE + 10)
    into = aligned(bytes(4 * PAGE))
    seen.append(os.preadv(direct, [into], 0))
    seen.append(bytes(into) == os.pread(buffered, 4 * PAGE, 0))
    memory = mmap.mmap(buffered, 4 * PAGE)
    seen.append(memory[PAGE:PAGE + 1].decode())
    os.pwrite(direct, aligned(pages('d')), PAGE)
    seen.append(memory[PAGE:PAGE + 1].decode())
    memory[0:1] = b'm'
    memory.flush()
    seen.append([os.preadv(direct, [into], 0), bytes(into[:2]).decode()])
    # Past the end: as far as there is something, and then nothing.
    os.ftruncate(buffered, 3 * PAGE + 100)
    seen += [os.preadv(direct, [into], 2 * PAGE), os.preadv(direct, [into], 4 * PAGE)]
    seen += [os.pwrite(direct, aligned(pages('ee')), 6 * PAGE), os.fstat(buffered).st_size]
    return [seen, content()]


# --- mappings

def mapping_shared():
    """Processes that map a file see each other, and read(2) and write(2) see them."""
    fd = create(data=pages('aaa'))
    memory = mmap.mmap(fd, 3 * PAGE)
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    pid = os.fork()
    if pid == 0:
        own = mmap.mmap(os.open('file', os.O_RDWR), 3 * PAGE)
        os.read(to_child, 1)
        own[10:11] = own[0:1]
        os.write(from_child, b'.')
        os.read(to_child, 1)
        os._exit(own[PAGE])
    memory[0:1] = b'p'
    os.write(from_parent, b'.')
    os.read(to_parent, 1)
    seen = [memory[10:11].decode(), os.pread(fd, 12, 0).decode()]
    os.pwrite(fd, b'w', PAGE)
    os.write(from_parent, b'.')
    seen.append(chr(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    memory.flush()
    return [seen, content()]


def mapping_private():
    fd = create(data=pages('aa'))
    memory = mmap.mmap(fd, 2 * PAGE, flags=mmap.MAP_PRIVATE)
    memory[0:4] = b'mine'
    os.pwrite(fd, b'theirs', PAGE)
    return [memory[0:4].decode(), memory[PAGE:PAGE + 6].decode(), content()]


def mapping_and_size():
    """Past the last page SIGBUS; the rest of the last page is zeros and stays out of the file."""
    fd = create(data=b'a' * 4 * PAGE)
    memory = mmap.mmap(fd, 4 * PAGE)
    os.ftruncate(fd, PAGE + 100)
    seen = [in_child(lambda: memory[2 * PAGE]), memory[PAGE + 100]]
    memory[PAGE + 100:PAGE + 110] = b'b' * 10
    memory.flush(0, 2 * PAGE)
    seen += [os.fstat(fd).st_size, content()]
    os.ftruncate(fd, 3 * PAGE)
    seen += [memory[2 * PAGE], content()]
    os.ftruncate(fd, 50)
    seen += [in_child(lambda: memory[PAGE]), memory[49:51].decode()]
    os.ftruncate(fd, 2 * PAGE)
    seen += [memory[0:100].count(b'a'), memory[PAGE], content()]
    return seen


def mapping_rights():
    create(data=pages('a'))
    reading = os.open('file', os.O_RDONLY)
    writing = os.open('file', os.O_WRONLY)
    return [
        said(lambda: len(mmap.mmap(reading, PAGE, prot=mmap.PROT_READ))),
        said(lambda: len(mmap.mmap(reading, PAGE))),
        said(lambda: len(mmap.mmap(reading, PAGE, flags=mmap.MAP_PRIVATE))),
        said(lambda: len(mmap.mmap(writing, PAGE, prot=mmap.PROT_WRITE))),
        said(lambda: len(mmap.mmap(reading, PAGE, prot=mmap.PROT_READ | mmap.PROT_EXEC))),
    ]


def mapping_of_holes():
    fd = create()
    os.ftruncate(fd, 64 * PAGE)
    memory = mmap.mmap(fd, 64 * PAGE)
    for page in (1, 30, 63):
        memory[page * PAGE + 5:page * PAGE + 8] = b'xyz'
    memory.flush()
    return [content(), os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 2 * PAGE, os.SEEK_DATA)]


# --- files without a name, and syncing

def unlinked_but_open():
    fd = create(data=b'named')
    os.unlink('file')
    seen = [os.pwrite(fd, b'still', 3), os.pread(fd, 20, 0).decode(), os.fstat(fd).st_nlink]
    os.ftruncate(fd, 2 * PAGE)
    memory = mmap.mmap(fd, 2 * PAGE)
    memory[PAGE:PAGE + 3] = b'map'
    memory.flush()
    seen += [os.pread(fd, 3, PAGE).decode(), allocate(fd, 0, 0, 4 * PAGE), os.fstat(fd).st_size]
    seen += [allocate(fd, PUNCH | KEEP_SIZE, 0, PAGE), os.lseek(fd, 0, os.SEEK_DATA)]
    seen += [said(lambda: os.fsync(fd)), said(lambda: os.fchmod(fd, 0o600)), os.fstat(fd).st_mode & 0o777]
    again = os.open('/proc/self/fd/%d' % fd, os.O_RDWR)
    seen += [os.pread(again, 3, PAGE).decode(), os.pwrite(again, b'again', 0), os.pread(fd, 5, 0).decode()]
    seen.append(said(lambda: checked(libc.linkat(-100, b'/proc/self/fd/%d' % fd, -100, b'new', 0x400))))
    seen.append(os.listdir('.'))
    return seen


def syncs():
    fd = create(data=pages('a'))
    reading = os.open('file', os.O_RDONLY)
    directory = os.open('.', os.O_RDONLY)
    path = os.open('file', os.O_PATH)
    pipe = os.pipe()[1]
    every = (fd, reading, directory, path, pipe)
    return [
        [said(lambda: os.fsync(each)) for each in every],
        [said(lambda: os.fdatasync(each)) for each in every],
        [said(lambda: checked(libc.syncfs(each))) for each in every],
        [said(lambda: checked(libc.sync_file_range(each, 0, 0, 7))) for each in every],
        [said(lambda: checked(libc.sync_file_range(fd, -1, 0, 7)))],
    ]


# --- locks and leases

F_OFD_GETLK, F_OFD_SETLK = 36, 37


def lock(fd, command, kind, start, length):
    packed = struct.pack('hhqqi4x', kind, 0, start, length, 0)
    return said(lambda: fcntl.fcntl(fd, command, packed) and None)


def locks():
    fd = create(data=b'x' * 100)
    seen = [said(lambda: fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB))]

    def other(work):
        return in_child(lambda: work(os.open('file', os.O_RDWR)))

    seen += [
        other(lambda own: fcntl.flock(own, fcntl.LOCK_SH | fcntl.LOCK_NB)),
        other(lambda own: fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        said(lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        other(lambda own: fcntl.flock(own, fcntl.LOCK_SH | fcntl.LOCK_NB)),
        said(lambda: fcntl.flock(fd, fcntl.LOCK_UN)),
        other(lambda own: fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)),
    ]
    for set_lock in (fcntl.F_SETLK, F_OFD_SETLK):
        seen += [
            lock(fd, set_lock, fcntl.F_WRLCK, 10, 10),
            other(lambda own: lock(own, fcntl.F_SETLK, fcntl.F_WRLCK, 0, 10)),
            other(lambda own: lock(own, fcntl.F_SETLK, fcntl.F_RDLCK, 19, 1)),
            other(lambda own: lock(own, F_OFD_SETLK, fcntl.F_WRLCK, 15, 100)),
            lock(fd, set_lock, fcntl.F_RDLCK, 12, 2),
            other(lambda own: lock(own, F_OFD_SETLK, fcntl.F_RDLCK, 12, 2)),
            other(lambda own: lock(own, F_OFD_SETLK, fcntl.F_RDLCK, 12, 3)),
            lock(fd, set_lock, fcntl.F_UNLCK, 0, 0),
            other(lambda own: lock(own, F_OFD_SETLK, fcntl.F_WRLCK, 0, 0)),
        ]
    # A lock waited for: the holder's end gives it.
    ready, started = os.pipe()
    pid = os.fork()
    if pid == 0:
        fcntl.lockf(os.open('file', os.O_RDWR), fcntl.LOCK_EX)
        os.write(started, b'.')
        signal.pause()
    os.read(ready, 1)
    seen.append(said(lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    os.kill(pid, signal.SIGKILL)
    seen.append(said(lambda: fcntl.lockf(fd, fcntl.LOCK_EX)))
    os.waitpid(pid, 0)
    # Closing any descriptor of the file drops a process's POSIX locks.
    os.close(os.open('file', os.O_RDONLY))
    seen.append(other(lambda own: fcntl.lockf(own, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    reading = os.open('file', os.O_RDONLY)
    seen.append(lock(reading, fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0))
    return seen


def leases():
    os.close(create())
    fd = os.open('file', os.O_RDONLY)
    seen = [said(lambda: fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)) for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK)]
    return seen + [said(lambda: fcntl.fcntl(fd, fcntl.F_GETLEASE))]


# --- holes

def seeks():
    fd = create()
    os.ftruncate(fd, 100 * PAGE)
    os.pwrite(fd, pages('aa'), 10 * PAGE)
    os.pwrite(fd, b'b', 50 * PAGE + 1)
    os.fsync(fd)
    seen = []
    for whence in (os.SEEK_DATA, os.SEEK_HOLE, os.SEEK_SET, os.SEEK_END, os.SEEK_CUR, 9):
        for offset in (0, 10 * PAGE, 11 * PAGE + 1, 12 * PAGE, 50 * PAGE, 51 * PAGE, 100 * PAGE - 1, 100 * PAGE, -1):
            os.lseek(fd, 0, os.SEEK_SET)
            seen.append(said(lambda: os.lseek(fd, offset, whence)))
    directory = os.open('.', os.O_RDONLY)
    return seen + [said(lambda: os.lseek(directory, 0, os.SEEK_SET))]


def blocks():
    """Room is taken by data alone, and given back."""
    fd = create()
    seen = []

    def note(what=None):
        os.fsync(fd)
        st = os.fstat(fd)
        seen.append([what, st.st_size, st.st_blocks, os.stat('file').st_blocks])

    os.ftruncate(fd, 1 << 30)
    note()
    os.pwrite(fd, pages('abcd'), 1 << 29)
    note()
    note(allocate(fd, PUNCH | KEEP_SIZE, (1 << 29) + PAGE, 2 * PAGE))
    note(allocate(fd, KEEP_SIZE, 1 << 30, 16 * PAGE))
    note(allocate(fd, 0, 0, 4 * PAGE))
    note(allocate(fd, ZERO, 1 << 29, PAGE))
    os.ftruncate(fd, 0)
    note()
    return seen


# --- copying inside the kernel

def copies():
    fd = create(data=pages('abcdefgh'))
    other = create('other', pages('zz'))
    appending = os.open('other', os.O_WRONLY | os.O_APPEND)
    reading = os.open('file', os.O_RDONLY)
    writing = os.open('other', os.O_WRONLY)
    directory = os.open('.', os.O_RDONLY)
    pipe, _ = os.pipe()
    copy = os.copy_file_range
    seen = [
        said(lambda: copy(reading, writing, 3 * PAGE, PAGE, PAGE)),
        content('other'),
        said(lambda: copy(reading, writing, 100, 1, 100_001)),
        said(lambda: copy(reading, writing, 100 * PAGE, 6 * PAGE, 0)),
        said(lambda: copy(reading, writing, 10, 8 * PAGE, 0)),
        said(lambda: copy(reading, writing, 0, 0, 0)),
        said(lambda: copy(fd, fd, 2 * PAGE, 0, 4 * PAGE)),
        content(),
        said(lambda: copy(fd, fd, 2 * PAGE, 0, PAGE)),
        said(lambda: copy(fd, fd, PAGE, PAGE, 0)),
        said(lambda: copy(reading, appending, PAGE, 0)),
        said(lambda: copy(reading, reading, PAGE, 0, 5 * PAGE)),
        said(lambda: copy(writing, fd, PAGE, 0, 5 * PAGE)),
        said(lambda: copy(directory, fd, PAGE, 0, 0)),
        said(lambda: copy(pipe, fd, PAGE)),
        said(lambda: copy(reading, writing, PAGE, 0, (1 << 63) - 1)),
        content('other')[-3:],
    ]
    # By the descriptors' own offsets, which move.
    os.lseek(fd, PAGE, os.SEEK_SET)
    seen += [said(lambda: copy(fd, other, 2 * PAGE)), os.lseek(fd, 0, os.SEEK_CUR), os.lseek(other, 0, os.SEEK_CUR)]
    return seen + [content(), content('other')]


def pipes_and_files():
    fd = create(data=pages('abcd'))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    target = create('target')
    appending = os.open('target', os.O_WRONLY | os.O_APPEND)
    seen = [
        said(lambda: os.splice(fd, writing, 2 * PAGE, offset_src=PAGE)),
        said(lambda: os.splice(reading, target, 3 * PAGE, offset_dst=PAGE + 7)),
        content('target'),
        said(lambda: os.sendfile(target, fd, 0, 2 * PAGE)),
        said(lambda: os.sendfile(appending, fd, 0, PAGE)),
        said(lambda: os.sendfile(writing, fd, 0, 100)),
        said(lambda: os.read(reading, 1000).decode()),
        said(lambda: os.splice(fd, writing, PAGE, offset_src=100 * PAGE)),
        said(lambda: os.splice(fd, target, PAGE)),
    ]
    return seen + [content('target')]


# --- fallocate

def allocations():
    """Of the modes that FUSE lets through."""
    seen = []
    modes = (0, KEEP_SIZE, PUNCH | KEEP_SIZE, ZERO, ZERO | KEEP_SIZE, PUNCH, COLLAPSE | KEEP_SIZE, 1 << 10)
    for mode in modes:
        for offset, length in ((PAGE, 2 * PAGE), (100, 5000), (3 * PAGE, 10 * PAGE), (20 * PAGE, PAGE)):
            fd = create(data=pages('abcd'))
            os.ftruncate(fd, 4 * PAGE)
            os.pwrite(fd, pages('abcd'), 0)
            seen.append([mode, offset, allocate(fd, mode, offset, length), os.fstat(fd).st_size, content()])
            os.close(fd)
    fd = create()
    reading = os.open('file', os.O_RDONLY)
    directory = os.open('.', os.O_RDONLY)
    pipe = os.pipe()[1]
    seen += [allocate(fd, 0, 0, 0), allocate(fd, 0, -1, 10), allocate(fd, 0, 0, -1)]
    seen += [allocate(reading, 0, 0, 10), allocate(directory, 0, 0, 10), allocate(pipe, 0, 0, 10)]
    seen += [allocate(fd, 0, (1 << 63) - 10, 100), os.fstat(fd).st_size]
    return seen


# --- limits

def size_limit():
    """RLIMIT_FSIZE: as far as it allows, then EFBIG and SIGXFSZ."""
    def limited(work, is_ignored):
        def run():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 * PAGE + 10, resource.RLIM_INFINITY))
            return work()
        return in_child(run)

    create('source', pages('ssss'))
    fd = create(data=pages('a'))
    works = [
        lambda: os.pwrite(fd, pages('bbb'), PAGE),
        lambda: os.pwrite(fd, b'c', 2 * PAGE + 10),
        lambda: os.pwrite(fd, b'c', 2 * PAGE + 9),
        lambda: os.ftruncate(fd, 2 * PAGE + 10),
        lambda: os.ftruncate(fd, 2 * PAGE + 11),
        lambda: os.truncate('file', 3 * PAGE),
        lambda: checked(libc.fallocate(fd, 0, 0, 2 * PAGE + 11)),
        lambda: checked(libc.fallocate(fd, KEEP_SIZE, 0, 4 * PAGE)),
        lambda: os.copy_file_range(os.open('source', os.O_RDONLY), fd, 3 * PAGE, 0, 0),
        lambda: os.copy_file_range(os.open('source', os.O_RDONLY), fd, PAGE, 0, 2 * PAGE + 10),
        lambda: os.write(os.open('file', os.O_WRONLY | os.O_APPEND), pages('ddd')),
        lambda: os.sendfile(fd, os.open('source', os.O_RDONLY), 0, 4 * PAGE),
    ]
    seen = []
    for work in works:
        for is_ignored in (True, False):
            os.truncate('file', PAGE)
            seen.append([limited(work, is_ignored), os.fstat(fd).st_size])
    return seen


def far_offsets():
    fd = create()
    seen = []
    for offset in (2**31 - 1, 2**31, 2**32 - 1, 2**32 + 1, 2**40, 2**44 - 2 * PAGE):
        seen += [said(lambda: os.pwrite(fd, b'far', offset)), said(lambda: os.pread(fd, 4, offset).decode())]
        seen.append(os.fstat(fd).st_size)
    seen += [os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 2**32 + PAGE, os.SEEK_DATA)]
    for offset in (2**44, 2**50, 2**53 + 1, 2**62, 2**63 - 1, 2**63 - PAGE):
        seen.append(said(lambda: os.pwrite(fd, b'too far', offset)))
        seen.append(said(lambda: os.pread(fd, 4, offset).decode()))
        seen.append(said(lambda: os.ftruncate(fd, offset)))
        seen.append(allocate(fd, 0, offset - 1, 1))
        seen.append(said(lambda: os.lseek(fd, offset, os.SEEK_DATA)))
    seen += [said(lambda: os.pwrite(fd, b'x', -1)), said(lambda: os.pread(fd, 1, -1)), said(lambda: os.ftruncate(fd, -1))]
    os.ftruncate(fd, 2**40 + 1)
    seen += [os.fstat(fd).st_size, said(lambda: os.pread(fd, 3, 2**40).decode())]
    os.ftruncate(fd, 2**31)
    os.ftruncate(fd, 2**40 + 1)
    return seen + [os.pread(fd, 3, 2**40).decode(), os.pread(fd, 1, 2**31 - 1).decode()]


# --- how a file is opened, and flags of single calls

def open_flags():
    create(data=b'content')
    seen = []
    for flags in (os.O_SYNC, os.O_DSYNC, os.O_APPEND, os.O_NONBLOCK, os.O_NOATIME, os.O_DIRECT):
        fd = os.open('file', os.O_RDWR | flags)
        seen.append([fcntl.fcntl(fd, fcntl.F_GETFL) == (fcntl.fcntl(fd, fcntl.F_GETFL) | flags), said(lambda: os.fsync(fd))])
        if flags != os.O_DIRECT:
            seen.append(os.write(fd, b'x'))
        os.close(fd)
    seen.append(content())
    reading = os.open('file', os.O_RDONLY)
    writing = os.open('file', os.O_WRONLY)
    seen += [said(lambda: os.write(reading, b'x')), said(lambda: os.read(writing, 1)), said(lambda: os.ftruncate(reading, 0))]
    seen += [os.read(reading, 100).decode(), os.read(reading, 100).decode(), os.pread(reading, 10, 1000).decode()]
    seen += [os.pwrite(writing, b'', 5000), os.fstat(writing).st_size]
    os.close(os.open('file', os.O_RDONLY | os.O_TRUNC))
    seen += [os.fstat(writing).st_size, said(lambda: os.open('.', os.O_RDWR)), said(lambda: os.truncate('.', 0))]
    many = [b'y'] * 1024
    return seen + [os.writev(writing, many), said(lambda: os.writev(writing, many + [b'z'])), content()]


def call_flags():
    fd = create(data=b'0123456789')
    seen = [said(lambda: os.pwritev(fd, [b'ap', b'pend'], 2, RWF_APPEND)), content()]
    for flags in (RWF_DSYNC, RWF_SYNC, RWF_HIPRI, 1 << 30):
        seen.append(said(lambda: os.pwritev(fd, [b'AB', b'CD'], 1, flags)))
    buffer = bytearray(4)
    return seen + [said(lambda: os.preadv(fd, [buffer], 0, RWF_HIPRI)), buffer.decode(), content()]


def busy_text():
    """A program can't be written while it runs, nor run while it is written."""
    with open('/bin/sleep', 'rb') as source:
        fd = create('program', source.read())
    os.fchmod(fd, 0o755)
    seen = [in_child(lambda: os.execv('program', ['program', '0']))]
    os.close(fd)
    pid = os.fork()
    reading, writing = os.pipe()
    if pid == 0:
        os.execv('program', ['program', '100'])
    while b'program' not in open('/proc/%d/cmdline' % pid, 'rb').read():
        select.select([], [], [], 0.01)
    seen += [said(lambda: os.open('program', os.O_WRONLY)), said(lambda: os.truncate('program', 0))]
    seen += [said(lambda: os.close(os.open('program', os.O_RDONLY))), said(lambda: os.rename('program', 'renamed'))]
    seen.append(said(lambda: os.unlink('renamed')))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return seen


def advice():
    fd = create(data=pages('abcdefgh'))
    seen = [said(lambda: os.posix_fadvise(fd, 0, 0, kind)) for kind in range(7)]
    seen += [said(lambda: checked(libc.readahead(fd, 0, 8 * PAGE))), os.pread(fd, 1, 7 * PAGE).decode()]
    writing = os.open('file', os.O_WRONLY)
    seen += [said(lambda: checked(libc.readahead(writing, 0, PAGE)))]
    memory = mmap.mmap(fd, 8 * PAGE)
    for kind in (mmap.MADV_NORMAL, mmap.MADV_WILLNEED, mmap.MADV_DONTNEED, mmap.MADV_SEQUENTIAL):
        seen.append(said(lambda: memory.madvise(kind)))
    return seen + [memory[PAGE:PAGE + 1].decode()]


def times():
    """What moves the time of the last change, and what does not."""
    fd = create(data=pages('ab'))
    memory = mmap.mmap(fd, 2 * PAGE)

    def store():
        memory[0:1] = b'm'
        memory.flush()

    works = {
        'write': lambda: os.pwrite(fd, b'x', 0),
        'write of nothing': lambda: os.pwrite(fd, b'', 0),
        'direct write': lambda: os.pwrite(os.open('file', os.O_WRONLY | os.O_DIRECT), aligned(pages('d')), 0),
        'read': lambda: os.pread(fd, 10, 0),
        'truncate': lambda: os.ftruncate(fd, 2 * PAGE),
        'store': store,
        'allocate': lambda: allocate(fd, KEEP_SIZE, 0, 9 * PAGE),
        'punch': lambda: allocate(fd, PUNCH | KEEP_SIZE, 0, PAGE),
        'copy': lambda: os.copy_file_range(fd, fd, PAGE, PAGE, 0),
        'fsync': lambda: os.fsync(fd),
        'chmod': lambda: os.fchmod(fd, 0o600),
    }
    seen = []
    for name, work in works.items():
        os.utime('file', ns=(10**18, 10**18))
        changed = os.fstat(fd).st_ctime_ns
        select.select([], [], [], 0.02)
        work()
        after = os.fstat(fd)
        seen.append([name, after.st_mtime_ns != 10**18, after.st_ctime_ns != changed, os.stat('file').st_mtime_ns == after.st_mtime_ns])
    return seen


def truncations():
    fd = create()
    seen = []
    for size in (5000, 100, 3 * PAGE, PAGE, 1 << 33, (1 << 33) - 1, 0, 777):
        os.ftruncate(fd, size)
        os.pwrite(fd, b'e', max(0, min(size, 6000) - 1))
        st = os.stat('file')
        seen.append([st.st_size, os.pread(fd, 1, 100) == b'\0', content() if size < 1 << 20 else None])
    return seen


FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR = 0x801C581F, 0x401C5820
IMMUTABLE, APPEND_ONLY, NO_DUMP, NO_ATIME = 0x10, 0x20, 0x40, 0x80


def flags_of(path, command=FS_IOC_GETFLAGS):
    """Of FS_IOC_FSGETXATTR without the number of extents, which is the file system's own affair."""
    fd = os.open(path, os.O_RDONLY)
    try:
        got = fcntl.ioctl(fd, command, bytes(28 if command == FS_IOC_FSGETXATTR else 4))
    finally:
        os.close(fd)
    words = list(struct.unpack('=%dI' % (len(got) // 4), got))
    return words if len(words) == 1 else words[:2] + words[3:]


def set_flags(path, flags):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack('=I', flags))
    finally:
        os.close(fd)
    return flags_of(path)


def file_flags():
    """What lsattr and chattr do."""
    os.close(create(data=b'content'))
    os.mkdir('directory')
    os.symlink('file', 'link')
    plain = flags_of('file')[0]
    in_directory = flags_of('directory')[0]
    before = os.stat('file').st_ctime_ns
    select.select([], [], [], 0.02)
    seen = [
        plain,
        flags_of('file', FS_IOC_FSGETXATTR),
        set_flags('file', plain | NO_DUMP | NO_ATIME),
        os.stat('file').st_ctime_ns > before,
        flags_of('file', FS_IOC_FSGETXATTR),
        in_directory,
        set_flags('directory', in_directory | NO_DUMP),
        said(lambda: set_flags('file', plain | 1 << 29)),
        said(lambda: set_flags('directory', in_directory | 1 << 30)),
    ]

    def other_user():
        os.setuid(65534)
        return [flags_of('file'), said(lambda: set_flags('file', plain))]

    seen.append(in_child(other_user))
    os.chown('file', 65534, 65534)

    def owner():
        os.setuid(65534)
        return [set_flags('file', plain), said(lambda: set_flags('file', plain | IMMUTABLE))]

    seen.append(in_child(owner))
    os.mkdir('directory/full')
    os.mkdir('directory/full/inside')
    os.mkdir('empty')
    for path in ('file', 'directory', 'directory/full'):
        flags = flags_of(path)[0]
        set_flags(path, flags | IMMUTABLE)
        inside = path + '/new'
        seen += [
            said(lambda: os.close(os.open(path, os.O_WRONLY))),
            said(lambda: os.unlink(path) if path == 'file' else os.rmdir(path)),
            said(lambda: os.rmdir('directory/full')),
            said(lambda: os.rename('empty', 'directory/full')),
            said(lambda: os.rename(path, 'other')),
            said(lambda: os.link(path, 'other')),
            said(lambda: os.chmod(path, 0o600)),
            said(lambda: os.truncate(path, 0)),
            said(lambda: os.utime(path)),
            said(lambda: os.setxattr(path, b'user.name', b'value')),
            said(lambda: os.mkdir(inside)),
            said(lambda: os.path.getsize('file')),
        ]
        seen.append(set_flags(path, flags) == [flags])
    return seen


def append_only():
    fd = create(data=b'begun,')
    plain = flags_of('file')[0]
    set_flags('file', plain | APPEND_ONLY)
    appending = os.open('file', os.O_RDWR | os.O_APPEND)
    again = os.open('file', os.O_WRONLY | os.O_APPEND | os.O_DSYNC)
    seen = [
        said(lambda: os.open('file', os.O_WRONLY)),
        said(lambda: os.open('file', os.O_WRONLY | os.O_APPEND | os.O_TRUNC)),
        said(lambda: os.open('file', os.O_WRONLY | os.O_CREAT)),
        os.write(appending, b'more,'),
        os.write(again, b'synced,'),
        os.pwrite(appending, b'at the end all the same,', 0),
        os.pread(appending, 100, 0).decode(),
        os.write(os.open('file', os.O_WRONLY | os.O_APPEND | os.O_CREAT), b'created,'),
        os.pwrite(fd, b'BEGUN', 0),
        said(lambda: os.truncate('file', 3)),
        said(lambda: os.ftruncate(appending, 3)),
        said(lambda: os.unlink('file')),
        said(lambda: os.rename('file', 'other')),
        said(lambda: os.utime('file', (1, 1))),
        os.utime('file'),
        os.fsync(appending),
        os.lseek(appending, 0, os.SEEK_END),
        content(),
        set_flags('file', plain) == [plain],
    ]
    os.mkdir('directory')
    in_directory = flags_of('directory')[0]
    set_flags('directory', in_directory | APPEND_ONLY)
    seen += [
        os.close(create('directory/new')),
        os.makedirs('directory/full/inside'),
        said(lambda: os.rmdir('directory/full')),
        said(lambda: os.rmdir('directory/full/inside')),
        said(lambda: os.unlink('directory/new')),
        said(lambda: os.rename('directory/new', 'other')),
        sorted(os.listdir('directory')),
        set_flags('directory', in_directory) == [in_directory],
        os.unlink('directory/new'),
        os.rmdir('directory/full'),
    ]
    os.rmdir('directory')
    return seen


# --- where the kernel's FUSE says something else than ext4: see SEMANTICS.md

FS_IOC_GETVERSION, FS_IOC_FIEMAP, FICLONE = 0x80087601, 0xC020660B, 0x40049409


def kernel_limits():
    fd = create(data=pages('abcd'))
    direct = os.open('file', os.O_RDWR | os.O_DIRECT)
    buffer = bytearray(32)
    seen = {
        'collapse': allocate(fd, COLLAPSE, PAGE, PAGE),
        'insert': allocate(fd, INSERT, PAGE, PAGE),
        'unshare': allocate(fd, UNSHARE, 0, PAGE),
        'not waiting': said(lambda: os.preadv(fd, [buffer], 0, RWF_NOWAIT)),
        'direct, not aligned': said(lambda: os.pwrite(direct, b'unaligned', 5)),
        'version': said(lambda: len(fcntl.ioctl(fd, FS_IOC_GETVERSION, bytes(8)))),
        'extents': said(lambda: len(fcntl.ioctl(fd, FS_IOC_FIEMAP, bytes(32)))),
        'clone': said(lambda: fcntl.ioctl(create('other'), FICLONE, fd)),
        'seek beyond the largest file': said(lambda: os.lseek(fd, 2**45, os.SEEK_SET)),
        'content': content()[:4],
    }
    # What a mapping holds is data only when it has been written.
    os.ftruncate(fd, 0)
    os.ftruncate(fd, 4 * PAGE)
    memory = mmap.mmap(fd, 4 * PAGE)
    memory[PAGE:PAGE + 1] = b'm'
    seen['seek to data that is mapped'] = said(lambda: os.lseek(fd, 0, os.SEEK_DATA))
    memory.flush()
    seen['after msync'] = said(lambda: os.lseek(fd, 0, os.SEEK_DATA))
    os.close(create('appended', b'begun'))
    plain = flags_of('appended')[0]
    set_flags('appended', plain | APPEND_ONLY)
    memory = mmap.mmap(os.open('appended', os.O_RDWR | os.O_APPEND), 5)
    memory[0:1] = b'B'
    seen['store in what is append-only'] = said(memory.flush)
    set_flags('appended', plain)
    return seen


def full_disk():
    """In a file system of a few MiB."""
    def fill(fd):
        done = 0
        try:
            while True:
                done += os.pwrite(fd, b'f' * 65536, done)
        except OSError as error:
            return [done > 0, errno.errorcode[error.errno]]

    def store():
        memory = mmap.mmap(sparse, 8 << 20)
        for page in range(0, 8 << 20, PAGE):
            memory[page] = 1
        memory.flush()
        return 'stored'

    filled = create('filled')
    sparse = create('sparse')
    os.ftruncate(sparse, 8 << 20)
    os.mkdir('directory')
    seen = {
        'write': fill(filled),
        'fsync': said(lambda: os.fsync(filled)),
        'allocate': allocate(sparse, 0, 0, 1 << 20),
        'into a hole': said(lambda: os.pwrite(sparse, b'x' * PAGE, 1 << 20)),
        'append': said(lambda: os.write(os.open('filled', os.O_WRONLY | os.O_APPEND), b'x' * 2 * PAGE)),
        'copy': said(lambda: os.copy_file_range(filled, sparse, 1 << 20, 0, 4 << 20)),
        'in place': said(lambda: os.pwrite(filled, b'x' * PAGE, PAGE)),
        'mapping': in_child(store),
    }
    os.ftruncate(filled, 1 << 20)
    os.close(create('other'))
    seen['afterwards'] = said(lambda: os.pwrite(sparse, b'y' * PAGE, 1 << 20))
    seen['content'] = [content('filled'), os.pread(sparse, 1, 1 << 20).decode()]
    return seen


if __name__ == '__main__':
    os.umask(0o022)
    os.chdir(sys.argv[1])
    json.dump(globals()[sys.argv[2]](), sys.stdout)
