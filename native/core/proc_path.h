#pragma once

#include <charconv>
#include <cstring>

namespace bygone {

// "/proc/self/fd/N": a path to the very object behind a descriptor, for calls that have no form for
// O_PATH descriptors. The kernel jumps to the object and goes no further, so a symlink that is the
// object is not followed. (For these calls a missing /proc is ENOENT.)
class ProcPath {
 public:
  explicit ProcPath(int fd) {
    constexpr char kPrefix[] = "/proc/self/fd/";
    std::memcpy(path_, kPrefix, sizeof kPrefix - 1);
    char* const digits = path_ + sizeof kPrefix - 1;
    *std::to_chars(digits, path_ + sizeof path_ - 1, fd).ptr = '\0';
  }

  const char* c_str() const { return path_; }

 private:
  char path_[32];
};

}  // namespace bygone
