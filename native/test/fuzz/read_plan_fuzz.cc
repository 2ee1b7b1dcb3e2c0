// Plans as a damaged store makes them: what is read is what the words say, or an error, and never more
// than was asked for.

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/crc32c.h"
#include "core/read_plan.h"
#include "core/unique_fd.h"

namespace bygone::fuzz {
namespace {

constexpr size_t kFileBytes = 5000;

std::byte ByteAt(uint64_t offset) { return static_cast<std::byte>(offset * 7 % 251 + 1); }

int FileWithBytes() {
  std::byte bytes[kFileBytes];
  for (size_t i = 0; i < kFileBytes; i++) bytes[i] = ByteAt(i);
  const int fd = ::memfd_create("plan", MFD_CLOEXEC);
  if (::write(fd, bytes, sizeof bytes) != static_cast<ssize_t>(sizeof bytes)) std::abort();
  return fd;
}

double NumberFrom(FuzzedDataProvider& input, int below) {
  if (input.ConsumeIntegralInRange<int>(0, 7) > 0) return input.ConsumeIntegralInRange(0, below);
  return input.ConsumeBool() ? input.ConsumeFloatingPoint<double>()
                             : static_cast<double>(input.ConsumeIntegral<uint64_t>());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const UniqueFd file(FileWithBytes());
  static std::byte whole[kFileBytes];
  if (::pread(file.get(), whole, sizeof whole, 0) != static_cast<ssize_t>(sizeof whole)) std::abort();
  FuzzedDataProvider input(data, size);
  PlanReader reader;
  for (int round = 0; round < 4 && input.remaining_bytes() > 0; round++) {
    std::vector<double> words;
    const size_t pieces = input.ConsumeIntegralInRange<size_t>(0, 6);
    for (size_t i = 0; i < pieces; i++) {
      const double kind = NumberFrom(input, 3);
      const double length = NumberFrom(input, 6000);
      const double offset = NumberFrom(input, kFileBytes);
      const double run_bytes = NumberFrom(input, 6000);
      // As often as not the checksum is right.
      const bool is_inside = offset >= 0 && run_bytes >= 0 && offset + run_bytes <= kFileBytes;
      const double crc = input.ConsumeBool() && is_inside
                             ? Crc32c(std::span(whole).subspan(static_cast<size_t>(offset),
                                                               static_cast<size_t>(run_bytes)),
                                      0)
                             : NumberFrom(input, 100);
      const double fd = input.ConsumeBool() ? file.get() : NumberFrom(input, 1 << 20);
      words.insert(words.end(), {kind, length, fd, offset, run_bytes, crc, NumberFrom(input, 6000)});
    }
    ReadPlan plan;
    const uint64_t start = input.ConsumeIntegralInRange<uint64_t>(0, 10000);
    if (!plan.Parse(words, pieces + input.ConsumeIntegralInRange<size_t>(0, 1), start)) {
      if (plan.start() != plan.end()) std::abort();
      continue;
    }
    const uint64_t offset = input.ConsumeIntegralInRange<uint64_t>(0, 20000);
    std::vector<std::byte> out(input.ConsumeIntegralInRange<size_t>(0, 9000), std::byte{0xee});
    const Result got = reader.Read(plan, offset, out);
    if (got > static_cast<Result>(out.size())) std::abort();
    if (got <= 0) continue;
    for (const ReadPlan::Piece& piece : plan.From(offset)) {
      for (uint64_t at = std::max(piece.start, offset); at < piece.start + piece.length; at++) {
        if (at - offset >= static_cast<uint64_t>(got)) return 0;
        uint64_t in_file = at - piece.start + static_cast<uint64_t>(piece.offset);
        if (piece.kind == ReadPlan::Kind::kRecord) in_file += piece.skip;
        const bool is_data = piece.kind != ReadPlan::Kind::kHole && in_file < kFileBytes;
        const bool is_ours = piece.kind == ReadPlan::Kind::kHole || piece.fd == file.get();
        if (is_ours && out[at - offset] != (is_data ? ByteAt(in_file) : std::byte{0})) std::abort();
      }
    }
  }
  return 0;
}

}  // namespace bygone::fuzz
