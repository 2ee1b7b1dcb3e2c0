#include "core/file_handles.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <span>

#include "core/crc32c.h"
#include "core/open_flags.h"
#include "core/unique_fd.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

namespace bygone {
namespace {

constexpr size_t kHandleBytesMax = 128;

struct Handle {
  alignas(file_handle) std::byte bytes[sizeof(file_handle) + kHandleBytesMax] = {};

  file_handle* get() { return reinterpret_cast<file_handle*>(bytes); }
  std::byte* body() { return bytes + sizeof(file_handle); }
  template <typename T>
  void Put(size_t offset, T value) {
    std::memcpy(body() + offset, &value, sizeof value);
  }
};

Result HandleAt(int dir, const char* name, Handle& handle) {
  handle.get()->handle_bytes = kHandleBytesMax;
  int mount_id;
  const int flags = *name == '\0' ? AT_EMPTY_PATH : 0;
  return ResultOf(::name_to_handle_at(dir, name, handle.get(), &mount_id, flags));
}

// struct xfs_bstat and xfs_fsop_bulkreq of the kernel's xfs_fs.h, which not every system has.
struct XfsBulkTime {
  long seconds;
  int32_t nanoseconds;
};
struct XfsBulkStat {
  uint64_t inode;
  uint16_t mode;
  uint16_t links;
  uint32_t uid;
  uint32_t gid;
  uint32_t device;
  int32_t block_bytes;
  int64_t bytes;
  XfsBulkTime accessed, modified, changed;
  int64_t blocks;
  uint32_t flags;
  int32_t extent_bytes;
  int32_t extents;
  uint32_t generation;
  std::byte rest[256];
};
struct XfsBulkRequest {
  uint64_t* inode;
  int32_t count;
  void* buffer;
  int32_t* taken;
};

// XFS takes no handle without the right generation; root may ask for it.
Result XfsGeneration(int mount, uint64_t inode) {
  XfsBulkStat found{};
  uint64_t asked = inode;
  int32_t taken = 0;
  XfsBulkRequest request{&asked, 1, &found, &taken};
  const Result result = ResultOf(::ioctl(mount, _IOWR('X', 102, XfsBulkRequest), &request));
  if (result == -EINVAL || result == -ENOENT) return -ESTALE;
  if (result < 0) return result;
  return found.inode == inode ? static_cast<Result>(found.generation) : -ESTALE;
}

// The handle that the file system itself would give out, with a generation that it does not check.
Result MakeHandle(int mount, uint64_t inode, Handle& handle) {
  struct statfs found;
  if (::fstatfs(mount, &found) != 0) return -errno;
  file_handle& head = *handle.get();
  switch (static_cast<uint32_t>(found.f_type)) {
    case EXT4_SUPER_MAGIC:  // ext2 and ext3 have the same
      if (inode > UINT32_MAX) return -ESTALE;
      head.handle_type = 1;
      head.handle_bytes = 8;
      handle.Put(0, static_cast<uint32_t>(inode));
      return 0;
    case XFS_SUPER_MAGIC: {
      const Result generation = XfsGeneration(mount, inode);
      if (generation < 0) return generation;
      head.handle_type = 0x81;
      head.handle_bytes = 12;
      handle.Put(0, inode);
      handle.Put(8, static_cast<uint32_t>(generation));
      return 0;
    }
    case BTRFS_SUPER_MAGIC: {
      // The subvolume's number stands behind the inode's.
      const Result result = HandleAt(mount, "", handle);
      if (result < 0) return result;
      if (head.handle_bytes != 20) return -EOPNOTSUPP;
      handle.Put(0, inode);
      handle.Put(16, uint32_t{0});
      return 0;
    }
    default:
      return -EOPNOTSUPP;
  }
}

}  // namespace

Result GenerationAt(int dir, const Name& name) {
  if (name.refusal() != 0) return name.refusal();
  Handle handle;
  const Result result = HandleAt(dir, name.c_str(), handle);
  if (result < 0) return result;
  // The handles of two uses of one inode number differ in 32 bits at one place: so do their CRCs, always.
  return Crc32c(std::span(handle.body(), handle.get()->handle_bytes), 0);
}

Result OpenByInode(int mount, uint64_t inode, int flags) {
  Handle handle;
  const Result made = MakeHandle(mount, inode, handle);
  if (made < 0) return made;
  const Result opened = Uninterrupted([&] {
    return ::open_by_handle_at(mount, handle.get(), HonouredOpenFlags(flags) | O_CLOEXEC);
  });
  if (opened < 0) return opened;
  UniqueFd fd(static_cast<int>(opened));
  struct stat found;
  if (::fstat(fd.get(), &found) != 0) return -errno;
  if (found.st_ino != inode) return -ESTALE;
  return fd.Release();
}

Result OpenParent(int dir) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  return Uninterrupted([&] { return ::syscall(SYS_openat2, dir, "..", &how, sizeof how); });
}

}  // namespace bygone
