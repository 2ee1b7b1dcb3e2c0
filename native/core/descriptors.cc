#include "core/descriptors.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/open_flags.h"
#include "core/proc_path.h"

namespace bygone {

Result OpenPath(const std::string& path, int flags, uint32_t mode) {
  if (path.find('\0') != std::string::npos) return -EINVAL;
  return Uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
}

Result OpenStraight(const std::string& path, int flags) {
  if (path.find('\0') != std::string::npos) return -EINVAL;
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_SYMLINKS;
  return Uninterrupted(
      [&] { return ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how); });
}

Result Reopen(int fd, int flags) {
  const ProcPath path(fd);
  return Uninterrupted([&] { return ::open(path.c_str(), HonouredOpenFlags(flags & ~O_CREAT)); });
}

Result Duplicate(int fd) { return ResultOf(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

Result CloseAllOnExec() {
  return ResultOf(::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC));
}

Result DuplicateTo(int fd, int to) {
  return Uninterrupted([&] { return ::dup3(fd, to, O_CLOEXEC); });
}

Result CloseDescriptor(int fd) {
  // Linux has closed it even when it says EINTR.
  const Result result = ResultOf(::close(fd));
  return result == -EINTR ? 0 : result;
}

Result Flock(int fd, int operation) {
  return Uninterrupted([&] { return ::flock(fd, operation); });
}

Result RaiseDescriptorLimit() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
  return static_cast<Result>(limit.rlim_max);
}

Result EventFd() { return ResultOf(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

Result SignalEventFd(int fd) {
  const uint64_t one = 1;
  const Result written = Uninterrupted([&] { return ::write(fd, &one, sizeof one); });
  // EAGAIN: the counter is full, so the event is there already.
  return written >= 0 || written == -EAGAIN ? 0 : written;
}

Result PeerUid(int socket_fd) {
  ucred peer;
  socklen_t length = sizeof peer;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -errno;
  return static_cast<Result>(peer.uid);
}

}  // namespace bygone
