// The supervisor gives back all memory that it does not use itself, a sanitizer's too: it is tested without.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include "core/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "core/shared_memory.h"
#include "core/unique_fd.h"
#include "test/check.h"

namespace bygone::test::supervisor_test {
namespace {

constexpr size_t kDescriptors = 1024;
constexpr int kAnswerMsMax = 30000;

// What a daemon and its supervisor share, and a pipe that successors write to.
class Estate {
 public:
  Estate()
      : page_fd_(MemoryFile("test-page")),
        keep_fd_(MemoryFile("test-keep")),
        page_(nullptr),
        keep_(nullptr) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    reading_ = UniqueFd(ends[0]);
    writing_ = UniqueFd(ends[1]);
    if (::ftruncate(page_fd_.get(), SuccessionPage::kBytes) != 0) return;
    if (::ftruncate(keep_fd_.get(), kDescriptors) != 0) return;
    page_ = reinterpret_cast<SuccessionPage*>(MapShared(page_fd_.get(), SuccessionPage::kBytes));
    keep_ = MapShared(keep_fd_.get(), kDescriptors);
    page_->magic = SuccessionPage::kMagic;
    page_->record_fd = -1;
    page_->store_fd = -1;
    keep_[writing_.get()] = std::byte{1};
  }
  ~Estate() {
    if (killed_ > 0) ::waitpid(killed_, nullptr, 0);
    if (page_ != nullptr) UnmapShared(reinterpret_cast<std::byte*>(page_), SuccessionPage::kBytes);
    if (keep_ != nullptr) UnmapShared(keep_, kDescriptors);
  }

  SuccessionPage& page() { return *page_; }
  int kept() const { return writing_.get(); }

  // A process with a supervisor, which is killed at once.
  void KillDaemon(const std::string& successor, bool is_ending) {
    const pid_t daemon = ::fork();
    if (daemon == 0) {
      const Result started = StartSupervisor(page_fd_.get(), keep_fd_.get(),
                                             {"/bin/sh", "-c", successor}, {"MARK=marked"});
      if (started < 0) ::_exit(1);
      if (is_ending) page_->is_ending = 1;
      ::kill(::getpid(), SIGKILL);
    }
    // Not reaped: the supervisor reads there what it has died of.
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(daemon), &ended, WEXITED | WNOWAIT);
    CHECK_EQ(ended.si_code, static_cast<int>(CLD_KILLED));
    killed_ = daemon;
  }

  // All that successors write, up to so many bytes or until nobody is left who could.
  std::string Heard(size_t bytes_max) {
    writing_ = UniqueFd();
    std::string heard;
    char byte = 0;
    pollfd waited{reading_.get(), POLLIN, 0};
    while (heard.size() < bytes_max && ::poll(&waited, 1, kAnswerMsMax) > 0 &&
           ::read(reading_.get(), &byte, 1) == 1) {
      heard += byte;
    }
    return heard;
  }

 private:
  pid_t killed_ = 0;
  UniqueFd page_fd_;
  UniqueFd keep_fd_;
  UniqueFd reading_;
  UniqueFd writing_;
  SuccessionPage* page_;
  std::byte* keep_;
};

}  // namespace

TEST("a successor of a killed process has the kept descriptors, and no others") {
  Estate estate;
  const UniqueFd other(::open("/dev/null", O_RDONLY));
  const std::string kept = std::to_string(estate.kept());
  const std::string successor = "[ -e /proc/self/fd/" + std::to_string(other.get()) +
                                " ] && echo other >&" + kept + "; echo $MARK >&" + kept +
                                "; exec sleep 30 " + kept + ">&-";
  estate.KillDaemon(successor, false);
  CHECK_EQ(estate.Heard(7), "marked\n");
  CHECK_EQ(estate.page().takeovers.load(), 1U);
  CHECK_EQ(estate.page().died_how.load(), static_cast<uint32_t>(SIGKILL));
  // The supervisor has no more to do when it is told so, and its child is ended.
  estate.page().is_ending = 1;
  ::kill(static_cast<pid_t>(estate.page().supervisor.load()), SIGTERM);
}

TEST("a process that ends in good order has no successor") {
  Estate estate;
  estate.KillDaemon("echo here >&" + std::to_string(estate.kept()), true);
  CHECK_EQ(estate.Heard(1), "");
  CHECK_EQ(estate.page().takeovers.load(), 0U);
}

TEST("successors that serve nothing are given up, and the descriptors closed") {
  Estate estate;
  estate.KillDaemon("echo -n x >&" + std::to_string(estate.kept()), false);
  // Heard to the end: nobody has the pipe any more.
  CHECK_EQ(estate.Heard(100), "xxxx");
  CHECK_EQ(estate.page().fruitless.load(), 5U);
}

}  // namespace bygone::test::supervisor_test

#endif
