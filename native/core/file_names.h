#pragma once

#include <cstdint>
#include <string>

#include "core/creator.h"
#include "core/name.h"
#include "core/result.h"

namespace bygone {

// Calls on one name in an open directory. None follows a symlink, leaves the directory or crosses
// onto another file system. Descriptors returned are close-on-exec and belong to the caller.

// openat2(2). O_DIRECT is dropped: data comes from memory of any alignment. So are flags that
// open(2) does not know (the kernel hands some on). With O_APPEND writes ignore their offset.
// -EXDEV where something is mounted, -ELOOP for a symlink unless O_PATH is given.
Result OpenAt(int dir, const Name& name, int flags, uint32_t mode);

// The same with O_CREAT, or with O_TMPFILE and the empty name.
Result CreateAt(int dir, const Name& name, int flags, uint32_t mode, const Creator& creator);
Result MkdirAt(int dir, const Name& name, uint32_t mode, const Creator& creator);
// rdev in the kernel's 32-bit encoding.
Result MknodAt(int dir, const Name& name, uint32_t mode, uint32_t rdev, const Creator& creator);
Result SymlinkAt(const std::string& target, int dir, const Name& name, const Creator& creator);

Result LinkAt(int old_dir, const Name& old_name, int new_dir, const Name& new_name);
// A new name for the object behind fd, which may be O_PATH or O_TMPFILE.
Result LinkPath(int fd, int new_dir, const Name& new_name);
Result UnlinkAt(int dir, const Name& name, int flags);
Result RenameAt(int old_dir, const Name& old_name, int new_dir, const Name& new_name,
                uint32_t flags);

// The target of a symlink; with the empty name of the one that is open (O_PATH) as dir.
struct TextResult {
  Result error = 0;
  std::string bytes;
};
TextResult ReadlinkAt(int dir, const Name& name);

}  // namespace bygone
