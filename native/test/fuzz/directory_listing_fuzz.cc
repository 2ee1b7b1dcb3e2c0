// What getdents64(2) gives for a directory of any file system: packed whole, or refused.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/directory_listing.h"

namespace bygone::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of just that size, so that the sanitizer sees a byte too far.
  const std::vector<char> batch(data, data + size);
  std::vector<std::byte> packed;
  if (PackListing(batch, packed) < 0) return 0;
  for (size_t at = 0; at < packed.size();) {
    if (packed.size() - at < 10) std::abort();
    const auto name_bytes = static_cast<size_t>(packed[at + 9]);
    if (packed.size() - at - 10 < name_bytes) std::abort();
    const std::string_view name(reinterpret_cast<const char*>(&packed[at]) + 10, name_bytes);
    if (name == "." || name == ".." || name.find_first_of(std::string_view("/\0", 2)) != name.npos ||
        name.empty()) {
      std::abort();
    }
    at += 10 + name_bytes;
  }
  return 0;
}

}  // namespace bygone::fuzz
