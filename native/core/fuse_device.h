#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"

namespace bygone {

// The kernel's end of a FUSE connection: requests come in, replies and notifications go out.
//
// Borrows both descriptors; they must stay open until every thread that uses this has ended.
// Receive belongs to one thread. The others may be called on any: each is a single write(2), which
// the kernel takes whole.
class FuseDevice {
 public:
  // Makes fuse_fd non-blocking. wake_fd is an eventfd, or -1 for none.
  FuseDevice(int fuse_fd, int wake_fd);

  // Blocks for the next request and returns its length. 0: woken through wake_fd (noticed within a
  // few requests even if they never pause). -ENODEV: the connection is gone.
  Result Receive(std::span<std::byte> buffer);

  // A whole message: a reply or notification from fuse_out_header on. A reply that the kernel
  // refuses is followed by EIO for the same request, so that nobody waits for ever.
  void Send(std::span<const std::byte> message);
  // A reply without data; error is 0 or a negative errno.
  void SendStatus(uint64_t unique, Result error);

  // Has the kernel ask again whatever was received and not answered; 0, or a negative errno.
  Result Resend();

  // How many messages the kernel refused, other than those that nobody waited for any more.
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  bool TakeWake();
  // Blocks until a request is there: 1, or a wake-up, which it takes: 0.
  Result Wait();
  Result Write(std::span<const std::byte> message);

  const int fuse_fd_;
  const int wake_fd_;
  uint32_t received_since_check_ = 0;
  bool waits_first_ = false;
  std::atomic<uint64_t> refused_ = 0;
};

}  // namespace bygone
