#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/unique_fd.h"

namespace bygone::test {

// A directory of its own, removed at the end with all that is in it.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bygone-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

  // A new file with these bytes, open for reading and writing.
  UniqueFd File(const std::string& name, std::string_view bytes = {}) const {
    UniqueFd file(::openat(fd(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!bytes.empty() && ::pwrite(file.get(), bytes.data(), bytes.size(), 0) < 0) std::abort();
    return file;
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

inline std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Bytes that look like no others: no period that a block size shares.
inline std::string Noise(size_t length, uint32_t seed) {
  std::string noise(length, '\0');
  uint32_t state = seed * 2654435761u + 1;
  for (char& byte : noise) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return noise;
}

inline struct stat StatOf(int fd) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) std::abort();
  return found;
}

}  // namespace bygone::test
