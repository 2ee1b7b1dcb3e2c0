#pragma once

#include <cstddef>
#include <string_view>

namespace bygone {

// One component of a path, bytes as the kernel has them, or the empty name.
//
// The last defence against leaving the tree: anything that is not one plain component ("a/b", ".",
// "..", a NUL inside) makes refusal() negative, and every call that takes a Name answers that.
class Name {
 public:
  static constexpr size_t kBytesMax = 255;

  Name() { bytes_[0] = '\0'; }
  explicit Name(std::string_view bytes);

  // For a caller that writes the bytes itself: room for kBytesMax + 1 and a NUL. Then Accept.
  char* buffer() { return bytes_; }
  static constexpr size_t kBufferBytes = kBytesMax + 2;
  // Takes the `length` bytes now in the buffer; more than kBytesMax is a name too long.
  void Accept(size_t length);

  const char* c_str() const { return bytes_; }
  bool empty() const { return bytes_[0] == '\0'; }
  // 0, or -EINVAL or -ENAMETOOLONG.
  int refusal() const { return refusal_; }

 private:
  int refusal_ = 0;
  char bytes_[kBufferBytes];  // NUL-terminated; only the used part is set
};

}  // namespace bygone
