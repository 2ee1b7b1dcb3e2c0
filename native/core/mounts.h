#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace bygone {

Result OpenFuse();
// mount(2) of type fuse.bygone over the connection fuse_fd. Options as in mount.fuse(8), without
// fd.
Result MountFuse(int fuse_fd, const std::string& mount_point, const std::string& source,
                 uint64_t flags, const std::string& options);
Result Umount(const std::string& mount_point, int flags);

}  // namespace bygone
