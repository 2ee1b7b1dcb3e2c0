#include "core/notifier.h"

#include <linux/fuse.h>

#include <cstring>
#include <utility>

#include "core/service_thread.h"
#include "core/supervisor.h"

namespace bygone {
namespace {

// Header, body and then `tail` with a NUL if it is given.
template <typename Body>
std::vector<std::byte> MessageOf(int32_t code, const Body& body, std::string_view tail,
                                 size_t tail_bytes) {
  fuse_out_header header{};
  header.len = static_cast<uint32_t>(sizeof header + sizeof body + tail_bytes);
  header.error = code;
  header.unique = 0;
  std::vector<std::byte> message(header.len);
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + sizeof header, &body, sizeof body);
  if (!tail.empty()) {
    std::memcpy(message.data() + sizeof header + sizeof body, tail.data(), tail.size());
  }
  return message;
}

std::vector<std::byte> InodeMessage(uint64_t node, int64_t offset, int64_t length) {
  fuse_notify_inval_inode_out body{};
  body.ino = node;
  body.off = offset;
  body.len = length;
  return MessageOf(FUSE_NOTIFY_INVAL_INODE, body, {}, 0);
}

}  // namespace

Notifier::Notifier(FuseDevice& device) : device_(device) {}

Notifier::~Notifier() { Close(); }

void Notifier::InvalidateEntry(uint64_t parent, std::string_view name) {
  AddEntry(parent, name, 0);
}

void Notifier::ExpireEntry(uint64_t parent, std::string_view name) {
  // FUSE_EXPIRE_ONLY
  AddEntry(parent, name, 1);
}

void Notifier::AddEntry(uint64_t parent, std::string_view name, uint32_t flags) {
  fuse_notify_inval_entry_out body{};
  body.parent = parent;
  // Called padding in headers before 6.2.
  std::memcpy(reinterpret_cast<std::byte*>(&body) + 12, &flags, sizeof flags);
  body.namelen = static_cast<uint32_t>(name.size());
  Add(MessageOf(FUSE_NOTIFY_INVAL_ENTRY, body, name, name.size() + 1));
}

void Notifier::InvalidateInode(uint64_t node, int64_t offset, int64_t length) {
  Add(InodeMessage(node, offset, length));
}

void Notifier::ExpireAttributesNow(uint64_t node) { device_.Send(InodeMessage(node, -1, 0)); }

void Notifier::Add(Message message) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closing_) return;
    messages_.push_back(std::move(message));
    changed_.notify_one();
  }
  if (!thread_.joinable()) thread_ = StartServiceThread([this] { Run(); });
}

void Notifier::Close() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    messages_.clear();
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Notifier::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !messages_.empty() || is_closing_; });
    if (is_closing_) return;
    const Message message = std::move(messages_.front());
    messages_.pop_front();
    lock.unlock();
    {
      // The kernel may wait in it for a directory that is locked until we answer a request.
      const WaitingForOwnMount waiting;
      device_.Send(message);
    }
    lock.lock();
  }
}

}  // namespace bygone
