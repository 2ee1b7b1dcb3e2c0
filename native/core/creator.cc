#include "core/creator.h"

#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bygone {
namespace {

#ifdef SYS_setfsuid32
constexpr long kSetFsUid = SYS_setfsuid32;
constexpr long kSetFsGid = SYS_setfsgid32;
#else
constexpr long kSetFsUid = SYS_setfsuid;
constexpr long kSetFsGid = SYS_setfsgid;
#endif

// Both calls return the id before, succeed or not: a change to -1, which is no id, asks for the
// present one.
uint32_t SetId(long call, uint32_t id) { return static_cast<uint32_t>(::syscall(call, id)); }
constexpr uint32_t kNoId = UINT32_MAX;

thread_local bool has_own_umask = false;

}  // namespace

Result IsolateThread() {
  if (!has_own_umask) {
    if (::unshare(CLONE_FS) != 0) return -errno;
    has_own_umask = true;
  }
  const int bits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  // Refused without CAP_SETPCAP: then there is nothing to keep, or the caller's rights must do.
  if (bits >= 0) ::prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
  return 0;
}

ActingAs::ActingAs(const Creator& creator) {
  if (::geteuid() == 0) {
    // Group first: without SECBIT_NO_SETUID_FIXUP a changed fsuid may cost capabilities.
    if (creator.gid != ::getegid()) {
      gid_before_ = SetId(kSetFsGid, creator.gid);
      if (creator.gid == kNoId || SetId(kSetFsGid, kNoId) != creator.gid) refusal_ = -EPERM;
    }
    if (refusal_ == 0 && creator.uid != 0) {
      uid_before_ = SetId(kSetFsUid, creator.uid);
      if (creator.uid == kNoId || SetId(kSetFsUid, kNoId) != creator.uid) refusal_ = -EPERM;
    }
  }
  // The real umask, because a default ACL of the directory takes its place; also if it is 0, since
  // the daemon's own must not count. A thread that shares its umask with others must not touch it:
  // there the bits are taken off the mode, beside the daemon's.
  if (has_own_umask) {
    umask_before_ = ::umask(creator.umask & 0777);
  } else {
    mask_ = creator.umask & 0777;
  }
}

ActingAs::~ActingAs() {
  // Callers read errno after their scope has ended.
  const int saved = errno;
  if (umask_before_ >= 0) ::umask(static_cast<mode_t>(umask_before_));
  if (uid_before_ >= 0) SetId(kSetFsUid, static_cast<uint32_t>(uid_before_));
  if (gid_before_ >= 0) SetId(kSetFsGid, static_cast<uint32_t>(gid_before_));
  errno = saved;
}

}  // namespace bygone
