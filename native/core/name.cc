#include "core/name.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bygone {

Name::Name(std::string_view bytes) {
  const size_t length = std::min(bytes.size(), kBytesMax + 1);
  std::memcpy(bytes_, bytes.data(), length);
  Accept(length);
}

void Name::Accept(size_t length) {
  bytes_[length] = '\0';
  const std::string_view name(bytes_, length);
  if (length > kBytesMax) {
    refusal_ = -ENAMETOOLONG;
  } else if (name == "." || name == ".." || std::memchr(bytes_, '/', length) != nullptr ||
             std::memchr(bytes_, '\0', length) != nullptr) {
    refusal_ = -EINVAL;
  } else {
    refusal_ = 0;
  }
}

}  // namespace bygone
