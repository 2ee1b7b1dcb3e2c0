#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"

namespace bygone {

// An empty file in memory, which lives as long as some process has a descriptor of it.
Result MemoryFile(const std::string& name);

// Maps the first `bytes` of a file, shared with whoever else maps it. Null on failure.
std::byte* MapShared(int fd, size_t bytes);
void UnmapShared(std::byte* memory, size_t bytes);

}  // namespace bygone
