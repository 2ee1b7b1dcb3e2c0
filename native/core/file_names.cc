#include "core/file_names.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/open_flags.h"
#include "core/proc_path.h"

namespace bygone {
namespace {

constexpr mode_t kPermissionBits = 07777;

Result OpenBeneath(int dir, const char* name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(HonouredOpenFlags(flags) | O_NOFOLLOW);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return Uninterrupted([&] { return ::syscall(SYS_openat2, dir, name, &how, sizeof how); });
}

bool IsTmpfile(int flags) { return (flags & O_TMPFILE) == O_TMPFILE; }

// Runs `create` with the creator's identity, unless that or a name is refused.
template <typename Create>
Result CreateAs(const Creator& creator, const Name& name, Create create) {
  if (name.refusal() != 0) return name.refusal();
  const CreatingAs creating(creator);
  if (creating.refusal() != 0) return creating.refusal();
  return create(creating);
}

}  // namespace

Result OpenAt(int dir, const Name& name, int flags, uint32_t mode) {
  if (name.refusal() != 0) return name.refusal();
  const bool makes = (flags & O_CREAT) != 0 || IsTmpfile(flags);
  return OpenBeneath(dir, name.c_str(), flags, makes ? mode & kPermissionBits : 0);
}

Result CreateAt(int dir, const Name& name, int flags, uint32_t mode, const Creator& creator) {
  const bool is_tmpfile = IsTmpfile(flags);
  if (is_tmpfile != name.empty()) return -EINVAL;
  return CreateAs(creator, name, [&](const CreatingAs& creating) {
    return OpenBeneath(dir, is_tmpfile ? "." : name.c_str(), is_tmpfile ? flags : flags | O_CREAT,
                       creating.ModeFor(mode & kPermissionBits));
  });
}

Result MkdirAt(int dir, const Name& name, uint32_t mode, const Creator& creator) {
  return CreateAs(creator, name, [&](const CreatingAs& creating) {
    return ResultOf(::mkdirat(dir, name.c_str(), creating.ModeFor(mode & kPermissionBits)));
  });
}

Result MknodAt(int dir, const Name& name, uint32_t mode, uint32_t rdev, const Creator& creator) {
  return CreateAs(creator, name, [&](const CreatingAs& creating) {
    return ResultOf(::syscall(SYS_mknodat, dir, name.c_str(),
                              creating.ModeFor(mode & (S_IFMT | kPermissionBits)), rdev));
  });
}

Result SymlinkAt(const std::string& target, int dir, const Name& name, const Creator& creator) {
  if (target.find('\0') != std::string::npos) return -EINVAL;
  return CreateAs(creator, name, [&](const CreatingAs&) {
    return ResultOf(::symlinkat(target.c_str(), dir, name.c_str()));
  });
}

Result LinkAt(int old_dir, const Name& old_name, int new_dir, const Name& new_name) {
  if (old_name.refusal() != 0) return old_name.refusal();
  if (new_name.refusal() != 0) return new_name.refusal();
  return ResultOf(::linkat(old_dir, old_name.c_str(), new_dir, new_name.c_str(), 0));
}

Result LinkPath(int fd, int new_dir, const Name& new_name) {
  if (new_name.refusal() != 0) return new_name.refusal();
  const Result linked = ResultOf(::linkat(fd, "", new_dir, new_name.c_str(), AT_EMPTY_PATH));
  // ENOENT is the answer to those without CAP_DAC_READ_SEARCH, for whom there is /proc.
  if (linked != -ENOENT) return linked;
  return ResultOf(
      ::linkat(AT_FDCWD, ProcPath(fd).c_str(), new_dir, new_name.c_str(), AT_SYMLINK_FOLLOW));
}

Result UnlinkAt(int dir, const Name& name, int flags) {
  if (name.refusal() != 0) return name.refusal();
  return ResultOf(::unlinkat(dir, name.c_str(), flags));
}

Result RenameAt(int old_dir, const Name& old_name, int new_dir, const Name& new_name,
                uint32_t flags) {
  if (old_name.refusal() != 0) return old_name.refusal();
  if (new_name.refusal() != 0) return new_name.refusal();
  return ResultOf(::renameat2(old_dir, old_name.c_str(), new_dir, new_name.c_str(), flags));
}

TextResult ReadlinkAt(int dir, const Name& name) {
  if (name.refusal() != 0) return {name.refusal(), {}};
  char target[PATH_MAX];
  const Result length = ResultOf(::readlinkat(dir, name.c_str(), target, sizeof target));
  if (length < 0) return {length, {}};
  return {0, std::string(target, static_cast<size_t>(length))};
}

}  // namespace bygone
