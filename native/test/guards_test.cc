#include "core/guards.h"

#include <map>
#include <random>
#include <set>

#include "test/check.h"

namespace bygone::test::guards_test {

constexpr uint32_t kShift = 16;
constexpr uint64_t kChunk = uint64_t{1} << kShift;

TEST("a guard permits nothing before it was reset") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  CHECK(!guards.IsCurrent(guard));
  CHECK(!guards.Allows(guard, 0, 1));
}

TEST("a guard permits exactly the marked chunks and those past the snapshot's end") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  guards.Reset(guard, kShift, 10);
  CHECK(guards.IsCurrent(guard));
  CHECK(!guards.Allows(guard, 3 * kChunk, 1));
  guards.Mark(guard, 3, 2);
  CHECK(guards.Allows(guard, 3 * kChunk, 2 * kChunk));
  CHECK(guards.Allows(guard, 4 * kChunk + 5, kChunk - 5));
  CHECK(!guards.Allows(guard, 3 * kChunk - 1, 2));
  CHECK(!guards.Allows(guard, 5 * kChunk - 1, 2));
  CHECK(guards.Allows(guard, 10 * kChunk, uint64_t{1} << 40));
  CHECK(!guards.Allows(guard, 10 * kChunk - 1, 2));
  guards.Mark(guard, 9, 1);
  CHECK(guards.Allows(guard, 9 * kChunk, 100 * kChunk));
}

TEST("a write of no bytes is permitted by a current guard only") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  CHECK(!guards.Allows(guard, 0, 0));
  guards.Reset(guard, kShift, 10);
  CHECK(guards.Allows(guard, 0, 0));
}

TEST("a new epoch ends every permission at once, also of guards that allow all") {
  Guards guards;
  guards.SetEpoch(1);
  const int marked = guards.Create();
  const int all = guards.Create();
  guards.Reset(marked, kShift, 10);
  guards.Mark(marked, 0, 10);
  guards.AllowAll(all);
  CHECK(guards.Allows(marked, 0, kChunk));
  CHECK(guards.Allows(all, 0, UINT64_MAX));
  guards.SetEpoch(2);
  CHECK(!guards.IsCurrent(marked));
  CHECK(!guards.IsCurrent(all));
  CHECK(!guards.Allows(marked, 0, 1));
  CHECK(!guards.Allows(marked, 50 * kChunk, 1));
  CHECK(!guards.Allows(all, 0, 1));
  guards.SetEpoch(1);
  CHECK(!guards.Allows(marked, 0, 1));
  CHECK(!guards.Allows(all, 0, 1));
}

TEST("marks of an older epoch are gone after a reset") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  guards.Reset(guard, kShift, 10);
  guards.Mark(guard, 0, 10);
  guards.SetEpoch(2);
  guards.Mark(guard, 1, 1);
  guards.Reset(guard, kShift, 10);
  CHECK(!guards.Allows(guard, 0, 1));
  CHECK(!guards.Allows(guard, kChunk, 1));
}

TEST("a mark in a stale epoch permits nothing") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  guards.Reset(guard, kShift, 10);
  guards.SetEpoch(2);
  guards.Mark(guard, 0, 10);
  CHECK(!guards.Allows(guard, 0, 1));
}

TEST("chunks far out in a sparse file cost no more than near ones") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  const uint64_t far = uint64_t{1} << 40;
  guards.Reset(guard, 12, far + 10);
  guards.Mark(guard, far, 3);
  guards.Mark(guard, 4095, 2);  // over the edge of a page
  CHECK(guards.Allows(guard, far << 12, 3 << 12));
  CHECK(!guards.Allows(guard, far << 12, (3 << 12) + 1));
  CHECK(guards.Allows(guard, uint64_t{4095} << 12, 2 << 12));
  CHECK(!guards.Allows(guard, 0, far << 12));
}

