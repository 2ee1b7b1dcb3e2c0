#pragma once

#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"

namespace bygone {

// fdatasync of touched files in the background, at most `interval` after the touch.
//
// Touch, SyncNow and Close belong to one thread; the rest may be called on any. The first error
// stays: after a failed fdatasync the kernel may have dropped the bytes and will not say so twice.
class BackgroundSync {
 public:
  explicit BackgroundSync(std::chrono::milliseconds interval);
  ~BackgroundSync();
  BackgroundSync(const BackgroundSync&) = delete;
  BackgroundSync& operator=(const BackgroundSync&) = delete;

  // fd was written to. It is duplicated, so its owner may close it at once.
  void Touch(int fd);
  // Returns when all that was touched is synced, by whichever thread: 0 or the first error.
  Result SyncNow();
  Result error() const;
  // How many touches, counted from the first, syncs that succeeded cover: what was written before
  // those touches is on the disk.
  uint64_t TouchesSynced() const;
  // SyncNow, then ends the thread. What is touched afterwards is synced in Touch.
  void Close();

 private:
  struct Touched {
    UniqueFd fd;
    int number;  // the owner's descriptor; its number may stand for another file later
    dev_t device;
    ino_t inode;
  };

  void Run();
  // Waits until no sync is under way and carries out those pending. `lock` is held before and
  // after, not meanwhile.
  void SyncPending(std::unique_lock<std::mutex>& lock);
  void Keep(Result error);
  // Touches up to the given one are on the disk, unless an error came in between.
  void Cover(uint64_t touch);

  const std::chrono::milliseconds interval_;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::condition_variable changed_;  // pending_ got its first, is_syncing_ ended, is_closing_
  std::vector<Touched> pending_;     // in order of touch; a segment or two
  std::chrono::steady_clock::time_point due_;  // if there are any pending
  uint64_t touches_ = 0;
  uint64_t touches_synced_ = 0;
  bool is_syncing_ = false;
  bool is_closing_ = false;
  Result error_ = 0;

  // Last: it uses all of the above from its start.
  std::thread thread_;
};

}  // namespace bygone
