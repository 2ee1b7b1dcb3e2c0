"""Blocks that say when they were written, so that many processes can write, cut and look at the same
time and every look can be judged: a snapshot holds nothing that was written after it was taken, and all
that was written before it was asked for. Run in an actor; stamps are CLOCK_MONOTONIC, the same in all."""

import errno
import hashlib
import json
import mmap
import os
import random
import struct
import time
import zlib

BLOCK = 4096
# A writer owns runs of this many blocks, between those of others: they share chunks, never blocks.
RUN = 4
HEAD = struct.Struct('<4sIIQ4x')
TAIL = struct.Struct('<QII')
REPEATS = (BLOCK - TAIL.size) // HEAD.size
ZEROS = bytes(BLOCK)
# Files that are changed behind bygone's back while nothing is mounted.
DRIFTING = 6
ACK = struct.Struct('<Q')
# A full disk refuses; what was written may end before, between two blocks.
FULL = (errno.ENOSPC, errno.EDQUOT)
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)


def block_of(file, index, stamp):
    body = HEAD.pack(b'BYGO', file, index, stamp) * REPEATS
    return body + bytes(BLOCK - TAIL.size - len(body)) + TAIL.pack(stamp, zlib.crc32(body), 0)


def stamp_of(block, file, index):
    """When the block was written; 0 for zeros. ValueError if it is not whole, or another's."""
    if block == ZEROS:
        return 0
    stamp, crc, _ = TAIL.unpack_from(block, BLOCK - TAIL.size)
    if block[:HEAD.size] != HEAD.pack(b'BYGO', file, index, stamp):
        raise ValueError('another block')
    if zlib.crc32(block[:REPEATS * HEAD.size]) != crc:
        raise ValueError('a mixture of blocks')
    return stamp


