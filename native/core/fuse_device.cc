#include "core/fuse_device.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>

namespace bygone {
namespace {

// A look at wake_fd costs a system call: rare enough not to be felt, often enough that a busy
// volume is held for a snapshot without delay.
constexpr uint32_t kRequestsPerWakeCheck = 16;

bool IsGone(Result error) { return error == -ENODEV || error == -ECONNABORTED; }

}  // namespace

FuseDevice::FuseDevice(int fuse_fd, int wake_fd) : fuse_fd_(fuse_fd), wake_fd_(wake_fd) {
  const int flags = ::fcntl(fuse_fd_, F_GETFL);
  if (flags >= 0) ::fcntl(fuse_fd_, F_SETFL, flags | O_NONBLOCK);
}

Result FuseDevice::Receive(std::span<std::byte> buffer) {
  for (;;) {
    if (++received_since_wake_check_ >= kRequestsPerWakeCheck) {
      received_since_wake_check_ = 0;
      if (TakeWake()) return 0;
    }
    const Result received = ResultOf(::read(fuse_fd_, buffer.data(), buffer.size()));
    if (received >= static_cast<Result>(sizeof(fuse_in_header))) return received;
    if (received == 0 || IsGone(received)) return -ENODEV;
    // ENOENT: the request was taken back while it was read.
    if (received > 0 || received == -EINTR || received == -ENOENT) continue;
    if (received != -EAGAIN) return received;
    const Result waited = Wait();
    if (waited < 0) return waited;
    if (TakeWake()) return 0;
  }
}

Result FuseDevice::Wait() {
  pollfd waited[2] = {{fuse_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  const Result ready = ResultOf(::poll(waited, 2, -1));
  return ready == -EINTR ? 0 : ready;
}

bool FuseDevice::TakeWake() {
  uint64_t events;
  return wake_fd_ >= 0 && ::read(wake_fd_, &events, sizeof events) == sizeof events;
}

Result FuseDevice::Write(std::span<const std::byte> message) {
  return Uninterrupted([&] { return ::write(fuse_fd_, message.data(), message.size()); });
}

void FuseDevice::Send(std::span<const std::byte> message) {
  const Result written = Write(message);
  // ENOENT: the asker was killed, or a notification names what the kernel does not know.
  if (written >= 0 || written == -ENOENT || IsGone(written)) return;
  refused_.fetch_add(1, std::memory_order_relaxed);
  fuse_out_header header;
  if (message.size() < sizeof header) return;
  std::memcpy(&header, message.data(), sizeof header);
  if (header.unique == 0) return;
  header.len = sizeof header;
  header.error = -EIO;
  Write(std::as_bytes(std::span(&header, 1)));
}

void FuseDevice::SendStatus(uint64_t unique, Result error) {
  const fuse_out_header header{sizeof(fuse_out_header), static_cast<int32_t>(error), unique};
  Send(std::as_bytes(std::span(&header, 1)));
}

}  // namespace bygone
