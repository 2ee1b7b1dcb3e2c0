#pragma once

#include <cerrno>
#include <cstdint>

namespace bygone {

// What a call gives back: a count, descriptor or 0, or a negative errno. errno itself is never part
// of a contract here.
using Result = int64_t;

inline Result ResultOf(int64_t returned) { return returned < 0 ? -errno : returned; }

// Calls again while a signal interrupts it.
template <typename Call>
Result Uninterrupted(Call call) {
  for (;;) {
    const Result result = ResultOf(call());
    if (result != -EINTR) return result;
  }
}

}  // namespace bygone
