#include "core/file_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <limits>

#include "core/proc_path.h"

namespace bygone {
namespace {

// As the kernel and FUSE carry device numbers (new_encode_dev).
uint32_t EncodedDevice(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

}  // namespace

Result StatAt(int dir, const Name& name, std::span<double, kStatFields> out) {
  if (name.refusal() != 0) return name.refusal();
  struct statx found;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_SYNC_AS_STAT |
                    (name.empty() ? AT_EMPTY_PATH : 0);
  if (::statx(dir, name.c_str(), flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) {
    return -errno;
  }
  const bool has_birth = (found.stx_mask & STATX_BTIME) != 0;
  const auto birth_sec = static_cast<double>(found.stx_btime.tv_sec);
  const double fields[kStatFields] = {
      static_cast<double>(::makedev(found.stx_dev_major, found.stx_dev_minor)),
      static_cast<double>(found.stx_ino),
      static_cast<double>(found.stx_mode),
      static_cast<double>(found.stx_nlink),
      static_cast<double>(found.stx_uid),
      static_cast<double>(found.stx_gid),
      static_cast<double>(EncodedDevice(found.stx_rdev_major, found.stx_rdev_minor)),
      static_cast<double>(found.stx_size),
      static_cast<double>(found.stx_blocks),
      static_cast<double>(found.stx_blksize),
      static_cast<double>(found.stx_atime.tv_sec),
      static_cast<double>(found.stx_atime.tv_nsec),
      static_cast<double>(found.stx_mtime.tv_sec),
      static_cast<double>(found.stx_mtime.tv_nsec),
      static_cast<double>(found.stx_ctime.tv_sec),
      static_cast<double>(found.stx_ctime.tv_nsec),
      has_birth ? birth_sec : std::numeric_limits<double>::quiet_NaN(),
      has_birth ? static_cast<double>(found.stx_btime.tv_nsec) : 0,
      (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ? 1.0 : 0.0,
  };
  for (size_t i = 0; i < kStatFields; i++) out[i] = fields[i];
  return 0;
}

Result ChmodPath(int fd, uint32_t mode) {
  const mode_t bits = mode & 07777;
  if (::fchmod(fd, bits) == 0) return 0;
  if (errno != EBADF) return -errno;
  // O_PATH. Kernels before 6.6 would change the mode of a symlink, and then say that they did not.
  struct stat found;
  if (::fstat(fd, &found) != 0) return -errno;
  if (S_ISLNK(found.st_mode)) return -EOPNOTSUPP;
  return ResultOf(::chmod(ProcPath(fd).c_str(), bits));
}

Result ChownPath(int fd, uint32_t uid, uint32_t gid) {
  return ResultOf(::fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

Result UtimensPath(int fd, int64_t atime_sec, int64_t atime_nsec, int64_t mtime_sec,
                   int64_t mtime_nsec) {
  const timespec times[2] = {{atime_sec, atime_nsec}, {mtime_sec, mtime_nsec}};
  return ResultOf(::utimensat(fd, "", times, AT_EMPTY_PATH));
}

Result TruncatePath(int fd, int64_t size) {
  // The descriptor's own right to write first: its opener may have lost the right to open again.
  const Result truncated = Uninterrupted([&] { return ::ftruncate(fd, size); });
  if (truncated != -EBADF && truncated != -EINVAL) return truncated;
  return Uninterrupted([&] { return ::truncate(ProcPath(fd).c_str(), size); });
}

Result Statfs(int fd, std::span<double, kStatfsFields> out) {
  struct statfs found;
  const Result result = Uninterrupted([&] { return ::fstatfs(fd, &found); });
  if (result < 0) return result;
  const double fields[kStatfsFields] = {
      static_cast<double>(found.f_bsize),  static_cast<double>(found.f_blocks),
      static_cast<double>(found.f_bfree),  static_cast<double>(found.f_bavail),
      static_cast<double>(found.f_files),  static_cast<double>(found.f_ffree),
      static_cast<double>(found.f_frsize), static_cast<double>(found.f_namelen),
      static_cast<double>(found.f_type),
  };
  for (size_t i = 0; i < kStatfsFields; i++) out[i] = fields[i];
  return 0;
}

}  // namespace bygone
