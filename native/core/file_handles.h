#pragma once

#include <cstdint>

#include "core/name.h"
#include "core/result.h"

namespace bygone {

// Objects by their number, as an NFS server needs them: name_to_handle_at(2) and open_by_handle_at(2).

// A 32-bit number for this use of the object's inode number: another use of it has another one, and
// it stays the same for as long as the object lives. -EOPNOTSUPP where the file system has none.
Result GenerationAt(int dir, const Name& name);

// Opens the object that now has this inode number on the file system of `mount`, which must be open for
// reading, whatever its generation. -ESTALE: none has. -EOPNOTSUPP: only ext2 to ext4, XFS and btrfs can
// be asked so. -EPERM without CAP_DAC_READ_SEARCH. Whether it is below `mount` is the caller's to find out.
Result OpenByInode(int mount, uint64_t inode, int flags);

// The directory above an open one (also O_PATH); O_PATH. -EXDEV if something is mounted on it (".." would lead
// into that), or if it is on another file system.
Result OpenParent(int dir);

}  // namespace bygone
