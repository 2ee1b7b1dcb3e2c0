#include "core/creator.h"

#include <sched.h>
#include <sys/stat.h>

namespace bygone {
namespace {

thread_local bool has_own_umask = false;

}  // namespace

Result IsolateThread() {
  if (!has_own_umask) {
    if (::unshare(CLONE_FS) != 0) return -errno;
    has_own_umask = true;
  }
  KeepCapabilities();
  return 0;
}

CreatingAs::CreatingAs(const Creator& creator) : acting_({creator.uid, creator.gid}) {
  // The real umask, because a default ACL of the directory takes its place; also if it is 0, since
  // the daemon's own must not count. A thread that shares its umask with others must not touch it:
  // there the bits are taken off the mode, beside the daemon's.
  if (has_own_umask) {
    umask_before_ = ::umask(creator.umask & 0777);
  } else {
    mask_ = creator.umask & 0777;
  }
}

CreatingAs::~CreatingAs() {
  if (umask_before_ >= 0) ::umask(static_cast<mode_t>(umask_before_));
}

}  // namespace bygone
