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

Result PackListing(std::span<const char> batch, std::vector<std::byte>& out) {
  while (!batch.empty()) {
    KernelEntry entry;
    if (batch.size() <= kNameOffset) return -EIO;
    std::memcpy(&entry, batch.data(), kNameOffset);
    if (entry.record_bytes <= kNameOffset || entry.record_bytes > batch.size()) return -EIO;
    const std::string_view field(batch.data() + kNameOffset, entry.record_bytes - kNameOffset);
    const std::string_view name = field.substr(0, field.find('\0'));
    if (name.size() == field.size() || name.empty() || name.find('/') != name.npos) return -EIO;
    if (name.size() > UINT8_MAX) return -EOVERFLOW;
    if (!IsDots(name)) Pack(entry.ino, entry.type, name, out);
    batch = batch.subspan(entry.record_bytes);
  }
  return 0;
}

BytesResult ReadDirectory(int fd) {
  if (::lseek(fd, 0, SEEK_SET) < 0) return {-errno, {}};
  const auto batch = std::make_unique_for_overwrite<char[]>(kBatchBytes);
  BytesResult result;
  for (;;) {
    const Result filled =
        Uninterrupted([&] { return ::syscall(SYS_getdents64, fd, batch.get(), kBatchBytes); });
    if (filled < 0) return {filled, {}};
    if (filled == 0) return result;
    const Result packed =
        PackListing({batch.get(), static_cast<size_t>(filled)}, result.bytes);
    if (packed < 0) return {packed, {}};
  }
}

}  // namespace bygone
