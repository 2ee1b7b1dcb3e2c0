#include "core/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace bygone {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kPolynomial = 0x82F63B78;
using Table = std::array<uint32_t, 256>;

// tables[k][b]: what byte b contributes when k more bytes follow it.
constexpr std::array<Table, 8> MakeByteTables() {
  std::array<Table, 8> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; k++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> kByteTables = MakeByteTables();

uint64_t Load(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

#if defined(__x86_64__)

// The instruction takes three cycles but can start each cycle: three independent streams over
// neighbouring blocks keep it busy. Their CRCs are joined by shifting one over the next block, as
// if that were zeros, which is linear: one table lookup for each of its four bytes.
class ShiftOver {
 public:
  constexpr explicit ShiftOver(size_t block_bytes) : tables_{} {
    // Where each single bit of a CRC ends up after block_bytes zeros: the one-byte step, squared
    // again and again (block_bytes is a power of two).
    std::array<uint32_t, 32> image{};
    for (size_t bit = 0; bit < 32; bit++) {
      const uint32_t one = uint32_t{1} << bit;
      image[bit] = (one >> 8) ^ kByteTables[0][one & 0xff];
    }
    for (size_t bytes = 1; bytes < block_bytes; bytes *= 2) {
      const std::array<uint32_t, 32> half = image;
      for (size_t bit = 0; bit < 32; bit++) image[bit] = Apply(half, half[bit]);
    }
    for (size_t k = 0; k < 4; k++) {
      for (uint32_t byte = 0; byte < 256; byte++) {
        tables_[k][byte] = Apply(image, byte << (8 * k));
      }
    }
  }

  uint32_t operator()(uint32_t crc) const {
    return tables_[0][crc & 0xff] ^ tables_[1][(crc >> 8) & 0xff] ^ tables_[2][(crc >> 16) & 0xff] ^
           tables_[3][crc >> 24];
  }

 private:
  static constexpr uint32_t Apply(const std::array<uint32_t, 32>& image, uint32_t vector) {
    uint32_t sum = 0;
    for (size_t bit = 0; vector != 0; bit++, vector >>= 1) {
      if ((vector & 1) != 0) sum ^= image[bit];
    }
    return sum;
  }

  std::array<Table, 4> tables_;
};

constexpr size_t kLongBlockBytes = 4096;
constexpr size_t kShortBlockBytes = 256;
constexpr ShiftOver kOverLongBlock(kLongBlockBytes);
constexpr ShiftOver kOverShortBlock(kShortBlockBytes);

template <size_t kBlockBytes>
__attribute__((target("sse4.2"))) uint32_t ThreeStreams(const std::byte*& at, size_t& left,
                                                        uint32_t crc, const ShiftOver& over) {
  while (left >= 3 * kBlockBytes) {
    uint64_t first = crc;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const std::byte* const end = at + kBlockBytes; at < end; at += 8) {
      first = _mm_crc32_u64(first, Load(at));
      second = _mm_crc32_u64(second, Load(at + kBlockBytes));
      third = _mm_crc32_u64(third, Load(at + 2 * kBlockBytes));
    }
    crc = over(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
    crc = over(crc) ^ static_cast<uint32_t>(third);
    at += 2 * kBlockBytes;
    left -= 3 * kBlockBytes;
  }
  return crc;
}

__attribute__((target("sse4.2"))) uint32_t Crc32cByInstruction(std::span<const std::byte> bytes,
                                                               uint32_t seed) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  uint32_t crc = ~seed;
  crc = ThreeStreams<kLongBlockBytes>(at, left, crc, kOverLongBlock);
  crc = ThreeStreams<kShortBlockBytes>(at, left, crc, kOverShortBlock);
  uint64_t wide = crc;
  for (; left >= 8; at += 8, left -= 8) wide = _mm_crc32_u64(wide, Load(at));
  crc = static_cast<uint32_t>(wide);
  for (; left > 0; at++, left--) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  return ~crc;
}

bool HasInstruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

#endif

}  // namespace

uint32_t Crc32cByTables(std::span<const std::byte> bytes, uint32_t seed) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  uint32_t crc = ~seed;
  for (; left >= 8; at += 8, left -= 8) {
    const uint64_t word = Load(at) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; k++) crc ^= kByteTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; left > 0; at++, left--) {
    crc = (crc >> 8) ^ kByteTables[0][(crc ^ static_cast<uint8_t>(*at)) & 0xff];
  }
  return ~crc;
}

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t seed) {
#if defined(__x86_64__)
  if (HasInstruction()) return Crc32cByInstruction(bytes, seed);
#endif
  return Crc32cByTables(bytes, seed);
}

}  // namespace bygone
