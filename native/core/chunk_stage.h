#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/page_buffer.h"
#include "core/result.h"

namespace bygone {

// Old chunk bytes on their way from the origin into the journal. For one thread.
class ChunkStage {
 public:
  explicit ChunkStage(size_t capacity_bytes);

  void Clear();
  size_t Room() const { return buffer_.size() - used_; }

  // Adds bytes [offset, offset + length) of fd without its holes, at a granularity of 4 KiB; what
  // lies past the end of the file is a hole. Writes pairs (offset from `offset`, length) to extents
  // and returns their number; if there are too few places, the last extent includes holes. Where
  // the file system can't tell holes, all is data. -ENOBUFS if there is no room for length bytes.
  // Nothing is added on failure.
  Result Add(int fd, uint64_t offset, uint64_t length, std::span<uint32_t> extents);

  // What the last successful Add staged.
  uint32_t last_crc() const { return last_crc_; }
  size_t last_offset() const { return last_offset_; }
  size_t last_length() const { return last_length_; }

  // The staged bytes; valid until the next Add or Clear.
  std::span<const std::byte> bytes() const { return buffer_.span().first(used_); }

  // Writes header and then the staged bytes at file_offset by one system call (more only if the
  // kernel takes it in parts). Returns the bytes written: all.
  Result WriteRecord(int fd, int64_t file_offset, std::span<const std::byte> header) const;

 private:
  PageBuffer buffer_;
  size_t used_ = 0;
  uint32_t last_crc_ = 0;
  size_t last_offset_ = 0;
  size_t last_length_ = 0;
};

}  // namespace bygone
