#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/result.h"

namespace bygone {

// Where the bytes of a range of a file come from, in file order without gaps. See
// src/base/read-plan.ts, which writes the words. Descriptors are borrowed from whoever made the
// plan.
class ReadPlan {
 public:
  static constexpr size_t kWordsPerPiece = 7;

  enum class Kind { kHole = 0, kFile = 1, kRecord = 2 };

  struct Piece {
    Kind kind;
    int fd;
    uint32_t crc;    // kRecord: of the whole run
    uint64_t start;  // offset in the file that is read
    uint64_t length;
    int64_t offset;      // in fd: kFile where the piece starts, kRecord where the run starts
    uint64_t run_bytes;  // kRecord
    uint64_t skip;       // kRecord: where the piece starts in the run
  };

  // Takes the plan over from its words; false, and an empty plan, if they make no sense.
  bool Parse(std::span<const double> words, size_t piece_count, uint64_t offset);

  uint64_t start() const { return start_; }
  uint64_t end() const { return end_; }
  // The pieces from the one that holds `offset` on.
  std::span<const Piece> From(uint64_t offset) const;

 private:
  std::vector<Piece> pieces_;
  uint64_t start_ = 0;
  uint64_t end_ = 0;
};

// Fetches the bytes that plans describe.
//
// Keeps the last record run it verified, so that small reads in sequence verify it once. A run is
// known by descriptor, place, length and checksum: runs never change, and another run that took
// over the descriptor's number would need the same checksum and so, but for one chance in 2^32 of a
// record that is damaged besides, has the same bytes.
class PlanReader {
 public:
  // Fills out from file offset `offset` on, up to the end of the plan. The bytes read, or -EIO for
  // a checksum that does not match, or another negative errno; then out may hold anything.
  Result Read(const ReadPlan& plan, uint64_t offset, std::span<std::byte> out);

 private:
  Result ReadRecord(const ReadPlan::Piece& piece, uint64_t skip, std::span<std::byte> out);

  std::vector<std::byte> run_;  // run_bytes of it are the run
  int run_fd_ = -1;             // -1: none
  int64_t run_offset_ = 0;
  uint64_t run_bytes_ = 0;
  uint32_t run_crc_ = 0;
};

}  // namespace bygone
