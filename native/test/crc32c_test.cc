#include "core/crc32c.h"

#include <string>

#include "test/check.h"
#include "test/files.h"

namespace bygone::test::crc32c_test {
namespace {

// One bit at a time, straight from the definition.
uint32_t SlowCrc32c(std::span<const std::byte> bytes) {
  uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
  }
  return ~crc;
}

}  // namespace

TEST("CRC-32C gives the published values") {
  std::string ascending(32, '\0');
  for (size_t i = 0; i < 32; i++) ascending[i] = static_cast<char>(i);
  const struct {
    std::string bytes;
    uint32_t crc;
  } vectors[] = {
      {"", 0},
      {"a", 0xC1D04330},
      {"123456789", 0xE3069283},
      {std::string(32, '\0'), 0x8A9136AA},  // the rest: RFC 3720, B.4
      {std::string(32, '\xff'), 0x62A8AB43},
      {ascending, 0x46DD794E},
      {std::string(ascending.rbegin(), ascending.rend()), 0x113FDB5C},
  };
  for (const auto& vector : vectors) {
    CHECK_EQ(Crc32c(BytesOf(vector.bytes), 0), vector.crc);
    CHECK_EQ(Crc32cByTables(BytesOf(vector.bytes), 0), vector.crc);
  }
}

TEST("CRC-32C by instruction, by tables and by definition agree at every length and alignment") {
  const std::string noise = Noise(3 * 4096 * 2 + 3 * 256 * 2 + 64, 1);
  const size_t edges[] = {0,    1,    7,    8,     9,     767,   768,   769,   1536,
                          4096, 8191, 9000, 12287, 12288, 12289, 13056, 24576, 26112};
  for (size_t skip = 0; skip < 9; skip++) {
    for (const size_t length : edges) {
      const auto bytes = BytesOf(noise).subspan(skip, length);
      const uint32_t expected = SlowCrc32c(bytes);
      CHECK_EQ(Crc32c(bytes, 0), expected);
      CHECK_EQ(Crc32cByTables(bytes, 0), expected);
    }
  }
}

TEST("CRC-32C continues from the CRC of what came before") {
  const std::string noise = Noise(40000, 2);
  const auto bytes = BytesOf(noise);
  const uint32_t whole = Crc32c(bytes, 0);
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{13}, size_t{12288}, size_t{39999}}) {
    CHECK_EQ(Crc32c(bytes.subspan(cut), Crc32c(bytes.first(cut), 0)), whole);
    CHECK_EQ(Crc32cByTables(bytes.subspan(cut), Crc32cByTables(bytes.first(cut), 0)), whole);
  }
}

}  // namespace bygone::test::crc32c_test
