#include "core/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "core/shared_memory.h"

namespace bygone {
namespace {

// A daemon that dies this often before it has answered anything will not do better.
constexpr uint32_t kFruitlessMax = 5;
constexpr int kFirstDelayMs = 100;
// How often a daemon is looked at that may have died without being able to end.
constexpr int kLookMs = 500;

// Everything the supervisor uses: after its start it has no heap.
struct Supervision {
  SuccessionPage* page;
  const uint8_t* keep;
  size_t keep_count;
  pid_t daemon;
  char* const* arguments;
  char* const* environment;
};

// The mapped page of this process, for WaitingForOwnMount. Set once.
std::atomic<SuccessionPage*> own_page = nullptr;

struct MemoryRange {
  uintptr_t start;
  uintptr_t end;
};

constexpr size_t kRangesMax = 8192;
MemoryRange ranges_to_drop[kRangesMax];
char text_buffer[16384];

pid_t ThreadId() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// ---- The supervisor's own process: a copy of the daemon's with one thread. Other threads may have
// held any lock when it was made, so nothing here may allocate or lock.

bool IsIn(const MemoryRange& range, const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  return at >= range.start && at < range.end;
}

uintptr_t HexAt(const char*& text) {
  uintptr_t value = 0;
  for (;; text++) {
    const char c = *text;
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<uintptr_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<uintptr_t>(c - 'a' + 10);
    } else {
      return value;
    }
  }
}

// Gives back the copy of the daemon's memory, but for code, static data and this stack.
void DropMemory(const Supervision& mine) {
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return;
  const int on_stack = 0;
  size_t count = 0;
  size_t filled = 0;
  uintptr_t file_end = 0;
  for (;;) {
    const ssize_t got = ::read(maps, text_buffer + filled, sizeof text_buffer - 1 - filled);
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
    text_buffer[filled] = '\0';
    char* line = text_buffer;
    for (char* end; (end = ::strchr(line, '\n')) != nullptr; line = end + 1) {
      *end = '\0';
      const char* at = line;
      MemoryRange range;
      range.start = HexAt(at);
      at++;
      range.end = HexAt(at);
      const char* const rights = at + 1;
      // rights, offset, device, inode, name
      const char* field = rights;
      for (int i = 0; i < 3 && field != nullptr; i++) {
        field = ::strchr(field, ' ');
        if (field != nullptr) field++;
      }
      if (field == nullptr) continue;
      const bool is_file = field[0] != '0' || field[1] != ' ';
      if (is_file) {
        file_end = range.end;
        continue;
      }
      // Behind a file's data lies what it has of zeroed data.
      const bool is_static = range.start == file_end;
      const bool is_special =
          ::strstr(field, "[v") != nullptr || ::strstr(field, "[stack") != nullptr;
      const bool is_used = IsIn(range, &errno) || IsIn(range, &on_stack) ||
                           IsIn(range, mine.arguments) || IsIn(range, &mine) ||
                           IsIn(range, ranges_to_drop) || IsIn(range, text_buffer);
      if (rights[3] != 'p' || is_static || is_special || is_used) continue;
      if (count < kRangesMax) ranges_to_drop[count++] = range;
    }
    filled = ::strlen(line);
    ::memmove(text_buffer, line, filled);
  }
  ::close(maps);
  for (size_t i = 0; i < count; i++) {
    ::munmap(reinterpret_cast<void*>(ranges_to_drop[i].start),
             ranges_to_drop[i].end - ranges_to_drop[i].start);
  }
}

bool IsKept(const Supervision& mine, size_t fd) { return fd < mine.keep_count && mine.keep[fd]; }

// Closes every descriptor but those that are kept. Locks that the daemon held go with them.
void CloseOthers(const Supervision& mine) {
  size_t from = 0;
  for (size_t fd = 0; fd < mine.keep_count; fd++) {
    if (!mine.keep[fd]) continue;
    if (fd > from) ::syscall(SYS_close_range, from, fd - 1, 0);
    from = fd + 1;
  }
  ::syscall(SYS_close_range, from, ~0U, 0);
}

// The start of /proc/PID/task/TASK/stat, behind the name in it: the state is the third character. Null: no such task.
const char* StateOf(pid_t process, uint32_t task, char* buffer, size_t bytes) {
  ::snprintf(buffer, bytes, "/proc/%d/task/%u/stat", process, task);
  const int file = ::open(buffer, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  const ssize_t got = ::read(file, buffer, bytes - 1);
  ::close(file);
  buffer[got > 0 ? got : 0] = '\0';
  return ::strrchr(buffer, ')');
}

// The status of a process that nobody has waited for yet.
uint32_t StatusOfZombie(pid_t process) {
  char buffer[1024];
  const char* const state = StateOf(process, static_cast<uint32_t>(process), buffer, sizeof buffer);
  if (state == nullptr || state[1] == '\0' || state[2] != 'Z') return ~0U;
  // The last field; 0 may also say that it is not told.
  const char* const last = ::strrchr(state, ' ');
  const unsigned long status = ::strtoul(last + 1, nullptr, 10);
  return status == 0 ? ~0U : static_cast<uint32_t>(status);
}

// How a process ended that somebody has waited for (Linux 6.15 and later).
uint32_t StatusOf(int pidfd) {
  // struct pidfd_info, which older headers lack.
  struct {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t ids[11];
    int32_t exit_code;
    uint32_t more[16];
  } info{};
  constexpr uint64_t kExit = 1 << 3;
  // The size in the number is that of the struct's first version, which the kernel goes by.
  constexpr unsigned long kGetInfo = _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, 64);
  info.mask = kExit;
  if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kExit) == 0) return ~0U;
  return static_cast<uint32_t>(info.exit_code);
}

