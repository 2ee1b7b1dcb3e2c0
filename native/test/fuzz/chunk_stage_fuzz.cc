// Any ranges of a file with holes: the extents that are told hold its data and nothing else.

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/chunk_stage.h"
#include "core/crc32c.h"
#include "core/unique_fd.h"

namespace bygone::fuzz {
namespace {

constexpr size_t kCapacityBytes = 64 * 1024;
constexpr size_t kFileBytesMax = 128 * 1024;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const UniqueFd file(::memfd_create("sparse", MFD_CLOEXEC));
  std::vector<std::byte> bytes(input.ConsumeIntegralInRange<size_t>(0, kFileBytesMax));
  if (::ftruncate(file.get(), static_cast<off_t>(bytes.size())) != 0) std::abort();
  while (!bytes.empty() && input.ConsumeBool()) {
    const size_t at = input.ConsumeIntegralInRange<size_t>(0, bytes.size() - 1);
    const size_t length = input.ConsumeIntegralInRange<size_t>(1, bytes.size() - at);
    std::memset(bytes.data() + at, input.ConsumeIntegralInRange<int>(1, 255), length);
    const ssize_t written =
        ::pwrite(file.get(), bytes.data() + at, length, static_cast<off_t>(at));
    if (written != static_cast<ssize_t>(length)) std::abort();
  }
  ChunkStage stage(kCapacityBytes);
  for (int round = 0; round < 8 && input.remaining_bytes() > 0; round++) {
    const bool is_odd = input.ConsumeBool();
    const uint64_t offset = is_odd ? input.ConsumeIntegral<uint64_t>()
                                   : input.ConsumeIntegralInRange<uint64_t>(0, kFileBytesMax);
    const uint64_t length = is_odd ? input.ConsumeIntegral<uint64_t>()
                                   : input.ConsumeIntegralInRange<uint64_t>(0, kCapacityBytes);
    std::vector<uint32_t> extents(input.ConsumeIntegralInRange<size_t>(0, 20), 0xeeeeeeee);
    const size_t staged = stage.bytes().size();
    const Result count = stage.Add(file.get(), offset, length, extents);
    if (count < 0) {
      if (stage.bytes().size() != staged) std::abort();
      stage.Clear();
      continue;
    }
    const auto run = stage.bytes().subspan(stage.last_offset(), stage.last_length());
    if (static_cast<size_t>(count) * 2 > extents.size() || Crc32c(run, 0) != stage.last_crc()) {
      std::abort();
    }
    // The range put together again.
    std::vector<std::byte> found(length);
    uint64_t end = 0;
    size_t done = 0;
    for (Result i = 0; i < count; i++) {
      const uint32_t start = extents[2 * i];
      const uint32_t extent_bytes = extents[2 * i + 1];
      if (start < end || start + uint64_t{extent_bytes} > length) std::abort();
      if (extent_bytes > run.size() - done) std::abort();
      std::memcpy(found.data() + start, run.data() + done, extent_bytes);
      done += extent_bytes;
      end = start + uint64_t{extent_bytes};
    }
    if (done != run.size()) std::abort();
    for (uint64_t i = 0; i < length; i++) {
      const uint64_t at = offset + i;
      if (found[i] != (at < bytes.size() ? bytes[at] : std::byte{0})) std::abort();
    }
  }
  return 0;
}

}  // namespace bygone::fuzz
