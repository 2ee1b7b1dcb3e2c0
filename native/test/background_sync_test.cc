#include "core/background_sync.h"

#include <condition_variable>
#include <mutex>

#include "test/check.h"
#include "test/files.h"
#include "test/sync_hook.h"

namespace bygone::test::background_sync_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// What was synced, and a gate at which syncs can be held up.
class SyncLog {
 public:
  int Enter(ino_t inode) {
    std::unique_lock lock(mutex_);
    entered_.push_back(inode);
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_open_; });
    finished_++;
    return error_;
  }
  void Fail(int error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  void CloseGate() {
    const std::lock_guard lock(mutex_);
    is_open_ = false;
  }
  void OpenGate() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  std::vector<ino_t> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return entered_.size() >= count; });
    return entered_;
  }
  size_t finished() {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  std::vector<ino_t> entered() {
    const std::lock_guard lock(mutex_);
    return entered_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ino_t> entered_;
  size_t finished_ = 0;
  bool is_open_ = true;
  int error_ = 0;
};

ino_t InodeOf(const UniqueFd& fd) { return StatOf(fd.get()).st_ino; }

}  // namespace

TEST("a touched file is synced in the background, by fdatasync") {
  const TempDir dir;
  const UniqueFd file = dir.File("segment");
  SyncLog log;
  bool is_data_only = false;
  const SyncHook hook([&](ino_t inode, bool data_only) {
    is_data_only = data_only;
    return log.Enter(inode);
  });
  BackgroundSync sync{milliseconds(1)};
  sync.Touch(file.get());
  CHECK(log.WaitFor(1) == std::vector{InodeOf(file)});
  sync.Close();
  CHECK(is_data_only);
  CHECK_EQ(sync.TouchesSynced(), 1u);
}

TEST("the owner may close a touched descriptor at once") {
  const TempDir dir;
  UniqueFd file = dir.File("segment");
  const ino_t inode = InodeOf(file);
  SyncLog log;
  const SyncHook hook([&](ino_t synced, bool) { return log.Enter(synced); });
  BackgroundSync sync{hours(1)};
  sync.Touch(file.get());
  file.Reset();
  CHECK_EQ(sync.SyncNow(), 0);
  CHECK(log.entered() == std::vector{inode});
}

TEST("many touches of one file are one sync") {
  const TempDir dir;
  const UniqueFd file = dir.File("segment");
  SyncLog log;
  const SyncHook hook([&](ino_t inode, bool) { return log.Enter(inode); });
  BackgroundSync sync{hours(1)};
  for (int i = 0; i < 100; i++) sync.Touch(file.get());
  CHECK_EQ(sync.TouchesSynced(), 0u);
  CHECK_EQ(sync.SyncNow(), 0);
  CHECK_EQ(log.entered().size(), 1u);
  CHECK_EQ(sync.TouchesSynced(), 100u);
  CHECK_EQ(sync.SyncNow(), 0);
  CHECK_EQ(log.entered().size(), 1u);
}

TEST("a segment that took over its predecessor's descriptor number is synced too, in order") {
  const TempDir dir;
  UniqueFd file = dir.File("first");
  const int number = file.get();
  const ino_t first = InodeOf(file);
  SyncLog log;
  const SyncHook hook([&](ino_t inode, bool) { return log.Enter(inode); });
  BackgroundSync sync{hours(1)};
  sync.Touch(number);
  file.Reset();
  file = dir.File("second");
  REQUIRE(file.get() == number);
  sync.Touch(number);
  CHECK_EQ(sync.SyncNow(), 0);
  CHECK(log.entered() == (std::vector{first, InodeOf(file)}));
}

TEST("syncNow waits for a sync that the background has under way") {
  const TempDir dir;
  const UniqueFd file = dir.File("segment");
  SyncLog log;
  const SyncHook hook([&](ino_t inode, bool) { return log.Enter(inode); });
  BackgroundSync sync{milliseconds(0)};
  log.CloseGate();
  sync.Touch(file.get());
  log.WaitFor(1);
  std::thread opener([&] { log.OpenGate(); });
  CHECK_EQ(sync.SyncNow(), 0);
  CHECK_EQ(log.finished(), 1u);
  CHECK_EQ(sync.TouchesSynced(), 1u);
  opener.join();
}

TEST("a touch during a sync is not covered by it") {
  const TempDir dir;
  const UniqueFd file = dir.File("segment");
  SyncLog log;
  const SyncHook hook([&](ino_t inode, bool) { return log.Enter(inode); });
  BackgroundSync sync{milliseconds(0)};
  log.CloseGate();
  sync.Touch(file.get());
  log.WaitFor(1);
  sync.Touch(file.get());
  log.OpenGate();
  log.WaitFor(2);
  CHECK_EQ(sync.SyncNow(), 0);
  CHECK_EQ(sync.TouchesSynced(), 2u);
  CHECK_EQ(log.entered().size(), 2u);
}

TEST("the first error stays, and nothing counts as synced after it") {
  const TempDir dir;
  const UniqueFd file = dir.File("segment");
  SyncLog log;
  const SyncHook hook([&](ino_t inode, bool) { return log.Enter(inode); });
  BackgroundSync sync{hours(1)};
  sync.Touch(file.get());
  CHECK_EQ(sync.SyncNow(), 0);
  log.Fail(EIO);
  sync.Touch(file.get());
  CHECK_EQ(sync.SyncNow(), -EIO);
  log.Fail(0);
  sync.Touch(file.get());
  CHECK_EQ(sync.SyncNow(), -EIO);
  CHECK_EQ(sync.error(), -EIO);
  CHECK_EQ(sync.TouchesSynced(), 1u);
}

TEST("a touch of a closed descriptor is an error that stays") {
  BackgroundSync sync{hours(1)};
  sync.Touch(999999);
  CHECK_EQ(sync.SyncNow(), -EBADF);
}

TEST("close syncs what is pending, and a touch after it is synced at once") {
  const TempDir dir;
  const UniqueFd file = dir.File("segment");
  SyncLog log;
  const SyncHook hook([&](ino_t inode, bool) { return log.Enter(inode); });
  BackgroundSync sync{hours(1)};
  sync.Touch(file.get());
  sync.Close();
  CHECK_EQ(log.entered().size(), 1u);
  sync.Touch(file.get());
  CHECK_EQ(log.entered().size(), 2u);
  CHECK_EQ(sync.TouchesSynced(), 2u);
  sync.Close();
}

}  // namespace bygone::test::background_sync_test
