#include "core/extended_attributes.h"

#include <linux/limits.h>
#include <sys/xattr.h>

#include <memory>

#include "core/proc_path.h"

namespace bygone {
namespace {

// Linux allows no longer value and no longer list (XATTR_SIZE_MAX, XATTR_LIST_MAX).
constexpr size_t kBytesMax = 65536;

bool IsXattrName(const std::string& name) { return name.find('\0') == std::string::npos; }

// The call on the descriptor itself, or, where that is O_PATH and so refused, by its path in /proc.
template <typename ByFd, typename ByPath>
Result OnObject(int fd, ByFd by_fd, ByPath by_path) {
  const Result result = ResultOf(by_fd());
  if (result != -EBADF) return result;
  return ResultOf(by_path(ProcPath(fd).c_str()));
}

template <typename Fill>
BytesResult Filled(Fill fill) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBytesMax);
  const Result length = fill(buffer.get());
  if (length < 0) return {length, {}};
  return {0, std::vector<std::byte>(buffer.get(), buffer.get() + length)};
}

}  // namespace

BytesResult GetXattrPath(int fd, const std::string& name) {
  if (!IsXattrName(name)) return {-EINVAL, {}};
  return Filled([&](std::byte* out) {
    return OnObject(
        fd, [&] { return ::fgetxattr(fd, name.c_str(), out, kBytesMax); },
        [&](const char* path) { return ::getxattr(path, name.c_str(), out, kBytesMax); });
  });
}

Result SetXattrPath(int fd, const std::string& name, std::span<const std::byte> value, int flags) {
  if (!IsXattrName(name)) return -EINVAL;
  return OnObject(
      fd, [&] { return ::fsetxattr(fd, name.c_str(), value.data(), value.size(), flags); },
      [&](const char* path) {
        return ::setxattr(path, name.c_str(), value.data(), value.size(), flags);
      });
}

BytesResult ListXattrPath(int fd) {
  return Filled([&](std::byte* out) {
    auto* const names = reinterpret_cast<char*>(out);
    return OnObject(
        fd, [&] { return ::flistxattr(fd, names, kBytesMax); },
        [&](const char* path) { return ::listxattr(path, names, kBytesMax); });
  });
}

Result RemoveXattrPath(int fd, const std::string& name) {
  if (!IsXattrName(name)) return -EINVAL;
  return OnObject(
      fd, [&] { return ::fremovexattr(fd, name.c_str()); },
      [&](const char* path) { return ::removexattr(path, name.c_str()); });
}

}  // namespace bygone
