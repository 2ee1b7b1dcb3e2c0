#pragma once

#include <cstdint>

#include "core/result.h"

namespace bygone {

// The process that asked for a change.
struct Identity {
  uint32_t uid;
  uint32_t gid;
};

// Lets the calling thread keep its capabilities while it acts with another fsuid. To be called once
// on each thread that acts for others.
void KeepCapabilities();

// For its lifetime the calling thread changes files as `identity` does: what it makes belongs to
// that user, and what it fills is limited as for that user.
//
// That is: fsuid and fsgid, and for everybody but root no CAP_SYS_RESOURCE, with which quotas and the
// blocks that a file system reserves would not count. Other rights stay: the kernel has checked the
// user's, and what bygone has to do beside is not his to do. Only root's daemon can act for
// others; elsewhere this does nothing. All of it is state of the calling thread only (raw system
// calls: glibc's wrappers do not spread these).
class ActingAs {
 public:
  explicit ActingAs(Identity identity);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

  // 0, or a negative errno: then nothing may be changed.
  Result refusal() const { return refusal_; }

 private:
  void TakeOn(Identity identity);

  Result refusal_ = 0;
  int64_t uid_before_ = -1;  // -1: not changed
  int64_t gid_before_ = -1;  // -1: not changed
  bool has_dropped_ = false;
};

}  // namespace bygone
