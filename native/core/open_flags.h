#pragma once

#include <fcntl.h>

namespace bygone {

// What of open(2)'s flags is honoured for files of the tree, see OpenAt.
constexpr int kOpenFlagsHonoured = O_ACCMODE | O_APPEND | O_CREAT | O_EXCL | O_TRUNC | O_NONBLOCK |
                                   O_SYNC | O_DSYNC | O_NOATIME | O_TMPFILE | O_DIRECTORY | O_PATH;
// openat2(2) refuses all others together with O_PATH.
constexpr int kOpenFlagsOfPath = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Without O_NOFOLLOW, which depends on the kind of path.
inline int HonouredOpenFlags(int flags) {
  const int honoured = (flags & kOpenFlagsHonoured) | O_CLOEXEC | O_NOCTTY;
  return (flags & O_PATH) != 0 ? honoured & kOpenFlagsOfPath : honoured;
}

}  // namespace bygone