class Acks:
    """For each block the stamp of the last write that was answered; survives whatever dies."""

    def __init__(self, path, files, blocks):
        self.blocks = blocks
        if not os.path.exists(path):
            with open(path, 'wb') as file:
                file.write(bytes(files * blocks * ACK.size))
        self.file = open(path, 'r+b')
        self.memory = mmap.mmap(self.file.fileno(), 0)

    def set(self, file, index, stamp):
        ACK.pack_into(self.memory, (file * self.blocks + index) * ACK.size, stamp)

    def all(self):
        return struct.unpack('<%dQ' % (len(self.memory) // ACK.size), self.memory[:])


def until_stopped(given, step):
    """Repeats a step until the stop file is there; how often, and whether the mount died meanwhile."""
    count = 0
    try:
        while not os.path.exists(given['stop']):
            step()
            count += 1
    except OSError as error:
        if error.errno not in GONE:
            raise
        return {'count': count, 'gone': errno.errorcode[error.errno]}
    return {'count': count}


def prepare(given):
    """Makes the files that `write` writes to, each block stamped, and what `churn` changes names of."""
    root = given['root']
    os.makedirs(root + '/stamped', exist_ok=True)
    os.makedirs(root + '/churn', exist_ok=True)
    os.makedirs(root + '/drift', exist_ok=True)
    for file in range(DRIFTING):
        with open(root + '/drift/%d' % file, 'wb') as target:
            target.write(b'as it was' * 2000)
    acks = Acks(given['acks'], given['files'], given['blocks'])
    for file in range(given['files']):
        stamp = time.monotonic_ns()
        with open(root + '/stamped/%d' % file, 'wb') as target:
            target.write(b''.join(block_of(file, index, stamp) for index in range(given['blocks'])))
        for index in range(given['blocks']):
            acks.set(file, index, stamp)


def write(given):
    """Overwrites blocks in place, by write(2) or through a shared mapping."""
    choice = random.Random(given['seed'])
    acks = Acks(given['acks'], given['files'], given['blocks'])
    runs = range(given['writer'], given['blocks'] // RUN, given['writers'])
    fds = {}

    def step():
        file = choice.randrange(given['files'])
        if file not in fds or choice.random() < 0.02:
            if file in fds:
                os.close(fds[file])
            fds[file] = os.open(given['root'] + '/stamped/%d' % file, os.O_RDWR)
        first = choice.choice(runs) * RUN + choice.randrange(RUN)
        count = choice.randint(1, RUN - first % RUN)
        stamp = time.monotonic_ns()
        data = b''.join(block_of(file, index, stamp) for index in range(first, first + count))
        try:
            store(file, first, count, stamp, data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            time.sleep(0.005)

    def store(file, first, count, stamp, data):
        if given['mapped'] and choice.random() < 0.1:
            with mmap.mmap(fds[file], given['blocks'] * BLOCK) as memory:
                # A page at a time, as a snapshot may come between two.
                memory[first * BLOCK:first * BLOCK + len(data)] = data
                memory.flush()
        else:
            count = os.pwrite(fds[file], data, first * BLOCK) // BLOCK
        for index in range(first, first + count):
            acks.set(file, index, stamp)
        if choice.random() < 0.01:
            os.fsync(fds[file])

    try:
        return until_stopped(given, step)
    finally:
        for fd in fds.values():
            os.close(fd)


def churn(given):
    """Makes, replaces, cuts, renames, links and removes files whose blocks are all stamped."""
    choice = random.Random(given['seed'])
    base = given['root'] + '/churn'
    directories = ['/%d' % number for number in range(3)]

    def anything():
        return base + choice.choice(directories) + '/%d' % choice.randrange(12)

    def fresh(path):
        stamp = time.monotonic_ns()
        with open(path, 'wb') as file:
            file.write(b''.join(block_of(0, index, stamp) for index in range(choice.randint(1, 24))))

    def replace():
        path = anything()
        temporary = path + '.%d~' % given['seed']
        fresh(temporary)
        os.rename(temporary, path)

    def cut():
        path = anything()
        size = os.path.getsize(path)
        os.truncate(path, choice.randrange(size // BLOCK + 1) * BLOCK)

    def exchange():
        one, other = choice.sample(directories, 2)
        os.rename(base + one, base + '/moving%d' % given['seed'])
        os.rename(base + other, base + one)
        os.rename(base + '/moving%d' % given['seed'], base + other)

    def grow():
        # What is written is what stands in the file, so that nothing else may show.
        with open(anything(), 'r+b') as file:
            end = file.seek(0, os.SEEK_END) // BLOCK
            index = choice.randrange(end + 3)
            os.pwrite(file.fileno(), block_of(0, index, time.monotonic_ns()), index * BLOCK)

    kinds = [(replace, 6), (lambda: fresh(anything()), 4), (cut, 3), (grow, 6), (exchange, 1),
             (lambda: os.unlink(anything()), 4), (lambda: os.rename(anything(), anything()), 4),
             (lambda: os.link(anything(), anything()), 2),
             (lambda: os.makedirs(base + choice.choice(directories), exist_ok=True), 3)]

    def step():
        try:
            choice.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]()
        except OSError as error:
            # Others are at it too: what was there may be gone, or be there already.
            if error.errno not in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ESTALE, *FULL):
                raise
            if error.errno in FULL:
                time.sleep(0.005)

    return until_stopped(given, step)


def drift(given):
    choice = random.Random(given['seed'])
    with open(given['root'] + '/drift/%d' % choice.randrange(DRIFTING), 'r+b') as file:
        file.seek(choice.randrange(18000))
        file.write(choice.randbytes(500))


def content(path, kept_open=None):
    """Past what the kernel has cached of it, so that the daemon must answer. `kept_open`: descriptors by
    path that stay open, for what was planned at an earlier look must not be believed at a later one."""
    fd = (kept_open or {}).get(path, -1)
    if fd < 0:
        fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        pieces = []
        while True:
            piece = os.pread(fd, 1 << 20, sum(map(len, pieces)))
            if not piece:
                return b''.join(pieces)
            pieces.append(piece)
    finally:
        if kept_open is not None and len(kept_open) < 100:
            kept_open[path] = fd
        elif kept_open is None or path not in kept_open:
            os.close(fd)


def files_below(root):
    for directory, _, names in sorted(os.walk(root, onerror=fail)):
        for name in sorted(names):
            yield os.path.join(directory, name)


def all_below(root):
    for part in ('stamped', 'churn', 'drift'):
        for path in files_below(root + '/' + part):
            yield os.path.relpath(path, root), path


def fail(error):
    raise error


def digest(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def blocks_wrong(data, file, until, after, blocks):
    for index in range(-(-len(data) // BLOCK)):
        try:
            stamp = stamp_of(data[index * BLOCK:(index + 1) * BLOCK], file, index)
        except (ValueError, struct.error) as error:
            yield 'block %d is %s' % (index, error)
            continue
        if stamp > until:
            yield 'block %d was written %.3f ms after the snapshot' % (index, (stamp - until) / 1e6)
        if after is not None and stamp < after[file * blocks + index]:
            yield 'block %d is older than what was written before the snapshot' % index


def look(given):
    """The first look at a tree: what is wrong with it by its stamps; `keep` gets what it is like."""
    root, wrong, total, seen = given['root'], [], 0, {}
    for name, path in all_below(root):
        part, _, base = name.partition('/')
        try:
            data = content(path)
        except OSError as error:
            if part != 'drift' or error.errno != errno.EIO:
                raise
            seen[name] = 'EIO'
            continue
        seen[name] = digest(data)
        total += len(data)
        if part == 'drift':
            continue
        file, after = (int(base), given['after']) if part == 'stamped' else (0, None)
        wrong += ['%s: %s' % (name, what)
                  for what in blocks_wrong(data, file, given['until'], after, given['blocks'])]
    if given.get('keep'):
        with open(given['keep'] + '~', 'w') as file:
            json.dump(seen, file)
        os.rename(given['keep'] + '~', given['keep'])
    return {'bytes': total, 'wrong': wrong[:8]}


def again(root, keep, kept_open=None):
    """A later look at a snapshot: it must be what it was."""
    with open(keep) as file:
        seen = json.load(file)
    wrong, total = [], 0
    found = dict(all_below(root))
    wrong += ['%s has appeared' % name for name in found if name not in seen]
    wrong += ['%s is gone' % name for name in seen if name not in found]
    for name, path in found.items():
        try:
            is_kept_open = kept_open is not None and name.startswith('stamped/')
            data = content(path, kept_open if is_kept_open else None)
        except OSError as error:
            # What it was is lost, which is said; another file's bytes would be wrong.
            if name.startswith('drift/') and error.errno == errno.EIO:
                continue
            raise
        total += len(data)
        if name in seen and digest(data) != seen[name]:
            wrong.append('%s has changed' % name)
    return total, wrong


def read(given):
    """Looks again and again at snapshots, whichever there are."""
    choice = random.Random(given['seed'])
    result = {'bytes': 0, 'wrong': []}
    kept_open = {}

    def step():
        kept = [name for name in os.listdir(given['looks']) if name.endswith('.json')]
        if not kept or result['wrong']:
            time.sleep(0.01)
            return
        # The newest snapshot has most of what is still to be preserved.
        name = max(kept) if choice.random() < 0.4 else choice.choice(kept)
        root = given['live'] + '/' + name[:-len('.json')]
        try:
            total, wrong = again(root, given['looks'] + '/' + name, kept_open)
        except OSError as error:
            # A snapshot that is deleted while it is read.
            if error.errno in GONE or os.path.exists(given['looks'] + '/' + name):
                raise
            return
        if not os.path.exists(given['looks'] + '/' + name):
            return
        result['bytes'] += total
        result['wrong'] += ['%s: %s' % (name, what) for what in wrong[:4]]

    try:
        return {**until_stopped(given, step), **result}
    finally:
        for fd in kept_open.values():
            os.close(fd)


def reread(given):
    """One more look at every snapshot."""
    result = {'bytes': 0, 'wrong': []}
    for name in sorted(os.listdir(given['looks'])):
        if name.endswith('.json'):
            total, wrong = again(given['live'] + '/' + name[:-len('.json')], given['looks'] + '/' + name)
            result['bytes'] += total
            result['wrong'] += ['%s: %s' % (name, what) for what in wrong[:4]]
    return result


def acks_of(given):
    return Acks(given['acks'], given['files'], given['blocks']).all()
