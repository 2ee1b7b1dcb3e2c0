#pragma once

#include "core/bytes_result.h"

namespace bygone {

// The whole listing of the directory that fd has open for reading, from its beginning, without "."
// and "..": for each entry u64le ino, u8 d_type, u8 name length, the name. A name of more than 255
// bytes, which Linux does not make, is -EOVERFLOW for the directory: no name may be lost silently.
BytesResult ReadDirectory(int fd);

}  // namespace bygone
