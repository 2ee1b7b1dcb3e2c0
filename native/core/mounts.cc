#include "core/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>

namespace bygone {

Result OpenFuse() {
  return Uninterrupted([] { return ::open("/dev/fuse", O_RDWR | O_CLOEXEC); });
}

Result MountFuse(int fuse_fd, const std::string& mount_point, const std::string& source,
                 uint64_t flags, const std::string& options) {
  std::string data = "fd=" + std::to_string(fuse_fd);
  if (!options.empty()) data += "," + options;
  return ResultOf(::mount(source.c_str(), mount_point.c_str(), "fuse.bygone", flags, data.c_str()));
}

Result Umount(const std::string& mount_point, int flags) {
  return ResultOf(::umount2(mount_point.c_str(), flags));
}

}  // namespace bygone
