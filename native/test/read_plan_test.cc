#include "core/read_plan.h"

#include <cmath>
#include <limits>

#include "core/crc32c.h"
#include "test/check.h"
#include "test/files.h"

namespace bygone::test::read_plan_test {
namespace {

// Writes the words as src/base/read-plan.ts does.
class Words {
 public:
  Words& Hole(double length) { return Add({0, length, -1, 0, 0, 0, 0}); }
  Words& File(int fd, double offset, double length) {
    return Add({1, length, static_cast<double>(fd), offset, 0, 0, 0});
  }
  Words& Record(int fd, double run_offset, double run_bytes, uint32_t crc, double skip,
                double length) {
    return Add({2, length, static_cast<double>(fd), run_offset, run_bytes, static_cast<double>(crc),
                skip});
  }
  Words& Add(std::vector<double> piece) {
    words_.insert(words_.end(), piece.begin(), piece.end());
    return *this;
  }
  std::span<const double> words() const { return words_; }
  size_t count() const { return words_.size() / ReadPlan::kWordsPerPiece; }
  ReadPlan Plan(uint64_t offset) const {
    ReadPlan plan;
    CHECK(plan.Parse(words_, count(), offset));
    return plan;
  }

 private:
  std::vector<double> words_;
};

struct Answer {
  Result result;
  std::string text;
};

Answer Read(PlanReader& reader, const ReadPlan& plan, uint64_t offset, size_t length) {
  std::string out(length, '?');
  const Result result = reader.Read(plan, offset, std::as_writable_bytes(std::span(out)));
  out.resize(result < 0 ? 0 : static_cast<size_t>(result));
  return {result, out};
}

}  // namespace

TEST("a plan's pieces are joined in order: holes, origin and records") {
  const TempDir dir;
  const UniqueFd origin = dir.File("origin", "0123456789");
  const UniqueFd journal = dir.File("journal", "....preserved....");
  const uint32_t crc = Crc32c(BytesOf("preserved"), 0);
  const ReadPlan plan = Words()
                            .File(origin.get(), 2, 3)
                            .Hole(2)
                            .Record(journal.get(), 4, 9, crc, 3, 4)
                            .File(origin.get(), 9, 1)
                            .Plan(100);
  const std::string expected = std::string("234") + std::string(2, '\0') + "serv" + "9";
  PlanReader reader;
  CHECK_EQ(Read(reader, plan, 100, 10).text, expected);
  for (size_t skip = 0; skip <= expected.size(); skip++) {
    for (size_t length = 0; length < 12; length++) {
      CHECK_EQ(Read(reader, plan, 100 + skip, length).text, expected.substr(skip, length));
    }
  }
}

TEST("a read past the plan's end is short and one before its start is refused") {
  const ReadPlan plan = Words().Hole(10).Plan(100);
  PlanReader reader;
  CHECK_EQ(Read(reader, plan, 105, 50).result, 5);
  CHECK_EQ(Read(reader, plan, 110, 5).result, 0);
  CHECK_EQ(Read(reader, plan, 5000, 5).result, 0);
  CHECK_EQ(Read(reader, plan, 99, 5).result, -EINVAL);
}

TEST("a file piece past the end of its file reads as zeros") {
  const TempDir dir;
  const UniqueFd origin = dir.File("origin", "abc");
  const ReadPlan plan = Words().File(origin.get(), 1, 5).Hole(1).Plan(0);
  PlanReader reader;
  CHECK_EQ(Read(reader, plan, 0, 6).text, std::string("bc\0\0\0\0", 6));
}

TEST("a damaged record is EIO, whichever part of it is read") {
  const TempDir dir;
  const std::string run = Noise(5000, 3);
  const UniqueFd journal = dir.File("journal", run);
  const uint32_t crc = Crc32c(BytesOf(run), 0);
  REQUIRE(::pwrite(journal.get(), run[4000] == 'x' ? "y" : "x", 1, 4000) == 1);
  const ReadPlan whole = Words().Record(journal.get(), 0, 5000, crc, 0, 5000).Plan(0);
  const ReadPlan part = Words().Record(journal.get(), 0, 5000, crc, 10, 20).Plan(0);
  PlanReader reader;
  CHECK_EQ(Read(reader, whole, 0, 5000).result, -EIO);
  CHECK_EQ(Read(reader, part, 0, 20).result, -EIO);
  CHECK_EQ(Read(reader, part, 0, 20).result, -EIO);
}

TEST("a record that is cut short by its file's end is EIO") {
  const TempDir dir;
  const UniqueFd journal = dir.File("journal", "abcdef");
  const ReadPlan plan =
      Words().Record(journal.get(), 0, 7, Crc32c(BytesOf("abcdef"), 0), 0, 3).Plan(0);
  PlanReader reader;
  CHECK_EQ(Read(reader, plan, 0, 3).result, -EIO);
}

TEST("a run that failed is not taken for verified by the next read") {
  const TempDir dir;
  const std::string good = Noise(3000, 4);
  const UniqueFd journal = dir.File("journal", good + Noise(3000, 5));
  const uint32_t crc = Crc32c(BytesOf(good), 0);
  const ReadPlan sound = Words().Record(journal.get(), 0, 3000, crc, 0, 10).Plan(0);
  const ReadPlan damaged = Words().Record(journal.get(), 3000, 3000, crc, 0, 10).Plan(0);
  PlanReader reader;
  CHECK_EQ(Read(reader, sound, 0, 10).text, good.substr(0, 10));
  CHECK_EQ(Read(reader, damaged, 0, 10).result, -EIO);
  CHECK_EQ(Read(reader, damaged, 0, 10).result, -EIO);
  CHECK_EQ(Read(reader, sound, 0, 10).text, good.substr(0, 10));
}

TEST("small reads in sequence read and verify their run once") {
  const TempDir dir;
  const std::string run = Noise(4000, 6);
  const UniqueFd journal = dir.File("journal", run);
  const ReadPlan plan =
      Words().Record(journal.get(), 0, 4000, Crc32c(BytesOf(run), 0), 0, 4000).Plan(0);
  PlanReader reader;
  CHECK_EQ(Read(reader, plan, 0, 100).text, run.substr(0, 100));
  // Only the kept run can answer now.
  REQUIRE(::ftruncate(journal.get(), 0) == 0);
  CHECK_EQ(Read(reader, plan, 100, 3800).text, run.substr(100, 3800));
}

TEST("a descriptor number that now stands for another journal is not taken for the old one") {
  const TempDir dir;
  const std::string old_run = Noise(2000, 7);
  const std::string new_run = Noise(2000, 8);
  UniqueFd journal = dir.File("old", old_run);
  const int number = journal.get();
  PlanReader reader;
  const ReadPlan before =
      Words().Record(number, 0, 2000, Crc32c(BytesOf(old_run), 0), 0, 10).Plan(0);
  CHECK_EQ(Read(reader, before, 0, 10).text, old_run.substr(0, 10));
  journal.Reset();
  journal = dir.File("new", new_run);
  REQUIRE(journal.get() == number);
  const ReadPlan after =
      Words().Record(number, 0, 2000, Crc32c(BytesOf(new_run), 0), 0, 10).Plan(0);
  CHECK_EQ(Read(reader, after, 0, 10).text, new_run.substr(0, 10));
}

TEST("a descriptor that is closed is an error, not zeros") {
  const ReadPlan plan = Words().File(999999, 0, 10).Plan(0);
  PlanReader reader;
  CHECK_EQ(Read(reader, plan, 0, 10).result, -EBADF);
}

TEST("words that make no sense are no plan") {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::vector<double>> bad = {
      {3, 10, 0, 0, 0, 0, 0},        {nan, 10, 0, 0, 0, 0, 0}, {0, -1, 0, 0, 0, 0, 0},
      {0, nan, 0, 0, 0, 0, 0},       {1, 10, -1, 0, 0, 0, 0},  {1, 10, 3, -1, 0, 0, 0},
      {1, 10, 1e12, 0, 0, 0, 0},     {2, 10, 3, 0, 9, 0, 0},   {2, 10, 3, 0, 12, 0, 3},
      {2, 10, 3, 0, 12, 5e9, 0},     {2, 10, 3, 0, nan, 0, 0}, {2, 10, 3, 0, 20, 0, -1},
      {1, infinity, 3, 0, 12, 5, 0},
  };
  for (const std::vector<double>& piece : bad) {
    ReadPlan plan;
    CHECK(!plan.Parse(Words().Hole(5).Add(piece).words(), 2, 0));
    CHECK_EQ(plan.end(), 0u);
  }
  ReadPlan plan;
  CHECK(!plan.Parse(Words().Hole(5).words(), 2, 0));
}

TEST("empty pieces and an empty plan read as nothing") {
  PlanReader reader;
  CHECK_EQ(Read(reader, Words().Plan(0), 0, 10).result, 0);
  const ReadPlan plan = Words().Hole(0).Hole(2).Hole(0).Hole(0).Hole(1).Plan(7);
  CHECK_EQ(Read(reader, plan, 7, 10).result, 3);
  CHECK_EQ(Read(reader, plan, 9, 10).result, 1);
}

}  // namespace bygone::test::read_plan_test
