#pragma once

#include <cstddef>
#include <vector>

#include "core/result.h"

namespace bygone {

// Bytes, or where error is negative none.
struct BytesResult {
  Result error = 0;
  std::vector<std::byte> bytes;
};

}  // namespace bygone
