#pragma once

#include <linux/fuse.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/unique_fd.h"

namespace bygone::test {

// Stands for the kernel: the other end of what a session takes for /dev/fuse. The sockets keep
// message boundaries and hold about ten messages.
class KernelEnd {
 public:
  KernelEnd() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    session_end_ = UniqueFd(ends[0]);
    kernel_end_ = UniqueFd(ends[1]);
    const int bytes = 1 << 20;
    for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }

  // What a session is made with.
  int fd() const { return session_end_.get(); }
  void HangUp() { kernel_end_.Reset(); }

  void Send(std::string_view message) {
    if (::send(kernel_end_.get(), message.data(), message.size(), MSG_DONTWAIT) < 0) std::abort();
  }

  struct Reply {
    fuse_out_header header;
    std::string body;
  };
  // The next reply if there is one; waits for it only if asked to.
  std::optional<Reply> Receive(int flags = MSG_DONTWAIT) {
    if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<char[]>(kBytesMax);
    const ssize_t length = ::recv(kernel_end_.get(), bytes_.get(), kBytesMax, flags);
    if (length < static_cast<ssize_t>(sizeof(fuse_out_header))) return std::nullopt;
    Reply reply;
    std::memcpy(&reply.header, bytes_.get(), sizeof reply.header);
    reply.body.assign(bytes_.get() + sizeof reply.header,
                      static_cast<size_t>(length) - sizeof reply.header);
    return reply;
  }
  Reply Await() { return Receive(0).value(); }

  void SendRequest(uint32_t opcode, uint64_t unique, std::string_view body = {}) {
    Send(Request(opcode, unique, body));
  }
  void SendRead(uint64_t unique, uint64_t handle, uint64_t offset, uint32_t size) {
    SendRequest(FUSE_READ, unique, ReadBody(handle, offset, size));
  }
  void SendWrite(uint64_t unique, uint64_t handle, uint64_t offset, std::string_view data,
                 uint32_t flags = 0, uint32_t uid = 0) {
    fuse_write_in write{};
    write.fh = handle;
    write.offset = offset;
    write.size = static_cast<uint32_t>(data.size());
    write.write_flags = flags;
    Send(Request(FUSE_WRITE, unique, Bytes(write) + std::string(data), uid));
  }

  static std::string Request(uint32_t opcode, uint64_t unique, std::string_view body,
                             uint32_t uid = 0) {
    fuse_in_header header{};
    header.uid = uid;
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = unique;
    return Bytes(header) + std::string(body);
  }
  static std::string ReadBody(uint64_t handle, uint64_t offset, uint32_t size) {
    fuse_read_in read{};
    read.fh = handle;
    read.offset = offset;
    read.size = size;
    return Bytes(read);
  }
  template <typename T>
  static std::string Bytes(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }

 private:
  static constexpr size_t kBytesMax = 1 << 20;

  UniqueFd session_end_;
  UniqueFd kernel_end_;
  std::unique_ptr<char[]> bytes_;  // of the last reply
};

}  // namespace bygone::test
