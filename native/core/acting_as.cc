#include "core/acting_as.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>

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

// capget(2) and capset(2) of the calling thread.
struct Capabilities {
  __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];

  bool Get() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    return ::syscall(SYS_capget, &header, words) == 0;
  }
  bool Set() const {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    return ::syscall(SYS_capset, &header, words) == 0;
  }
  uint32_t& Effective(int capability) { return words[CAP_TO_INDEX(capability)].effective; }
};

// What the calling thread may do when it acts for nobody, and the same without CAP_SYS_RESOURCE.
struct OwnCapabilities {
  Capabilities own{};
  Capabilities limited{};
  bool differ = false;

  OwnCapabilities() {
    if (!own.Get()) return;
    limited = own;
    limited.Effective(CAP_SYS_RESOURCE) &= ~CAP_TO_MASK(CAP_SYS_RESOURCE);
    differ = (own.Effective(CAP_SYS_RESOURCE) & CAP_TO_MASK(CAP_SYS_RESOURCE)) != 0;
  }
};

const OwnCapabilities& Own() {
  static thread_local const OwnCapabilities own;
  return own;
}

}  // namespace

void KeepCapabilities() {
  const int bits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  // Refused without CAP_SETPCAP: then there is nothing to keep, or the caller's rights must do.
  if (bits >= 0) ::prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
}

ActingAs::ActingAs(Identity identity) {
  if (::geteuid() == 0) TakeOn(identity);
}

void ActingAs::TakeOn(Identity identity) {
  // Before the ids: without SECBIT_NO_SETUID_FIXUP a changed fsuid takes capabilities itself.
  if (identity.uid != 0 && Own().differ) {
    has_dropped_ = Own().limited.Set();
    if (!has_dropped_) refusal_ = -EPERM;
  }
  if (refusal_ == 0 && identity.gid != ::getegid()) {
    gid_before_ = SetId(kSetFsGid, identity.gid);
    if (identity.gid == kNoId || SetId(kSetFsGid, kNoId) != identity.gid) refusal_ = -EPERM;
  }
  if (refusal_ == 0 && identity.uid != 0) {
    uid_before_ = SetId(kSetFsUid, identity.uid);
    if (identity.uid == kNoId || SetId(kSetFsUid, kNoId) != identity.uid) refusal_ = -EPERM;
  }
}

ActingAs::~ActingAs() {
  // Callers read errno after their scope has ended.
  const int saved = errno;
  if (uid_before_ >= 0) SetId(kSetFsUid, static_cast<uint32_t>(uid_before_));
  if (gid_before_ >= 0) SetId(kSetFsGid, static_cast<uint32_t>(gid_before_));
  if (has_dropped_) Own().own.Set();
  errno = saved;
}

}  // namespace bygone
