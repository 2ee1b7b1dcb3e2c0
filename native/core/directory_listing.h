#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/bytes_result.h"

namespace bygone {

// The whole listing of the directory that fd has open for reading, from its beginning, without "."
// and "..": for each entry u64le ino, u8 d_type, u8 name length, the name. A name of more than 255
// bytes, which Linux does not make, is -EOVERFLOW for the directory: no name may be lost silently.
BytesResult ReadDirectory(int fd);

// Its part without the system call: adds the entries of one batch of getdents64(2) to `out`. -EIO for what
// is no such batch, as a file system that makes up its entries could have the kernel believe.
Result PackListing(std::span<const char> batch, std::vector<std::byte>& out);

}  // namespace bygone