// Whether all that is left of the daemon waits for its own mount, and so for a successor.
bool IsStuckInOwnMount(const Supervision& mine) {
  bool waits = false;
  for (const auto& place : mine.page->own_mount_threads) waits = waits || place.load() != 0;
  if (!waits) return false;
  char path[64];
  ::snprintf(path, sizeof path, "/proc/%d/task", mine.daemon);
  const int tasks = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (tasks < 0) return false;
  bool has_others = false;
  for (;;) {
    const long got = ::syscall(SYS_getdents64, tasks, text_buffer, sizeof text_buffer);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      struct Entry {
        uint64_t ino;
        int64_t offset;
        unsigned short length;
        unsigned char type;
        char name[1];
      };
      const auto* const entry = reinterpret_cast<const Entry*>(text_buffer + at);
      at += entry->length;
      const auto task = static_cast<uint32_t>(::strtoul(entry->name, nullptr, 10));
      if (task == 0) continue;
      bool is_waiting = false;
      for (const auto& place : mine.page->own_mount_threads) {
        is_waiting = is_waiting || place.load() == task;
      }
      if (is_waiting) continue;
      // The first thread stays as a zombie until all others have ended.
      char buffer[1024];
      const char* const state = StateOf(mine.daemon, task, buffer, sizeof buffer);
      const bool is_dead = state == nullptr || state[1] == '\0' || ::strchr("ZX", state[2]);
      has_others = has_others || !is_dead;
    }
  }
  ::close(tasks);
  return !has_others;
}

// Returns when the daemon is gone, as far as it can go; how it ended.
uint32_t AwaitDeath(const Supervision& mine) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, mine.daemon, 0));
  if (pidfd < 0) return ~0U;
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  const int signalled = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  for (;;) {
    pollfd waited[2] = {{pidfd, POLLIN, 0}, {signalled, POLLIN, 0}};
    ::poll(waited, 2, kLookMs);
    if (waited[0].revents != 0) {
      const uint32_t status = StatusOfZombie(mine.daemon);
      return status != ~0U ? status : StatusOf(pidfd);
    }
    signalfd_siginfo info;
    // Whoever wants the supervisor to end wants the daemon to end, in good order.
    while (signalled >= 0 && ::read(signalled, &info, sizeof info) == sizeof info) {
      ::kill(mine.daemon, SIGTERM);
    }
    if (IsStuckInOwnMount(mine)) return SIGKILL;
  }
}

// A line in the store's log, as the daemon writes it (src/daemon/daemon-log.ts).
void Log(const Supervision& mine, const char* words) {
  const int store = mine.page->store_fd.load();
  const int log = store < 0 ? -1 : ::openat(store, "daemon.log", O_WRONLY | O_APPEND | O_CLOEXEC);
  if (log < 0) return;
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  // The date by arithmetic (days of the proleptic Gregorian calendar): gmtime may allocate.
  const int64_t days = now.tv_sec / 86400;
  const int64_t shifted = days + 719468;
  const int64_t era = shifted / 146097;
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_index = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month_index + 2) / 5 + 1;
  const int64_t month = month_index < 10 ? month_index + 3 : month_index - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const int64_t second = now.tv_sec - days * 86400;
  char line[256];
  const int length = ::snprintf(
      line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s\n", static_cast<int>(year),
      static_cast<int>(month), static_cast<int>(day), static_cast<int>(second / 3600),
      static_cast<int>(second / 60 % 60), static_cast<int>(second % 60),
      static_cast<int>(now.tv_nsec / 1000000), words);
  if (::write(log, line, static_cast<size_t>(std::min<int>(length, sizeof line - 1))) < 0) {
    // There is nobody to tell.
  }
  ::close(log);
}

// The successor: a child with the kept descriptors under the same numbers.
pid_t StartSuccessor(const Supervision& mine) {
  const pid_t child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (child != 0) return child;
  for (size_t fd = 3; fd < mine.keep_count; fd++) {
    if (mine.keep[fd]) ::fcntl(static_cast<int>(fd), F_SETFD, 0);
  }
  sigset_t none;
  sigemptyset(&none);
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof(uint64_t));
  ::execve(mine.arguments[0], mine.arguments, mine.environment);
  ::_exit(127);
}

