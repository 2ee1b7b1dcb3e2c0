"""Files that are open: without a name, by O_PATH, executed, several names of one."""

import fcntl
import os
import shutil
import socket
import subprocess
import time

from calls import (AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, O_TMPFILE, USER, Snapshots, fallocate, fchmodat2, linkat, outcome, renameat2, state, EXCHANGE)


def seen_by(fd):
    st = os.fstat(fd)
    return [oct(st.st_mode), st.st_nlink, st.st_uid, st.st_gid, st.st_size if not os.path.isdir('/proc/self/fd/%d' % fd) else None]


def changed_by(fd):
    """Everything that a descriptor can change."""
    proc = '/proc/self/fd/%d' % fd
    seen = []
    for label, call in (
        ('write', lambda: os.pwrite(fd, b'more', 4)), ('read', lambda: os.pread(fd, 10, 0)), ('chmod', lambda: os.fchmod(fd, 0o640)),
        ('chown', lambda: os.fchown(fd, USER, 5)), ('times', lambda: os.utime(fd, (7, 8))), ('truncate', lambda: os.ftruncate(fd, 100)),
        ('allocate', lambda: fallocate(fd, 0, 0, 5000)), ('punch', lambda: fallocate(fd, 3, 0, 2)), ('set xattr', lambda: os.setxattr(fd, 'user.a', b'1')),
        ('list xattrs', lambda: os.listxattr(fd)), ('get xattr', lambda: os.getxattr(fd, 'user.a')), ('remove xattr', lambda: os.removexattr(fd, 'user.a')),
        ('sync', lambda: os.fsync(fd)), ('lock', lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        ('lseek', lambda: os.lseek(fd, 0, os.SEEK_DATA)), ('chmod by proc', lambda: os.chmod(proc, 0o600)), ('chown by proc', lambda: os.chown(proc, 1, 1)),
        ('times by proc', lambda: os.utime(proc, (9, 10))), ('truncate by proc', lambda: os.truncate(proc, 50)), ('fchmodat2', lambda: fchmodat2(fd, '', 0o604, AT_EMPTY_PATH)),
        ('open by proc', lambda: os.close(os.open(proc, os.O_RDWR))), ('stat by proc', lambda: os.stat(proc).st_size), ('mtime', lambda: 0 <= time.time() - os.fstat(fd).st_mtime < 60),
        ('mode of open', lambda: fcntl.fcntl(fd, fcntl.F_GETFL) & 0o3),
    ):
        seen.append([label, outcome(call), seen_by(fd)])
    return seen


def files(top):
    seen = []
    path = top + '/file'
    for how in ('named', 'unlinked', 'replaced', 'exchanged', 'unnamed', 'unnamed for ever', 'path', 'path unlinked', 'read only', 'unlinked read only'):
        with open(path, 'w') as file:
            file.write('text')
        flags = os.O_PATH if 'path' in how else os.O_RDONLY if 'read only' in how else os.O_RDWR
        if 'unnamed' in how:
            fd = os.open(top, O_TMPFILE | os.O_RDWR | (os.O_EXCL if 'ever' in how else 0), 0o644)
        else:
            fd = os.open(path, flags)
        if 'unlinked' in how:
            os.unlink(path)
        Snapshots.perhaps()
        if how in ('replaced', 'exchanged'):
            open(path + '2', 'w').close()
            renameat2(path + '2', path, EXCHANGE if how == 'exchanged' else 0)
        seen += [[how, *each] for each in changed_by(fd)]
        for flag, old, call in (('empty path', '', AT_EMPTY_PATH), ('by proc', '/proc/self/fd/%d' % fd, AT_SYMLINK_FOLLOW)):
            said = outcome(linkat, fd if old == '' else AT_FDCWD, old, top + '/linked', call)
            seen.append([how, 'link', flag, said, seen_by(fd), outcome(state, top + '/linked')])
            if said is None:
                os.unlink(top + '/linked')
        os.close(fd)
        for name in os.listdir(top):
            os.unlink(top + '/' + name)
    return seen


def directories(top):
    """An open directory, with its name and without."""
    seen = []
    for how in ('named', 'removed', 'moved', 'replaced'):
        path = top + '/directory'
        os.mkdir(path)
        fd = os.open(path, os.O_RDONLY)
        if how == 'removed':
            os.rmdir(path)
        if how == 'moved':
            os.rename(path, top + '/other')
        if how == 'replaced':
            os.mkdir(top + '/other')
            os.rename(top + '/other', path)
        for label, call in (
            ('list', lambda: os.listdir(fd)), ('create', lambda: os.close(os.open('new', os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))),
            ('mkdir', lambda: os.mkdir('sub', dir_fd=fd)), ('link', lambda: os.symlink('x', 'link', dir_fd=fd)), ('list again', lambda: sorted(os.listdir(fd))),
            ('chmod', lambda: os.fchmod(fd, 0o2750)), ('chown', lambda: os.fchown(fd, 3, 4)), ('xattr', lambda: os.setxattr(fd, 'user.a', b'1')),
            ('stat', lambda: seen_by(fd)), ('above', lambda: oct(os.stat('..', dir_fd=fd).st_mode)), ('self', lambda: seen_by(fd)), ('sync', lambda: os.fsync(fd)),
            ('unnamed', lambda: os.close(os.open('.', O_TMPFILE | os.O_RDWR, 0o600, dir_fd=fd))), ('missing', lambda: os.stat('nothing', dir_fd=fd).st_mode),
            ('move in', lambda: os.rename(top + '/stray', 'stray', dst_dir_fd=fd)), ('cwd', lambda: in_directory(fd)),
        ):
            open(top + '/stray', 'w').close()
            seen.append([how, label, outcome(call)])
        os.close(fd)
        for name in os.listdir(top):
            shutil.rmtree(top + '/' + name) if os.path.isdir(top + '/' + name) else os.unlink(top + '/' + name)
    return seen


def in_directory(fd):
    os.fchdir(fd)
    try:
        return outcome(lambda: os.path.basename(os.getcwd()))
    finally:
        os.chdir('/')


def links(top):
    """Every name of a file tells of what happened through the others; a directory of its sub-directories."""
    seen = []
    names = [top + '/' + name for name in 'abc']
    open(names[0], 'w').close()
    fd = os.open(names[0], os.O_RDWR)

    def look(label):
        seen.append([label, [outcome(state, name) for name in names], seen_by(fd), os.stat(top).st_nlink])
    for label, call in (
        ('made', lambda: None), ('linked', lambda: os.link(names[0], names[1])), ('thrice', lambda: os.link(names[1], names[2])),
        ('written', lambda: os.pwrite(fd, b'text', 0)), ('chmod', lambda: os.chmod(names[1], 0o600)), ('chown', lambda: os.chown(names[2], 7, 8)),
        ('truncated', lambda: os.truncate(names[2], 2)), ('unlinked', lambda: os.unlink(names[0])), ('renamed', lambda: os.rename(names[1], names[0])),
        ('over itself', lambda: os.rename(names[0], names[2])), ('replaced', lambda: os.replace(shutil.copy(names[0], top + '/copy'), names[2])),
        ('gone', lambda: os.unlink(names[0])), ('mkdir', lambda: os.makedirs(top + '/d/e/f')), ('moved', lambda: os.rename(top + '/d/e', top + '/e')),
        ('removed', lambda: shutil.rmtree(top + '/e')),
    ):
        Snapshots.perhaps()
        outcome(call)
        look(label)
    os.close(fd)
    os.rmdir(top + '/d')
    os.unlink(names[2])
    return seen


def executed(top):
    path = top + '/program'
    shutil.copy('/bin/sleep', path)
    fd = os.open(path, os.O_WRONLY)
    seen = [['open for writing', outcome(lambda: subprocess.run([path, '0']).returncode)]]
    os.close(fd)
    process = subprocess.Popen([path, '60'])
    try:
        for label, call in (('write', lambda: os.open(path, os.O_WRONLY)), ('truncate', lambda: os.truncate(path, 0)), ('unlink', lambda: os.unlink(path)),
                            ('replace', lambda: open(path, 'w').close())):
            seen.append([label, outcome(call)])
    finally:
        process.kill()
        process.wait()
    os.unlink(path)
    return seen


def special(top):
    seen = []
    directory = os.open(top, os.O_PATH)
    address = '/proc/self/fd/%d/socket' % directory
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client, socket.socket(socket.AF_UNIX) as second:
        server.bind(address)
        seen.append(outcome(second.bind, address))
        seen.append(outcome(client.connect, address))
        server.listen()
        seen.append(outcome(client.connect, address))
        os.unlink(top + '/socket')
        seen.append(outcome(second.connect, address))
    os.mkfifo(top + '/fifo')
    seen.append(outcome(os.open, top + '/fifo', os.O_WRONLY | os.O_NONBLOCK))
    reader = os.open(top + '/fifo', os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(top + '/fifo', os.O_WRONLY)
    os.rename(top + '/fifo', top + '/fifo2')
    os.write(writer, b'through')
    seen.append(os.read(reader, 100).decode())
    os.unlink(top + '/fifo2')
    seen.append(os.fstat(reader).st_nlink)
    for fd in (reader, writer, directory):
        os.close(fd)
    return seen


def run(top):
    return [*files(top), *directories(top), *links(top), *executed(top), *special(top)]
