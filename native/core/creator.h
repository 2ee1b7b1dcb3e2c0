#pragma once

#include <sys/types.h>

#include <cstdint>

#include "core/acting_as.h"
#include "core/result.h"

namespace bygone {

// Whom a new file shall belong to: the process that asked for it.
struct Creator {
  uint32_t uid;
  uint32_t gid;
  uint32_t umask;
};

// Gives the calling thread a umask of its own, and lets it keep its capabilities while it acts with
// another fsuid. To be called once on each thread that creates files for others. 0 or negative
// errno.
Result IsolateThread();

// For its lifetime the calling thread creates files as `creator` does.
//
// As root the files belong to the creator from their first instant on, so that no crash can leave
// one that belongs to the daemon; otherwise they belong to the daemon's user.
class CreatingAs {
 public:
  explicit CreatingAs(const Creator& creator);
  ~CreatingAs();
  CreatingAs(const CreatingAs&) = delete;
  CreatingAs& operator=(const CreatingAs&) = delete;

  // 0, or a negative errno: then nothing may be created.
  Result refusal() const { return acting_.refusal(); }
  // The mode to create with.
  mode_t ModeFor(mode_t mode) const { return mode & ~mask_; }

 private:
  const ActingAs acting_;
  mode_t mask_ = 0;
  int64_t umask_before_ = -1;  // -1: not changed
};

}  // namespace bygone
