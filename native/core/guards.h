#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace bygone {

// For each object with open files: which of its chunks may be written in place, because what a
// snapshot needs of them is safe already (or nothing is needed).
//
// Belongs to one volume, used on its thread only. An id that is not in use permits nothing.
class Guards {
 public:
  // A new snapshot was cut: no guard permits anything until it is reset. O(1). The same epoch again
  // changes nothing.
  void SetEpoch(uint64_t epoch);

  int Create();
  void Free(int guard);
  // How many are in use.
  uint64_t Count() const { return guards_.size() - free_.size(); }

  // Guarded afresh in the current epoch: chunks of 2^chunk_shift bytes; those from chunks_guarded
  // on may be written.
  void Reset(int guard, uint32_t chunk_shift, uint64_t chunks_guarded);
  // All may be written in the current epoch.
  void AllowAll(int guard);
  // Whether Reset or AllowAll was called in the current epoch.
  bool IsCurrent(int guard) const;

  // These chunks may be written.
  void Mark(int guard, uint64_t chunk_first, uint64_t chunk_count);
  bool Allows(int guard, uint64_t offset, uint64_t length) const;

  // Never the same number again once it has changed, not even for the next user of the id. Changes
  // with every call above that names the guard and is not const.
  uint64_t Generation(int guard) const;
  void Bump(int guard);

 private:
  // Chunk numbers go up to 2^40 in sparse files, so the bits come in pages, made as they are
  // needed.
  static constexpr uint32_t kPageShift = 12;
  static constexpr uint64_t kPageBits = uint64_t{1} << kPageShift;
  using Page = std::array<uint64_t, kPageBits / 64>;

  struct Guard {
    bool is_used = false;
    bool allows_all = false;
    uint32_t chunk_shift = 0;
    uint64_t chunks_guarded = 0;
    uint64_t cut = 0;  // 0: never reset
    uint64_t generation = 0;
    // Only chunks below chunks_guarded are in here.
    std::unordered_map<uint64_t, std::unique_ptr<Page>> marked;
  };

  Guard* Find(int guard);
  const Guard* Find(int guard) const;
  void Renew(Guard& guard) { guard.generation = ++last_generation_; }
  static bool AreMarked(const Guard& guard, uint64_t chunk_first, uint64_t chunk_end);

  // Epochs are counted anew here, so that one that comes back does not revive old guards.
  uint64_t epoch_ = 0;
  uint64_t cut_ = 1;
  uint64_t last_generation_ = 0;
  std::vector<Guard> guards_;
  std::vector<int> free_;
};

}  // namespace bygone
