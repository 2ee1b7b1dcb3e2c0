#include "core/confinement.h"

#include <sys/prctl.h>

#include <cerrno>

namespace bygone {

Result ConfineChildren(uint64_t capabilities) {
  // As many as this kernel knows.
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    if ((capabilities >> capability & 1) != 0) continue;
    // EPERM: without CAP_SETPCAP, as in some containers, which have few themselves.
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) return -errno;
  }
  return ResultOf(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

}  // namespace bygone
