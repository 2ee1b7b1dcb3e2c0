#include "core/chunk_stage.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "core/crc32c.h"
#include "core/file_data.h"

namespace bygone {
namespace {

constexpr uint64_t kGranuleBytes = 4096;

struct Range {
  Result error = 0;
  uint64_t begin = 0;
  uint64_t end = 0;  // empty: no more data
};

// The next data in [from, end), widened to whole granules.
Range NextData(int fd, uint64_t from, uint64_t end) {
  const Result data = Seek(fd, static_cast<int64_t>(from), SEEK_DATA);
  if (data == -ENXIO) return {};  // no data from here to the end of the file
  if (data == -EINVAL || data == -EOPNOTSUPP) return {0, from, end};  // holes can't be told
  if (data < 0) return {data, 0, 0};
  const auto begin = static_cast<uint64_t>(data);
  if (begin >= end) return {};
  const Result hole = Seek(fd, data, SEEK_HOLE);
  if (hole < 0 && hole != -ENXIO) return {hole, 0, 0};
  const uint64_t data_end = hole < 0 ? begin : static_cast<uint64_t>(hole);
  const uint64_t rounded_end = (data_end + kGranuleBytes - 1) / kGranuleBytes * kGranuleBytes;
  return {0, std::max(begin / kGranuleBytes * kGranuleBytes, from), std::min(rounded_end, end)};
}

}  // namespace

ChunkStage::ChunkStage(size_t capacity_bytes) : buffer_(0, std::max<size_t>(capacity_bytes, 1)) {}

void ChunkStage::Clear() {
  used_ = 0;
  last_crc_ = 0;
  last_offset_ = 0;
  last_length_ = 0;
}

Result ChunkStage::Add(int fd, uint64_t offset, uint64_t length, std::span<uint32_t> extents) {
  const size_t places = extents.size() / 2;
  if (places == 0 || length > UINT32_MAX || offset > std::numeric_limits<int64_t>::max() - length) {
    return -EINVAL;
  }
  if (length > Room()) return -ENOBUFS;
  const uint64_t end = offset + length;
  size_t staged = used_;
  size_t count = 0;
  uint64_t last_end = offset;  // of the last extent, as a place in the file
  for (uint64_t at = offset; at < end;) {
    Range data = NextData(fd, at, end);
    if (data.error != 0) return data.error;
    if (data.begin >= data.end) break;
    const bool is_adjacent = count > 0 && data.begin == last_end;
    if (!is_adjacent && count == places) data = {0, last_end, end};
    const std::span<std::byte> room =
        buffer_.span().subspan(staged, static_cast<size_t>(data.end - data.begin));
    const Result got = ReadAt(fd, room, static_cast<int64_t>(data.begin));
    if (got < 0) return got;
    if (got > 0) {
      if (is_adjacent || count == places) {
        extents[2 * count - 1] += static_cast<uint32_t>(got);
      } else {
        extents[2 * count] = static_cast<uint32_t>(data.begin - offset);
        extents[2 * count + 1] = static_cast<uint32_t>(got);
        count++;
      }
      staged += static_cast<size_t>(got);
      last_end = data.begin + static_cast<uint64_t>(got);
    }
    if (static_cast<size_t>(got) < room.size()) break;  // the end of the file
    at = data.end;
  }
  last_offset_ = used_;
  last_length_ = staged - used_;
  last_crc_ = Crc32c(buffer_.span().subspan(last_offset_, last_length_), 0);
  used_ = staged;
  return static_cast<Result>(count);
}

Result ChunkStage::WriteRecord(int fd, int64_t file_offset,
                               std::span<const std::byte> header) const {
  const std::span<const std::byte> staged = bytes();
  iovec parts[2] = {{const_cast<std::byte*>(header.data()), header.size()},
                    {const_cast<std::byte*>(staged.data()), staged.size()}};
  const Result written =
      Uninterrupted([&] { return ::pwritev(fd, parts, 2, static_cast<off_t>(file_offset)); });
  if (written < 0) return written;
  auto done = static_cast<size_t>(written);
  // A short write is mostly a full disk: the rest tells.
  if (done < header.size()) {
    const Result rest = WriteAt(fd, header.subspan(done), file_offset + static_cast<int64_t>(done));
    if (rest < 0) return rest;
    done = header.size();
  }
  const Result rest =
      WriteAt(fd, staged.subspan(done - header.size()), file_offset + static_cast<int64_t>(done));
  if (rest < 0) return rest;
  return static_cast<Result>(header.size() + staged.size());
}

}  // namespace bygone
