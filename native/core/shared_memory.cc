#include "core/shared_memory.h"

#include <sys/mman.h>

namespace bygone {

Result MemoryFile(const std::string& name) {
  return ResultOf(::memfd_create(name.c_str(), MFD_CLOEXEC));
}

std::byte* MapShared(int fd, size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

void UnmapShared(std::byte* memory, size_t bytes) { ::munmap(memory, bytes); }

}  // namespace bygone
