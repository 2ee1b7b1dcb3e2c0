#pragma once

#include <cstddef>
#include <span>

namespace bygone {

// Memory of its own pages, zero at first and taken from the system only as it is touched. The byte
// at `lead` starts a page: what follows a header of that length is copied page by page.
class PageBuffer {
 public:
  PageBuffer(size_t lead, size_t bytes);
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  std::byte* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  std::span<std::byte> span() const { return bytes_; }

 private:
  std::span<std::byte> mapping_;
  std::span<std::byte> bytes_;
};

}  // namespace bygone
