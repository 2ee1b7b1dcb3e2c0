#include "core/chunk_stage.h"

#include <array>

#include "core/crc32c.h"
#include "test/check.h"
#include "test/files.h"

namespace bygone::test::chunk_stage_test {
namespace {

constexpr size_t kChunk = 64 * 1024;

// Rebuilds a chunk from what was staged.
std::string Rebuilt(const ChunkStage& stage, std::span<const uint32_t> extents, Result count,
                    size_t length) {
  std::string chunk(length, '\0');
  size_t at = stage.last_offset();
  for (Result i = 0; i < count; i++) {
    const size_t offset = extents[2 * static_cast<size_t>(i)];
    const size_t bytes = extents[2 * static_cast<size_t>(i) + 1];
    chunk.replace(offset, bytes, TextOf(stage.bytes().subspan(at, bytes)));
    at += bytes;
  }
  CHECK_EQ(at, stage.last_offset() + stage.last_length());
  return chunk;
}

std::string Contents(int fd, off_t offset, size_t length) {
  std::string text(length, '\0');
  if (::pread(fd, text.data(), length, offset) < 0) std::abort();
  return text;
}

}  // namespace

TEST("a chunk full of data is one extent") {
  const TempDir dir;
  const std::string noise = Noise(3 * kChunk, 1);
  const UniqueFd file = dir.File("dense", noise);
  ChunkStage stage(4 * kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), kChunk, kChunk, extents), 1);
  CHECK_EQ(extents[0], 0u);
  CHECK_EQ(extents[1], kChunk);
  CHECK(TextOf(stage.bytes()) == noise.substr(kChunk, kChunk));
  CHECK_EQ(stage.last_crc(), Crc32c(BytesOf(noise).subspan(kChunk, kChunk), 0));
  CHECK_EQ(stage.Room(), 3 * kChunk);
}

TEST("holes are left out, and the chunk can be rebuilt") {
  const TempDir dir;
  const UniqueFd file = dir.File("sparse");
  REQUIRE(::ftruncate(file.get(), 4 * kChunk) == 0);
  const std::string noise = Noise(10000, 2);
  REQUIRE(::pwrite(file.get(), noise.data(), 5000, kChunk + 8192) == 5000);
  REQUIRE(::pwrite(file.get(), noise.data(), 100, kChunk + 40000) == 100);
  ChunkStage stage(4 * kChunk);
  std::array<uint32_t, 64> extents{};
  const Result count = stage.Add(file.get(), kChunk, kChunk, extents);
  CHECK_EQ(count, 2);
  CHECK_EQ(extents[0], 8192u);
  CHECK_EQ(extents[1], 8192u);
  CHECK_EQ(extents[2], 36864u);
  CHECK_EQ(extents[3], 4096u);
  CHECK(Rebuilt(stage, extents, count, kChunk) == Contents(file.get(), kChunk, kChunk));
}

TEST("a chunk that is a hole stages nothing") {
  const TempDir dir;
  const UniqueFd file = dir.File("hole");
  REQUIRE(::ftruncate(file.get(), 4 * kChunk) == 0);
  REQUIRE(::pwrite(file.get(), "x", 1, 3 * kChunk) == 1);
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), kChunk, kChunk, extents), 0);
  CHECK_EQ(stage.last_length(), 0u);
  CHECK_EQ(stage.last_crc(), 0u);
  CHECK_EQ(stage.Room(), kChunk);
}

TEST("what lies past the end of the file is a hole") {
  const TempDir dir;
  const std::string noise = Noise(5000, 3);
  const UniqueFd file = dir.File("short", noise);
  ChunkStage stage(4 * kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), 0, kChunk, extents), 1);
  CHECK_EQ(extents[1], 5000u);
  CHECK(TextOf(stage.bytes()) == noise);
  CHECK_EQ(stage.Add(file.get(), kChunk, kChunk, extents), 0);
  CHECK_EQ(stage.Add(file.get(), 5000, kChunk, extents), 0);
}

