#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "core/fuse_device.h"

namespace bygone {

// Tells the kernel what to forget, from a thread of its own: the kernel carries a notification out
// within our write(2) and may need a lock there that a process holds until we answer its request.
//
// All calls belong to the session's thread. The thread starts with the first notification.
class Notifier {
 public:
  // Borrows the device.
  explicit Notifier(FuseDevice& device);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // FUSE_NOTIFY_INVAL_ENTRY: the name in the directory with node id `parent`.
  void InvalidateEntry(uint64_t parent, std::string_view name);
  // The same, but what stands there is asked for before it goes: what is in use stays.
  void ExpireEntry(uint64_t parent, std::string_view name);
  // FUSE_NOTIFY_INVAL_INODE: attributes, and data from `offset` (negative: no data) for `length`
  // bytes (0 or less: to the end).
  void InvalidateInode(uint64_t node, int64_t offset, int64_t length);

  // The attributes alone, sent from the calling thread: only while a request on that node is unanswered.
  void ExpireAttributesNow(uint64_t node);

  // Drops what was not sent yet, waits for what is under way, which ends at the latest when the
  // connection does, and ends the thread. Later notifications are dropped.
  void Close();

 private:
  using Message = std::vector<std::byte>;

  void AddEntry(uint64_t parent, std::string_view name, uint32_t flags);
  void Add(Message message);
  void Run();

  FuseDevice& device_;
  std::thread thread_;  // the session's thread only

  std::mutex mutex_;
  // Guarded by mutex_:
  std::condition_variable changed_;  // a message came, or is_closing_
  // Without a bound: to drop one would leave stale data in the kernel, to wait could be for ever.
  // Each is small and belongs to a change that was made.
  std::deque<Message> messages_;
  bool is_closing_ = false;
};

}  // namespace bygone
