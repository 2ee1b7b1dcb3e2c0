#include "core/page_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <utility>

namespace bygone {
namespace {

constexpr size_t kPageBytes = 4096;

}  // namespace

PageBuffer::PageBuffer(size_t lead, size_t bytes) {
  const size_t before = (kPageBytes - lead % kPageBytes) % kPageBytes;
  const size_t mapped = (before + bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  void* const start =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // As operator new does here, which has no exceptions either.
  if (start == MAP_FAILED) std::abort();
  mapping_ = {static_cast<std::byte*>(start), mapped};
  bytes_ = mapping_.subspan(before, bytes);
}

PageBuffer::~PageBuffer() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
}

PageBuffer::PageBuffer(PageBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, {})), bytes_(std::exchange(other.bytes_, {})) {}

PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace bygone
