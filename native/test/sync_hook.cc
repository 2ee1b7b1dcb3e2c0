#include "test/sync_hook.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <utility>

namespace bygone::test {
namespace {

using Hook = std::function<int(ino_t, bool)>;

std::mutex hook_mutex;
std::shared_ptr<const Hook> current_hook;  // guarded by hook_mutex

int Sync(int fd, bool data_only) {
  std::shared_ptr<const Hook> hook;
  {
    const std::lock_guard lock(hook_mutex);
    hook = current_hook;
  }
  struct stat found {};
  if (hook != nullptr && ::fstat(fd, &found) == 0) {
    const int error = (*hook)(found.st_ino, data_only);
    if (error == 0) return 0;
    errno = error;
    return -1;
  }
  return static_cast<int>(::syscall(data_only ? SYS_fdatasync : SYS_fsync, fd));
}

}  // namespace

SyncHook::SyncHook(Hook hook) {
  const std::lock_guard lock(hook_mutex);
  current_hook = std::make_shared<const Hook>(std::move(hook));
}

SyncHook::~SyncHook() {
  const std::lock_guard lock(hook_mutex);
  current_hook = nullptr;
}

}  // namespace bygone::test

// In place of libc's.
extern "C" int fdatasync(int fd) { return bygone::test::Sync(fd, true); }
extern "C" int fsync(int fd) { return bygone::test::Sync(fd, false); }
