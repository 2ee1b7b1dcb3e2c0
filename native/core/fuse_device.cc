#include "core/fuse_device.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>

namespace bygone {
namespace {

// While requests queue up they are read without waiting. A look at wake_fd then costs a system
// call: rare enough not to be felt, often enough that a busy volume is held for a snapshot without
// delay. Where each request awaits the answer to the one before, a read that finds nothing is what
// costs; so once one did, the next requests are waited for first.
constexpr uint32_t kRequestsPerCheck = 16;

bool IsGone(Result error) { return error == -ENODEV || error == -ECONNABORTED; }

}  // namespace

FuseDevice::FuseDevice(int fuse_fd, int wake_fd) : fuse_fd_(fuse_fd), wake_fd_(wake_fd) {
  const int flags = ::fcntl(fuse_fd_, F_GETFL);
  if (flags >= 0) ::fcntl(fuse_fd_, F_SETFL, flags | O_NONBLOCK);
}

Result FuseDevice::Receive(std::span<std::byte> buffer) {
  for (;;) {
    if (++received_since_check_ >= kRequestsPerCheck) {
      received_since_check_ = 0;
      waits_first_ = false;
      if (TakeWake()) return 0;
    }
    if (waits_first_) {
      const Result waited = Wait();
      if (waited <= 0) return waited;
    }
    const Result received = ResultOf(::read(fuse_fd_, buffer.data(), buffer.size()));
    if (received >= static_cast<Result>(sizeof(fuse_in_header))) return received;
    if (received == 0 || IsGone(received)) return -ENODEV;
    if (received == -EAGAIN) {
      waits_first_ = true;
      continue;
    }
    // ENOENT: the request was taken back while it was read.
    if (received < 0 && received != -EINTR && received != -ENOENT) return received;
  }
}

Result FuseDevice::Wait() {
  for (;;) {
    pollfd waited[2] = {{fuse_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    const Result ready = Uninterrupted([&] { return ::poll(waited, 2, -1); });
    if (ready < 0) return ready;
    if ((waited[1].revents & POLLNVAL) != 0) return -EBADF;
    if (waited[1].revents != 0 && TakeWake()) return 0;
    if (waited[0].revents != 0) return 1;
  }
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

Result FuseDevice::Resend() {
  // FUSE_NOTIFY_RESEND, which older headers lack.
  constexpr int32_t kResend = 7;
  const fuse_out_header header{sizeof(fuse_out_header), kResend, 0};
  const Result written = Write(std::as_bytes(std::span(&header, 1)));
  return written < 0 ? written : 0;
}

void FuseDevice::SendStatus(uint64_t unique, Result error) {
  const fuse_out_header header{sizeof(fuse_out_header), static_cast<int32_t>(error), unique};
  Send(std::as_bytes(std::span(&header, 1)));
}

}  // namespace bygone
