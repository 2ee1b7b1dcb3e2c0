#pragma once

#include <string>

#include "core/result.h"

namespace bygone {

// Mounts through the set-uid helper fusermount3, which hands the /dev/fuse descriptor over. Blocks
// until it has ended.
//
// The descriptor, or -ENOENT if there is no fusermount3, or -EPERM if it refused; `message` is what
// it said on stderr in any case. -EINVAL for the option auto_unmount, with which it never ends.
Result MountByFusermount(const std::string& mount_point, const std::string& options,
                         std::string& message);

}  // namespace bygone
