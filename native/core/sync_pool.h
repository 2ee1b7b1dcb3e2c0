#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/fuse_device.h"
#include "core/unique_fd.h"

namespace bygone {

// Answers fsync requests after syncing, on threads of its own, so that other requests go on.
//
// Answer and Close belong to the session's thread. Threads start when they are first needed.
class SyncPool {
 public:
  // Borrows the device.
  explicit SyncPool(FuseDevice& device);
  ~SyncPool();
  SyncPool(const SyncPool&) = delete;
  SyncPool& operator=(const SyncPool&) = delete;

  // Syncs the descriptors (duplicated first) in order and then answers `unique`: with the first
  // error, after which nothing more is synced.
  void Answer(uint64_t unique, std::span<const int> fds, bool data_only);
  // Returns when every request has its answer. What comes afterwards is answered in Answer.
  void Close();

 private:
  struct Job {
    uint64_t unique;
    std::vector<UniqueFd> fds;
    bool data_only;
  };

  void Run();

  FuseDevice& device_;
  std::vector<std::thread> threads_;  // the session's thread only

  std::mutex mutex_;
  // Guarded by mutex_:
  std::condition_variable changed_;  // a job came, or is_closing_
  std::deque<Job> jobs_;             // no more than processes wait for
  size_t idle_threads_ = 0;
  bool is_closing_ = false;
};

}  // namespace bygone
