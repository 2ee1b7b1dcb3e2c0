#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace bygone {

// What a daemon, its supervisor and its successors know of each other: the first page of a memory
// file that all of them map. src/daemon/succession.ts names the same fields.
struct SuccessionPage {
  static constexpr uint32_t kMagic = 0x62796731;
  static constexpr size_t kOwnMountThreads = 64;
  static constexpr size_t kBytes = 4096;

  std::atomic<uint32_t> magic;
  // The one process that starts a successor when the daemon has died.
  std::atomic<uint32_t> supervisor;
  // Not 0: the daemon ends in good order and wants no successor.
  std::atomic<uint32_t> is_ending;
  // Set by a daemon that has answered a request; 0 again when it has died.
  std::atomic<uint32_t> has_served;
  // How many daemons in a row died without having answered any.
  std::atomic<uint32_t> fruitless;
  std::atomic<uint32_t> takeovers;
  // Seconds since 1970, and the status as of wait(2), all bits set if it is not known.
  std::atomic<uint32_t> died_at;
  std::atomic<uint32_t> died_how;
  // A descriptor of what the successor is to know besides; -1 none.
  std::atomic<int32_t> record_fd;
  // Of the store's directory, for the log; -1 none.
  std::atomic<int32_t> store_fd;
  // Threads of the daemon that may wait for a mount that it serves itself, so that they can't end
  // before there is a successor; 0 is a free place.
  std::atomic<uint32_t> own_mount_threads[kOwnMountThreads];
};

// Starts the supervisor of the calling process. It shares the table of descriptors with it, so that
// none is closed when the daemon dies: those with a mark in the map `keep_fd` (a byte for each
// descriptor number) go to the successor, which is started by `arguments` and `environment`; all
// others are closed first. It is in charge as soon as this returns its pid, and then ends the one
// before it, if any. The calling thread must be the main one.
Result StartSupervisor(int page_fd, int keep_fd, const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment);

// Whether the child has ended: 1, and it is gone for good, or 0.
Result HasChildEnded(int pid);

// For its lifetime the calling thread waits for a mount that this process serves.
class WaitingForOwnMount {
 public:
  WaitingForOwnMount();
  ~WaitingForOwnMount();
  WaitingForOwnMount(const WaitingForOwnMount&) = delete;
  WaitingForOwnMount& operator=(const WaitingForOwnMount&) = delete;

 private:
  std::atomic<uint32_t>* place_ = nullptr;
};

}  // namespace bygone
