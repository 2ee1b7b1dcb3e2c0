#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "test/check.h"

namespace bygone::test {
namespace {

struct Test {
  const char* sentence;
  std::function<void()> run;
};

std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

const char* running = "";
bool has_failed = false;
bool is_skipped = false;

// A blocked test must not block the whole run. A test takes milliseconds, on a busy machine
// seconds.
constexpr unsigned kSecondsMax = 30;

void GiveUp(int) {
  const char kMessage[] = "BLOCKED: ";
  const bool is_told = ::write(STDERR_FILENO, kMessage, sizeof kMessage - 1) > 0 &&
                       ::write(STDERR_FILENO, running, std::strlen(running)) > 0;
  ::_exit(is_told ? 1 : 2);
}

}  // namespace

Registration::Registration(const char* sentence, std::function<void()> run) {
  Tests().push_back({sentence, std::move(run)});
}

void Fail(const char* file, int line, const std::string& what) {
  has_failed = true;
  std::cerr << "    " << file << ":" << line << ": " << what << "\n";
}

void Skip(const std::string& reason) {
  is_skipped = true;
  std::cerr << "    skipped: " << reason << "\n";
}

int RunAll(std::string_view filter) {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  for (const Test& test : Tests()) {
    if (std::string_view(test.sentence).find(filter) == std::string_view::npos) continue;
    running = test.sentence;
    ::alarm(kSecondsMax);
    has_failed = false;
    is_skipped = false;
    test.run();
    (has_failed ? failed : is_skipped ? skipped : passed)++;
    if (has_failed) std::cerr << "FAILED: " << test.sentence << "\n";
  }
  std::cout << passed << " passed, " << failed << " failed, " << skipped << " skipped\n";
  return failed == 0 ? 0 : 1;
}

}  // namespace bygone::test

// With an argument: only the tests whose sentence contains it.
int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // as Node does
  ::signal(SIGALRM, bygone::test::GiveUp);
  return bygone::test::RunAll(argc > 1 ? argv[1] : "");
}
