"""What a tree is: every entry with all that a snapshot must keep. Paths and names are bytes, shown
in JSON as latin1 (one character for each byte)."""

import hashlib
import os
import stat

BLOCK = 4096
# Files up to this size are read whole, holes and all; of larger ones only what SEEK_DATA finds.
READ_WHOLE_MAX = 4 << 20
ZEROS = bytes(BLOCK)


def text(raw):
    return raw.decode('latin1')


def data_ranges(fd, size):
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        at = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, at


def content(fd, size):
    """Pieces (offset, bytes) that together hold every byte of the file that is not zero."""
    ranges = [(0, size)] if size <= READ_WHOLE_MAX else data_ranges(fd, size)
    done = 0
    for start, end in ranges:
        # The blocks of the file system may be smaller.
        start = max(start - start % BLOCK, done)
        end = min(-(-end // BLOCK) * BLOCK, size)
        done = max(done, end)
        while start < end:
            piece = os.pread(fd, min(1 << 20, end - start), start)
            if not piece:
                return
            yield start, piece
            start += len(piece)


def fingerprint_of_content(fd, size, keep):
    """A hash of the bytes, in which a hole and zeros are the same. Keeps a copy in directory `keep`."""
    digest = hashlib.blake2b(digest_size=16)
    pieces = []
    for offset, piece in content(fd, size):
        for at in range(0, len(piece), BLOCK):
            block = piece[at:at + BLOCK]
            if block != ZEROS[:len(block)]:
                digest.update(b'%d:' % (offset + at))
                digest.update(block)
        if keep is not None and size <= READ_WHOLE_MAX:
            pieces.append(piece)
    name = digest.hexdigest()
    if keep is not None and size <= READ_WHOLE_MAX:
        path = os.path.join(keep, os.fsencode(name))
        if not os.path.exists(path):
            with open(path, 'wb') as copy:
                copy.write(b''.join(pieces))
    return name


def xattrs_of(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {text(os.fsencode(name)): text(os.getxattr(path, name, follow_symlinks=False))
            for name in sorted(names)
            if not name.startswith('trusted.SGI_ACL_')}  # xfs lists ACLs under a second name, to root


def entry_of(path, shown, d_ino, d_is, keep):
    st = os.lstat(path)
    entry = {
        'path': text(shown),
        'mode': st.st_mode,
        'uid': st.st_uid,
        'gid': st.st_gid,
        'mtime': str(st.st_mtime_ns),
        'ctime': str(st.st_ctime_ns),
        'nlink': st.st_nlink,
        'ino': str(st.st_ino),
        'dev': str(st.st_dev),
        'xattrs': xattrs_of(path),
        'wrong': [],
    }
    if d_ino is not None and d_ino != st.st_ino:
        entry['wrong'].append('d_ino is not st_ino')
    if d_is is not None and d_is != (stat.S_ISDIR(st.st_mode), stat.S_ISREG(st.st_mode), stat.S_ISLNK(st.st_mode)):
        entry['wrong'].append('d_type is not the type')
    if stat.S_ISREG(st.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            entry['size'] = st.st_size
            entry['blocks'] = st.st_blocks
            entry['bytes'] = fingerprint_of_content(fd, st.st_size, keep)
        finally:
            os.close(fd)
    elif stat.S_ISLNK(st.st_mode):
        entry['target'] = text(os.readlink(path))
        entry['size'] = st.st_size
    elif stat.S_ISBLK(st.st_mode) or stat.S_ISCHR(st.st_mode):
        entry['rdev'] = st.st_rdev
    return entry


def fingerprint(root, hidden, keep):
    """Every entry below `root`, itself first as ''. `hidden`: prefixes of names left out in the root."""
    entries = [entry_of(root, b'', None, None, keep)]
    pending = [b'']
    while pending:
        directory = pending.pop()
        with os.scandir(os.path.join(root, directory) if directory else root) as listing:
            for found in listing:
                if not directory and any(found.name.startswith(prefix) for prefix in hidden):
                    continue
                shown = os.path.join(directory, found.name)
                d_is = (found.is_dir(follow_symlinks=False), found.is_file(follow_symlinks=False), found.is_symlink())
                entry = entry_of(found.path, shown, found.inode(), d_is, keep)
                entries.append(entry)
                if stat.S_ISDIR(entry['mode']):
                    pending.append(shown)
    return sorted(entries, key=lambda entry: entry['path'])


def differing_blocks(path, kept):
    """Where the file's bytes are not those of the kept copy: [[offset, got, wanted]...], hex, at most 8."""
    found = []
    with open(path, 'rb') as got_file, open(kept, 'rb') as wanted_file:
        offset = 0
        while len(found) < 8:
            got, wanted = got_file.read(BLOCK), wanted_file.read(BLOCK)
            if not got and not wanted:
                break
            if got != wanted:
                at = next((i for i, (g, w) in enumerate(zip(got, wanted)) if g != w), min(len(got), len(wanted)))
                found.append([offset + at, got[at:at + 16].hex(), wanted[at:at + 16].hex()])
            offset += BLOCK
    return found
