#include "core/file_flags.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

namespace bygone {
namespace {

// The numbers of the flag commands say long, but the kernel moves an int.
size_t ValueBytes(uint32_t command) {
  switch (command) {
    case FS_IOC_GETFLAGS:
    case FS_IOC_SETFLAGS:
      return sizeof(int);
    case FS_IOC_FSGETXATTR:
    case FS_IOC_FSSETXATTR:
      return sizeof(fsxattr);
    default:
      return 0;
  }
}

}  // namespace

Result FileFlags(int fd, uint32_t command, std::span<std::byte> value) {
  const size_t bytes = ValueBytes(command);
  if (bytes == 0 || value.size() != bytes) return -EINVAL;
  return ResultOf(::ioctl(fd, command, value.data()));
}

}  // namespace bygone
