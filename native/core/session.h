#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/acting_as.h"
#include "core/fuse_device.h"
#include "core/guards.h"
#include "core/notifier.h"
#include "core/open_handles.h"
#include "core/page_buffer.h"
#include "core/read_plan.h"
#include "core/result.h"
#include "core/sync_pool.h"

namespace bygone {

// One FUSE session: requests and replies over two buffers, and the data of open files, which is
// carried here. All calls belong to one thread. Borrows the descriptors until Close has returned.
class Session {
 public:
  Session(int fuse_fd, int wake_fd, std::shared_ptr<const Guards> guards, uint32_t max_write_bytes);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The request last received, from fuse_in_header on, and the reply to send, from fuse_out_header
  // on. Shared, because JavaScript may hold them longer than the session.
  const std::shared_ptr<const PageBuffer>& request() const { return request_; }
  const std::shared_ptr<const PageBuffer>& reply() const { return reply_; }

  // Sends the first reply_bytes of the reply buffer, if any, and blocks for the next request that
  // is not served inside; its length. 0: woken. -ENODEV: the connection is gone.
  Result Exchange(uint32_t reply_bytes);

  void Attach(uint64_t handle, int fd, int guard, Identity opener);
  void Detach(uint64_t handle);

  // These three answer the request in the request buffer, unless their result is negative.
  // -EINVAL: it is no such request, or the plan does not cover it.
  Result ReplyRead(std::span<const double> words, uint32_t piece_count, uint64_t plan_offset,
                   uint64_t plan_bytes, bool reaches_end, int guard);
  Result ReplyWrite(int fd);
  void ReplyAfterSync(std::span<const int> fds, bool data_only);

  Result NotifyResend() { return device_.Resend(); }
  void NotifyEntry(uint64_t parent, std::string_view name);
  void NotifyExpire(uint64_t parent, std::string_view name);
  void NotifyInode(uint64_t node, int64_t offset, int64_t length);
  // The attributes of the node that the request is about, at once: the kernel keeps it until the
  // request is answered, so that nobody is waited for.
  void ExpireAttributes(uint64_t node);

  // Waits for work under way on the threads; may be called twice. The session is over afterwards.
  void Close();

  struct Stats {
    uint64_t requests;
    uint64_t reads_served;
    uint64_t writes_served;
    uint64_t replies_refused;
    uint64_t handles_attached;
  };
  Stats stats() const;

 private:
  // Whether the request of received_ bytes was answered without JavaScript.
  bool ServeInside();
  bool ServeRead();
  bool ServeWrite();

  // Where the data of a READ of `bytes` goes: behind room for the header.
  std::span<std::byte> RoomForData(size_t bytes);
  // Answers a READ with the first `bytes` of the room, or with an error.
  void SendData(Result bytes);
  void SendWritten(Result bytes);

  template <typename T>
  T RequestAt(size_t offset) const;
  // In whose name the WRITE in the request buffer is carried out.
  Identity Writer() const;
  // Of the WRITE in the request: pages of a mapping, by the kernel's own decision.
  bool IsWriteBack() const;
  OpenHandles::Writing Writing() const;
  bool IsRequest(uint32_t opcode, size_t body_bytes) const;
  std::span<const std::byte> WritePayload() const;

  const std::shared_ptr<const PageBuffer> request_;
  const std::shared_ptr<const PageBuffer> reply_;
  FuseDevice device_;
  OpenHandles handles_;
  PageBuffer data_;  // header and data of a READ's answer
  size_t received_ = 0;
  bool is_closed_ = false;
  uint64_t requests_ = 0;
  uint64_t reads_served_ = 0;
  uint64_t writes_served_ = 0;
  // Last, so that their threads end before what they use.
  SyncPool sync_pool_;
  Notifier notifier_;
};

}  // namespace bygone
