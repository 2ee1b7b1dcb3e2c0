#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/name.h"
#include "core/result.h"

namespace bygone {

// Attributes of one object. `fd` may be O_PATH; if the object is a symlink, it is itself meant.

// The order of src/base/attributes.ts, StatField.
constexpr size_t kStatFields = 19;
// The object `name` in dir, or with the empty name the one behind dir. A time of birth that the
// file system does not know is NaN.
Result StatAt(int dir, const Name& name, std::span<double, kStatFields> out);

// -EOPNOTSUPP for a symlink: Linux has no modes for them.
Result ChmodPath(int fd, uint32_t mode);
// UINT32_MAX leaves an id as it is.
Result ChownPath(int fd, uint32_t uid, uint32_t gid);
Result UtimensPath(int fd, int64_t atime_sec, int64_t atime_nsec, int64_t mtime_sec,
                   int64_t mtime_nsec);
// -EINVAL for anything but a regular file.
Result TruncatePath(int fd, int64_t size);

// The order of Native.statfs in src/base/native.ts.
constexpr size_t kStatfsFields = 9;
Result Statfs(int fd, std::span<double, kStatfsFields> out);

}  // namespace bygone
