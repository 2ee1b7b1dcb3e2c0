#pragma once

#include <cstdint>

#include "core/result.h"

namespace bygone {

// What is executed from the calling thread on can have no other capabilities than those whose bits are set, and
// gains nothing by set-user-ID or file capabilities. For root; the thread itself keeps what it has. Without
// CAP_SETPCAP the capabilities stay.
Result ConfineChildren(uint64_t capabilities);

}  // namespace bygone
