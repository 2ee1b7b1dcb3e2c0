#include "core/read_plan.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/crc32c.h"
#include "core/file_data.h"

namespace bygone {
namespace {

// Numbers in JavaScript are exact up to here.
constexpr double kWholeMax = 9007199254740992.0;
// A run is one chunk's preserved bytes at most, and the largest chunk has 4 MiB.
constexpr uint64_t kRunBytesMax = uint64_t{1} << 22;

// False for NaN too.
bool IsWhole(double word) { return word >= 0 && word <= kWholeMax; }

}  // namespace

bool ReadPlan::Parse(std::span<const double> words, size_t piece_count, uint64_t offset) {
  pieces_.clear();
  start_ = end_ = offset;
  if (piece_count > words.size() / kWordsPerPiece) return false;
  for (size_t i = 0; i < piece_count; i++) {
    const std::span<const double> word = words.subspan(i * kWordsPerPiece, kWordsPerPiece);
    const bool is_hole = word[0] == static_cast<double>(Kind::kHole);
    const bool is_file = word[0] == static_cast<double>(Kind::kFile);
    const bool is_record = word[0] == static_cast<double>(Kind::kRecord);
    bool is_sane = (is_hole || is_file || is_record) && IsWhole(word[1]);
    if (!is_hole) {
      is_sane = is_sane && IsWhole(word[2]) && word[2] <= std::numeric_limits<int>::max() &&
                IsWhole(word[3]);
    }
    if (is_record) {
      is_sane = is_sane && IsWhole(word[4]) && IsWhole(word[5]) && word[5] <= UINT32_MAX &&
                IsWhole(word[6]) && word[6] + word[1] <= word[4];
    }
    if (!is_sane) {
      pieces_.clear();
      end_ = start_;
      return false;
    }
    Piece piece{};
    piece.kind = static_cast<Kind>(word[0]);
    piece.fd = is_hole ? -1 : static_cast<int>(word[2]);
    piece.start = end_;
    piece.length = static_cast<uint64_t>(word[1]);
    if (!is_hole) piece.offset = static_cast<int64_t>(word[3]);
    if (is_record) {
      piece.run_bytes = static_cast<uint64_t>(word[4]);
      piece.crc = static_cast<uint32_t>(word[5]);
      piece.skip = static_cast<uint64_t>(word[6]);
    }
    pieces_.push_back(piece);
    end_ += piece.length;
  }
  return true;
}

std::span<const ReadPlan::Piece> ReadPlan::From(uint64_t offset) const {
  const auto after =
      std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                       [](uint64_t at, const Piece& piece) { return at < piece.start; });
  const auto holding = after == pieces_.begin() ? after : after - 1;
  return {holding, pieces_.end()};
}

Result PlanReader::Read(const ReadPlan& plan, uint64_t offset, std::span<std::byte> out) {
  if (offset < plan.start()) return -EINVAL;
  if (offset >= plan.end()) return 0;
  const size_t wanted = std::min<uint64_t>(out.size(), plan.end() - offset);
  size_t done = 0;
  for (const ReadPlan::Piece& piece : plan.From(offset)) {
    if (done == wanted) break;
    // Past the first piece this is 0.
    const uint64_t into = offset + done - piece.start;
    if (into >= piece.length) continue;  // an empty piece
    const std::span<std::byte> part =
        out.subspan(done, std::min<uint64_t>(wanted - done, piece.length - into));
    size_t filled = 0;
    if (piece.kind == ReadPlan::Kind::kFile) {
      const Result got = ReadAt(piece.fd, part, piece.offset + static_cast<int64_t>(into));
      if (got < 0) return got;
      filled = static_cast<size_t>(got);
    } else if (piece.kind == ReadPlan::Kind::kRecord) {
      const Result got = ReadRecord(piece, piece.skip + into, part);
      if (got < 0) return got;
      filled = part.size();
    }
    if (filled < part.size()) std::memset(part.data() + filled, 0, part.size() - filled);
    done += part.size();
  }
  return static_cast<Result>(done);
}

Result PlanReader::ReadRecord(const ReadPlan::Piece& piece, uint64_t skip,
                              std::span<std::byte> out) {
  if (run_fd_ == piece.fd && run_offset_ == piece.offset && run_bytes_ == piece.run_bytes &&
      run_crc_ == piece.crc) {
    std::memcpy(out.data(), run_.data() + skip, out.size());
    return 0;
  }
  if (piece.run_bytes > kRunBytesMax) return -EIO;
  const bool is_whole = out.size() == piece.run_bytes;
  std::span<std::byte> run = out;
  if (!is_whole) {
    // What was kept is overwritten now, and its successor not yet verified.
    run_fd_ = -1;
    if (run_.size() < piece.run_bytes) run_.resize(piece.run_bytes);
    run = std::span(run_).first(piece.run_bytes);
  }
  const Result got = ReadAt(piece.fd, run, piece.offset);
  if (got < 0) return got;
  if (static_cast<size_t>(got) < run.size() || Crc32c(run, 0) != piece.crc) return -EIO;
  if (!is_whole) {
    std::memcpy(out.data(), run.data() + skip, out.size());
    run_fd_ = piece.fd;
    run_offset_ = piece.offset;
    run_bytes_ = piece.run_bytes;
    run_crc_ = piece.crc;
  }
  return 0;
}

}  // namespace bygone
