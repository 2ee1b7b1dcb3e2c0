#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"

namespace bygone {

// What chattr(1) and lsattr(1) show, and project quotas need, of one open file or directory: `command`
// is FS_IOC_GETFLAGS or FS_IOC_SETFLAGS with 4 bytes of `value`, or FS_IOC_FSGETXATTR or
// FS_IOC_FSSETXATTR with a struct fsxattr, which the gets fill. -EINVAL for anything else.
Result FileFlags(int fd, uint32_t command, std::span<std::byte> value);

}  // namespace bygone