void OpenStandard(const Supervision& mine) {
  for (int fd = 0; fd < 3; fd++) {
    if (!IsKept(mine, static_cast<size_t>(fd))) {
      // The lowest number that is free.
      if (::open("/dev/null", O_RDWR) < 0) return;
    }
  }
}

void SleepMs(int ms) {
  timespec left{ms / 1000, ms % 1000 * 1000000};
  ::nanosleep(&left, nullptr);
}

[[noreturn]] void Supervise(Supervision mine) {
  SuccessionPage& page = *mine.page;
  ::prctl(PR_SET_NAME, "bygone-superv", 0, 0, 0);
  DropMemory(mine);
  const auto self = static_cast<uint32_t>(::syscall(SYS_getpid));
  for (;;) {
    const uint32_t how = AwaitDeath(mine);
    // Its own supervisor, or nobody, is to see to it.
    if (page.supervisor.load() != self || page.is_ending.load() != 0) ::_exit(0);
    CloseOthers(mine);
    OpenStandard(mine);
    timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    page.died_at = static_cast<uint32_t>(now.tv_sec);
    page.died_how = how;
    for (auto& place : page.own_mount_threads) place = 0;
    const uint32_t fruitless = page.has_served.exchange(0) != 0 ? 0 : page.fruitless.load() + 1;
    page.fruitless = fruitless;
    if (fruitless >= kFruitlessMax) {
      Log(mine, "the daemon died again and again without answering a request: its mounts are given up");
      ::_exit(1);
    }
    if (fruitless > 1) SleepMs(kFirstDelayMs << fruitless);
    page.takeovers++;
    mine.daemon = StartSuccessor(mine);
    if (mine.daemon < 0) {
      Log(mine, "no successor of the daemon could be started: its mounts are given up");
      ::_exit(1);
    }
  }
}

// ---- The daemon's side

// Strings and the arrays that point to them in one piece of memory, which the supervisor keeps.
struct Strings {
  char** arguments = nullptr;
  char** environment = nullptr;
  size_t bytes = 0;
};

bool CopyStrings(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, Strings& out) {
  size_t bytes = (arguments.size() + environment.size() + 2) * sizeof(char*);
  for (const auto* list : {&arguments, &environment}) {
    for (const std::string& each : *list) bytes += each.size() + 1;
  }
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  out.bytes = bytes;
  char** pointer = static_cast<char**>(memory);
  char* text = reinterpret_cast<char*>(pointer + arguments.size() + environment.size() + 2);
  for (const auto* list : {&arguments, &environment}) {
    (list == &arguments ? out.arguments : out.environment) = pointer;
    for (const std::string& each : *list) {
      ::memcpy(text, each.c_str(), each.size() + 1);
      *pointer++ = text;
      text += each.size() + 1;
    }
    *pointer++ = nullptr;
  }
  return true;
}

}  // namespace

Result StartSupervisor(int page_fd, int keep_fd, const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment) {
  struct stat keep_stat;
  if (::fstat(keep_fd, &keep_stat) != 0) return -errno;
  const auto keep_count = static_cast<size_t>(keep_stat.st_size);
  std::byte* const keep = MapShared(keep_fd, keep_count);
  SuccessionPage* page = own_page.load();
  if (page == nullptr) {
    page = reinterpret_cast<SuccessionPage*>(MapShared(page_fd, SuccessionPage::kBytes));
  }
  if (page == nullptr || keep == nullptr) return -ENOMEM;
  if (page->magic.load() != SuccessionPage::kMagic || arguments.empty()) return -EINVAL;
  Strings strings;
  if (!CopyStrings(arguments, environment, strings)) return -ENOMEM;
  own_page = page;
  const Supervision supervision{page,
                                reinterpret_cast<const uint8_t*>(keep),
                                keep_count,
                                ::getpid(),
                                strings.arguments,
                                strings.environment};
  // Blocked here and inherited, so that no handler of the daemon's ever runs in the copy.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const long child = ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  const int error = errno;
  if (child == 0) Supervise(supervision);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  UnmapShared(keep, keep_count);
  ::munmap(strings.arguments, strings.bytes);
  if (child < 0) return -error;
  const uint32_t former = page->supervisor.exchange(static_cast<uint32_t>(child));
  // It is this process's parent then, and nothing but a copy of what is here by now.
  if (former != 0 && former == static_cast<uint32_t>(::getppid())) {
    ::kill(static_cast<pid_t>(former), SIGKILL);
  }
  return child;
}

Result HasChildEnded(int pid) {
  const Result ended = Uninterrupted([&] { return ::waitpid(pid, nullptr, WNOHANG); });
  return ended == 0 ? 0 : 1;
}

WaitingForOwnMount::WaitingForOwnMount() {
  SuccessionPage* const page = own_page.load();
  if (page == nullptr) return;
  for (auto& place : page->own_mount_threads) {
    uint32_t free = 0;
    if (!place.compare_exchange_strong(free, static_cast<uint32_t>(ThreadId()))) continue;
    place_ = &place;
    return;
  }
}

WaitingForOwnMount::~WaitingForOwnMount() {
  if (place_ != nullptr) *place_ = 0;
}

}  // namespace bygone
