#include "core/directory_listing.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace bygone {
namespace {

static_assert(std::endian::native == std::endian::little);

// What getdents64(2) fills in; libc has no name for it.
struct KernelEntry {
  uint64_t ino;
  int64_t offset;
  uint16_t record_bytes;
  uint8_t type;
  char name[1];
};
constexpr size_t kNameOffset = offsetof(KernelEntry, name);
constexpr size_t kPackedHeaderBytes = 10;
constexpr size_t kBatchBytes = 64 * 1024;

bool IsDots(std::string_view name) { return name == "." || name == ".."; }

void Pack(uint64_t ino, uint8_t type, std::string_view name, std::vector<std::byte>& out) {
  const size_t at = out.size();
  out.resize(at + kPackedHeaderBytes + name.size());
  std::memcpy(&out[at], &ino, sizeof ino);
  out[at + 8] = std::byte{type};
  out[at + 9] = static_cast<std::byte>(name.size());
  std::memcpy(out.data() + at + kPackedHeaderBytes, name.data(), name.size());
}

}  // namespace

BytesResult ReadDirectory(int fd) {
  if (::lseek(fd, 0, SEEK_SET) < 0) return {-errno, {}};
  const auto batch = std::make_unique_for_overwrite<char[]>(kBatchBytes);
  BytesResult result;
  for (;;) {
    const Result filled =
        Uninterrupted([&] { return ::syscall(SYS_getdents64, fd, batch.get(), kBatchBytes); });
    if (filled < 0) return {filled, {}};
    if (filled == 0) return result;
    for (Result at = 0; at < filled;) {
      const char* const record = batch.get() + at;
      KernelEntry entry;
      std::memcpy(&entry, record, kNameOffset);
      const std::string_view name(record + kNameOffset);
      if (name.size() > UINT8_MAX) return {-EOVERFLOW, {}};
      if (!IsDots(name)) Pack(entry.ino, entry.type, name, result.bytes);
      at += entry.record_bytes;
    }
  }
}

}  // namespace bygone
