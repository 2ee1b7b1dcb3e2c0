#include "core/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/supervisor.h"
#include "core/unique_fd.h"

namespace bygone {

Result OpenFuse() {
  return Uninterrupted([] { return ::open("/dev/fuse", O_RDWR | O_CLOEXEC); });
}

Result MountFuse(int fuse_fd, const std::string& mount_point, const std::string& source,
                 const std::string& type, uint64_t flags, const std::string& options) {
  std::string data = "fd=" + std::to_string(fuse_fd);
  if (!options.empty()) data += "," + options;
  return ResultOf(
      ::mount(source.c_str(), mount_point.c_str(), type.c_str(), flags, data.c_str()));
}

Result Umount(const std::string& mount_point, int flags) {
  // It writes back what programs changed through mappings.
  const WaitingForOwnMount waiting;
  return ResultOf(::umount2(mount_point.c_str(), flags));
}

Result SyncMount(const std::string& mount_point, const std::string& device) {
  const WaitingForOwnMount waiting;
  const Result opened = Uninterrupted(
      [&] { return ::open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC); });
  if (opened < 0) return opened;
  const UniqueFd root(static_cast<int>(opened));
  struct stat found;
  const Result stated = ResultOf(::fstat(root.get(), &found));
  if (stated < 0) return stated;
  const std::string reached =
      std::to_string(major(found.st_dev)) + ":" + std::to_string(minor(found.st_dev));
  if (reached != device) return -EXDEV;
  return Uninterrupted([&] { return ::syncfs(root.get()); });
}

}  // namespace bygone
