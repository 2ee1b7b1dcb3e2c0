#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

namespace bygone::test {

// While one lives, fsync and fdatasync of this program call `hook` with the file's inode number and
// whether data alone is meant, instead of waiting for a disk that others may use; a result other
// than 0 is the errno to fail with.
class SyncHook {
 public:
  explicit SyncHook(std::function<int(ino_t, bool data_only)> hook);
  ~SyncHook();
  SyncHook(const SyncHook&) = delete;
  SyncHook& operator=(const SyncHook&) = delete;
};

}  // namespace bygone::test
