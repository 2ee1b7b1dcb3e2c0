#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/bytes_result.h"
#include "core/result.h"

namespace bygone {

// Extended attributes of one object. `fd` may be O_PATH; if the object is a symlink, it is itself
// meant. Names are bytes; one with a NUL inside is -EINVAL.

BytesResult GetXattrPath(int fd, const std::string& name);
Result SetXattrPath(int fd, const std::string& name, std::span<const std::byte> value, int flags);
// NUL-separated names, as listxattr(2) gives them.
BytesResult ListXattrPath(int fd);
Result RemoveXattrPath(int fd, const std::string& name);

}  // namespace bygone
