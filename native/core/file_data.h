#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/acting_as.h"
#include "core/result.h"

namespace bygone {

// Data of open files, at given offsets.

// Bytes read; fewer than asked only at the end of the file.
Result ReadAt(int fd, std::span<std::byte> out, int64_t offset);
// All of it, or a negative errno.
Result WriteAt(int fd, std::span<const std::byte> bytes, int64_t offset);
// As much as could be written; an error only if nothing was.
Result WriteSomeAt(int fd, std::span<const std::byte> bytes, int64_t offset);
// Both within the limits of `writer`.
Result WriteSomeAs(Identity writer, int fd, std::span<const std::byte> bytes, int64_t offset);
Result WriteAllAs(Identity writer, int fd, std::span<const std::byte> bytes, int64_t offset);

Result Seek(int fd, int64_t offset, int whence);
Result Fallocate(int fd, int mode, int64_t offset, int64_t length);
// copy_file_range(2): may copy less than asked.
Result CopyRange(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out, int64_t length);
Result Fsync(int fd, bool data_only);
Result Syncfs(int fd);

}  // namespace bygone
