#include "core/file_data.h"

#include <fcntl.h>
#include <unistd.h>

namespace bygone {
namespace {

struct Progress {
  size_t bytes = 0;
  Result error = 0;
};

Progress Write(int fd, std::span<const std::byte> bytes, int64_t offset) {
  Progress progress;
  while (progress.bytes < bytes.size()) {
    const Result written = Uninterrupted([&] {
      return ::pwrite(fd, bytes.data() + progress.bytes, bytes.size() - progress.bytes,
                      offset + static_cast<int64_t>(progress.bytes));
    });
    if (written <= 0) {
      // A file system that takes nothing and says nothing must not keep us here for ever.
      progress.error = written < 0 ? written : -EIO;
      break;
    }
    progress.bytes += static_cast<size_t>(written);
  }
  return progress;
}

}  // namespace

Result ReadAt(int fd, std::span<std::byte> out, int64_t offset) {
  size_t done = 0;
  while (done < out.size()) {
    const Result got = Uninterrupted([&] {
      return ::pread(fd, out.data() + done, out.size() - done, offset + static_cast<int64_t>(done));
    });
    if (got < 0) return got;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<Result>(done);
}

Result WriteAt(int fd, std::span<const std::byte> bytes, int64_t offset) {
  const Progress progress = Write(fd, bytes, offset);
  return progress.error != 0 ? progress.error : static_cast<Result>(progress.bytes);
}

Result WriteSomeAt(int fd, std::span<const std::byte> bytes, int64_t offset) {
  const Progress progress = Write(fd, bytes, offset);
  return progress.bytes == 0 && progress.error != 0 ? progress.error
                                                    : static_cast<Result>(progress.bytes);
}

Result WriteSomeAs(Identity writer, int fd, std::span<const std::byte> bytes, int64_t offset) {
  const ActingAs acting(writer);
  return acting.refusal() != 0 ? acting.refusal() : WriteSomeAt(fd, bytes, offset);
}

Result WriteAllAs(Identity writer, int fd, std::span<const std::byte> bytes, int64_t offset) {
  const ActingAs acting(writer);
  return acting.refusal() != 0 ? acting.refusal() : WriteAt(fd, bytes, offset);
}

Result Seek(int fd, int64_t offset, int whence) { return ResultOf(::lseek(fd, offset, whence)); }

Result Fallocate(int fd, int mode, int64_t offset, int64_t length) {
  return Uninterrupted([&] { return ::fallocate(fd, mode, offset, length); });
}

Result CopyRange(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out, int64_t length) {
  if (length < 0) return -EINVAL;
  return Uninterrupted([&] {
    off64_t in = offset_in;
    off64_t out = offset_out;
    return ::copy_file_range(fd_in, &in, fd_out, &out, static_cast<size_t>(length), 0);
  });
}

Result Fsync(int fd, bool data_only) {
  return Uninterrupted([&] { return data_only ? ::fdatasync(fd) : ::fsync(fd); });
}

Result Syncfs(int fd) {
  return Uninterrupted([&] { return ::syncfs(fd); });
}

}  // namespace bygone
