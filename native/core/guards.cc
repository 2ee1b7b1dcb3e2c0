#include "core/guards.h"

#include <algorithm>
#include <limits>

namespace bygone {
namespace {

// The bits [from, to) of one word, to <= 64.
uint64_t Bits(uint64_t from, uint64_t to) {
  const uint64_t below_to = to == 64 ? ~uint64_t{0} : (uint64_t{1} << to) - 1;
  return below_to & ~((uint64_t{1} << from) - 1);
}

// Calls visit(page number, word in the page, bits) for each word that holds a chunk of
// [first, end), until it returns false. Returns whether it never did.
template <uint32_t kPageShift, typename Visit>
bool EachWord(uint64_t first, uint64_t end, Visit visit) {
  for (uint64_t chunk = first; chunk < end;) {
    const uint64_t word_start = chunk & ~uint64_t{63};
    const uint64_t word_end = std::min(word_start + 64, end);
    const uint64_t in_page = word_start & ((uint64_t{1} << kPageShift) - 1);
    if (!visit(chunk >> kPageShift, in_page / 64,
               Bits(chunk - word_start, word_end - word_start))) {
      return false;
    }
    chunk = word_end;
  }
  return true;
}

}  // namespace

Guards::Guard* Guards::Find(int guard) {
  return const_cast<Guard*>(static_cast<const Guards*>(this)->Find(guard));
}

const Guards::Guard* Guards::Find(int guard) const {
  if (guard < 0 || static_cast<size_t>(guard) >= guards_.size()) return nullptr;
  const Guard& found = guards_[static_cast<size_t>(guard)];
  return found.is_used ? &found : nullptr;
}

void Guards::SetEpoch(uint64_t epoch) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  cut_++;
}

int Guards::Create() {
  int id;
  if (free_.empty()) {
    id = static_cast<int>(guards_.size());
    guards_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Guard& guard = guards_[static_cast<size_t>(id)];
  guard.is_used = true;
  Renew(guard);
  return id;
}

void Guards::Free(int guard) {
  Guard* const found = Find(guard);
  if (found == nullptr) return;
  *found = Guard{};
  free_.push_back(guard);
}

void Guards::Reset(int guard, uint32_t chunk_shift, uint64_t chunks_guarded) {
  Guard* const found = Find(guard);
  if (found == nullptr || chunk_shift > 62) return;
  found->marked.clear();
  found->allows_all = false;
  found->chunk_shift = chunk_shift;
  found->chunks_guarded = chunks_guarded;
  found->cut = cut_;
  Renew(*found);
}

void Guards::AllowAll(int guard) {
  Guard* const found = Find(guard);
  if (found == nullptr) return;
  found->marked.clear();
  found->allows_all = true;
  found->cut = cut_;
  Renew(*found);
}

bool Guards::IsCurrent(int guard) const {
  const Guard* const found = Find(guard);
  return found != nullptr && found->cut == cut_;
}

void Guards::Mark(int guard, uint64_t chunk_first, uint64_t chunk_count) {
  Guard* const found = Find(guard);
  if (found == nullptr) return;
  Renew(*found);
  // What was preserved for an older snapshot says nothing about the newest one.
  if (found->cut != cut_ || found->allows_all) return;
  if (chunk_first >= found->chunks_guarded) return;
  const uint64_t count = std::min(chunk_count, found->chunks_guarded - chunk_first);
  EachWord<kPageShift>(chunk_first, chunk_first + count,
                       [&](uint64_t page, uint64_t word, uint64_t bits) {
                         std::unique_ptr<Page>& slot = found->marked[page];
                         if (slot == nullptr) slot = std::make_unique<Page>();
                         (*slot)[word] |= bits;
                         return true;
                       });
}

bool Guards::Allows(int guard, uint64_t offset, uint64_t length) const {
  const Guard* const found = Find(guard);
  if (found == nullptr || found->cut != cut_) return false;
  if (length > std::numeric_limits<uint64_t>::max() - offset) return false;
  if (found->allows_all || length == 0) return true;
  const uint64_t first = offset >> found->chunk_shift;
  const uint64_t last = (offset + length - 1) >> found->chunk_shift;
  return AreMarked(*found, first, std::min(last + 1, found->chunks_guarded));
}

bool Guards::AreMarked(const Guard& guard, uint64_t chunk_first, uint64_t chunk_end) {
  return EachWord<kPageShift>(
      chunk_first, chunk_end, [&](uint64_t page, uint64_t word, uint64_t bits) {
        const auto found = guard.marked.find(page);
        return found != guard.marked.end() && ((*found->second)[word] & bits) == bits;
      });
}

uint64_t Guards::Generation(int guard) const {
  const Guard* const found = Find(guard);
  return found == nullptr ? 0 : found->generation;
}

void Guards::Bump(int guard) {
  Guard* const found = Find(guard);
  if (found != nullptr) Renew(*found);
}

}  // namespace bygone
