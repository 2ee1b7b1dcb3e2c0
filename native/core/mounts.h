#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace bygone {

Result OpenFuse();
// mount(2) of `type` (fuse.bygone) over the connection fuse_fd. Options as in mount.fuse(8), without
// fd.
Result MountFuse(int fuse_fd, const std::string& mount_point, const std::string& source,
                 const std::string& type, uint64_t flags, const std::string& options);
Result Umount(const std::string& mount_point, int flags);
// syncfs(2) of what is mounted at mount_point, which must be the file system `device`
// ("major:minor"): -EXDEV if another one is reached by that path. Blocks until the mount's daemon
// has served the writes.
Result SyncMount(const std::string& mount_point, const std::string& device);

}  // namespace bygone