TEST("a mark past the snapshot's end takes no memory and changes nothing") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  guards.Reset(guard, kShift, 10);
  guards.Mark(guard, 8, UINT64_MAX / 2);  // would take for ever, or all memory
  CHECK(guards.Allows(guard, 8 * kChunk, UINT64_MAX / 2));
  CHECK(!guards.Allows(guard, 7 * kChunk, 1));
}

TEST("the generation changes with every mark, bump and reset, and never comes back") {
  Guards guards;
  guards.SetEpoch(1);
  std::set<uint64_t> seen;
  const auto is_new = [&](int guard) { return seen.insert(guards.Generation(guard)).second; };
  int guard = guards.Create();
  CHECK(is_new(guard));
  guards.Reset(guard, kShift, 10);
  CHECK(is_new(guard));
  guards.Mark(guard, 0, 1);
  CHECK(is_new(guard));
  guards.Mark(guard, 0, 1);
  CHECK(is_new(guard));
  guards.Bump(guard);
  CHECK(is_new(guard));
  guards.AllowAll(guard);
  CHECK(is_new(guard));
  guards.Mark(guard, 5, 1);
  CHECK(is_new(guard));
  CHECK(!is_new(guard));
  guards.Free(guard);
  CHECK_EQ(guards.Create(), guard);
  CHECK(is_new(guard));
}

TEST("an id that is used again starts without permissions") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  CHECK_EQ(guards.Count(), 1u);
  guards.AllowAll(guard);
  guards.Free(guard);
  CHECK_EQ(guards.Count(), 0u);
  CHECK(!guards.Allows(guard, 0, 1));
  CHECK_EQ(guards.Create(), guard);
  CHECK(!guards.Allows(guard, 0, 1));
}

TEST("ids that do not exist permit nothing and are harmless") {
  Guards guards;
  guards.SetEpoch(1);
  for (const int guard : {-1, 0, 1000}) {
    guards.Reset(guard, kShift, 1);
    guards.AllowAll(guard);
    guards.Mark(guard, 0, 1);
    guards.Bump(guard);
    guards.Free(guard);
    CHECK(!guards.IsCurrent(guard));
    CHECK(!guards.Allows(guard, 0, 0));
  }
}

TEST("a range whose end overflows is not permitted") {
  Guards guards;
  guards.SetEpoch(1);
  const int guard = guards.Create();
  guards.AllowAll(guard);
  CHECK(!guards.Allows(guard, UINT64_MAX, 2));
}

TEST("guards agree with a plain set of chunks over random operations") {
  std::mt19937 random(20260101);
  Guards guards;
  uint64_t epoch = 1;
  guards.SetEpoch(epoch);
  struct Model {
    bool is_current = false;
    bool all = false;
    uint64_t guarded = 0;
    std::set<uint64_t> marked;
  };
  std::map<int, Model> models;
  for (int i = 0; i < 3; i++) models[guards.Create()] = {};
  for (int step = 0; step < 20000; step++) {
    const int guard = static_cast<int>(random() % 3);
    Model& model = models[guard];
    const uint64_t first = random() % 9000;
    const uint64_t count = random() % 200;
    switch (random() % 40) {
      case 0:
        guards.SetEpoch(++epoch);
        for (auto& [id, other] : models) other.is_current = false;
        break;
      case 1:
        guards.AllowAll(guard);
        model = {true, true, 0, {}};
        break;
      case 2:
      case 3:
        guards.Reset(guard, 12, first);
        model = {true, false, first, {}};
        break;
      default:
        guards.Mark(guard, first, count);
        if (model.is_current) {
          for (uint64_t chunk = first; chunk < first + count; chunk++) model.marked.insert(chunk);
        }
    }
    const uint64_t from = random() % (9000 << 12);
    const uint64_t length = 1 + random() % (20 << 12);
    bool expected = model.is_current;
    for (uint64_t chunk = from >> 12; expected && chunk <= (from + length - 1) >> 12; chunk++) {
      expected = model.all || chunk >= model.guarded || model.marked.contains(chunk);
    }
    if (!CHECK_EQ(guards.Allows(guard, from, length), expected)) return;
  }
}

}  // namespace bygone::test::guards_test