TEST("chunks are staged one behind the other") {
  const TempDir dir;
  const std::string noise = Noise(2 * kChunk, 4);
  const UniqueFd file = dir.File("two", noise);
  ChunkStage stage(2 * kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), 0, kChunk, extents), 1);
  CHECK_EQ(stage.last_offset(), 0u);
  CHECK_EQ(stage.Add(file.get(), kChunk, kChunk, extents), 1);
  CHECK_EQ(stage.last_offset(), kChunk);
  CHECK_EQ(stage.last_length(), kChunk);
  CHECK_EQ(stage.last_crc(), Crc32c(BytesOf(noise).subspan(kChunk), 0));
  CHECK(TextOf(stage.bytes()) == noise);
  CHECK_EQ(stage.Add(file.get(), 0, 1, extents), -ENOBUFS);
  stage.Clear();
  CHECK_EQ(stage.Room(), 2 * kChunk);
}

TEST("with too few places for extents the last one includes holes") {
  const TempDir dir;
  const UniqueFd file = dir.File("comb");
  REQUIRE(::ftruncate(file.get(), kChunk) == 0);
  for (off_t at = 0; at < static_cast<off_t>(kChunk); at += 8192) {
    REQUIRE(::pwrite(file.get(), "tooth", 5, at) == 5);
  }
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> many{};
  const Result all = stage.Add(file.get(), 0, kChunk, many);
  CHECK_EQ(all, 8);
  CHECK(Rebuilt(stage, many, all, kChunk) == Contents(file.get(), 0, kChunk));
  for (const size_t places : {1u, 2u, 7u}) {
    stage.Clear();
    const Result few = stage.Add(file.get(), 0, kChunk, std::span(many).first(2 * places));
    CHECK_EQ(few, static_cast<Result>(places));
    CHECK(Rebuilt(stage, many, few, kChunk) == Contents(file.get(), 0, kChunk));
  }
}

TEST("a range that starts and ends within data keeps to it") {
  const TempDir dir;
  const std::string noise = Noise(kChunk, 5);
  const UniqueFd file = dir.File("unaligned", noise);
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), 5000, 1234, extents), 1);
  CHECK_EQ(extents[0], 0u);
  CHECK_EQ(extents[1], 1234u);
  CHECK(TextOf(stage.bytes()) == noise.substr(5000, 1234));
}

TEST("where holes can't be told all is data, up to the end of the file") {
  // procfs knows neither SEEK_DATA nor the size of its files.
  const UniqueFd file(::open("/proc/self/limits", O_RDONLY));
  REQUIRE(file.valid());
  REQUIRE(::lseek(file.get(), 0, SEEK_DATA) < 0);
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), 0, kChunk, extents), 1);
  CHECK(stage.last_length() > 100);
  CHECK_EQ(extents[1], stage.last_length());
}

TEST("a failed add leaves the stage as it was") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "abc");
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> extents{};
  CHECK_EQ(stage.Add(file.get(), 0, kChunk, extents), 1);
  const size_t room = stage.Room();
  CHECK_EQ(stage.Add(-1, 0, 100, extents), -EBADF);
  CHECK_EQ(stage.Add(file.get(), 0, 100, std::span(extents).first(1)), -EINVAL);
  CHECK_EQ(stage.Add(file.get(), UINT64_MAX, 100, extents), -EINVAL);
  CHECK_EQ(stage.Room(), room);
  CHECK_EQ(stage.last_length(), 3u);
}

TEST("a record is its header and then the staged bytes, where it was asked for") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "staged");
  const UniqueFd journal = dir.File("journal", "0123456789");
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> extents{};
  REQUIRE(stage.Add(file.get(), 0, kChunk, extents) == 1);
  CHECK_EQ(stage.WriteRecord(journal.get(), 4, BytesOf("head:")), 11);
  CHECK_EQ(Contents(journal.get(), 0, 20).c_str(), std::string("0123head:staged"));
  const UniqueFd read_only(::open(dir.Path("journal").c_str(), O_RDONLY));
  CHECK_EQ(stage.WriteRecord(read_only.get(), 0, BytesOf("head:")), -EBADF);
}

TEST("a full disk is an error, not a short record") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "staged");
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  ChunkStage stage(kChunk);
  std::array<uint32_t, 64> extents{};
  REQUIRE(stage.Add(file.get(), 0, kChunk, extents) == 1);
  CHECK_EQ(stage.WriteRecord(full.get(), 0, BytesOf("head:")), -ENOSPC);
}

}  // namespace bygone::test::chunk_stage_test
