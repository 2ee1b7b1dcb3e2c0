#include "core/session.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "core/file_data.h"

namespace bygone {
namespace {

constexpr size_t kHeaderBytes = sizeof(fuse_in_header);
constexpr size_t kWriteHeaderBytes = kHeaderBytes + sizeof(fuse_write_in);
// The kernel's minimum, and room for headers beside a full write.
constexpr size_t kRoomBytes = 8192;
// The longest answer that JavaScript writes itself (a directory listing) at least.
constexpr size_t kReplyBytesMin = 256 * 1024;
constexpr size_t kDataBytesFirst = 128 * 1024;
// No kernel asks for as much in one READ.
constexpr uint32_t kReadBytesMax = 16 << 20;

size_t RequestBytes(uint32_t max_write_bytes) { return max_write_bytes + kRoomBytes; }

}  // namespace

Session::Session(int fuse_fd, int wake_fd, std::shared_ptr<const Guards> guards,
                 uint32_t max_write_bytes)
    : request_(
          std::make_shared<const PageBuffer>(kWriteHeaderBytes, RequestBytes(max_write_bytes))),
      reply_(std::make_shared<const PageBuffer>(
          sizeof(fuse_out_header), std::max(kReplyBytesMin, RequestBytes(max_write_bytes)))),
      device_(fuse_fd, wake_fd),
      handles_(std::move(guards)),
      data_(sizeof(fuse_out_header), sizeof(fuse_out_header) + kDataBytesFirst),
      sync_pool_(device_),
      notifier_(device_) {}

Session::~Session() { Close(); }

void Session::Close() {
  is_closed_ = true;
  sync_pool_.Close();
  notifier_.Close();
}

Session::Stats Session::stats() const {
  return {requests_, reads_served_, writes_served_, device_.refused(), handles_.count()};
}

Result Session::Exchange(uint32_t reply_bytes) {
  if (is_closed_) return -ENODEV;
  if (reply_bytes > reply_->size()) return -EINVAL;
  if (reply_bytes > 0) device_.Send(reply_->span().first(reply_bytes));
  do {
    const Result received = device_.Receive(request_->span());
    received_ = received > 0 ? static_cast<size_t>(received) : 0;
    if (received <= 0) return received;
    requests_++;
  } while (ServeInside());
  return static_cast<Result>(received_);
}

bool Session::ServeInside() {
  switch (RequestAt<fuse_in_header>(0).opcode) {
    case FUSE_READ:
      return ServeRead();
    case FUSE_WRITE:
      return ServeWrite();
    default:
      return false;
  }
}

bool Session::ServeRead() {
  if (!IsRequest(FUSE_READ, sizeof(fuse_read_in))) return false;
  const auto read = RequestAt<fuse_read_in>(kHeaderBytes);
  if (read.size > kReadBytesMax) return false;
  const std::optional<Result> bytes = handles_.Read(read.fh, read.offset, RoomForData(read.size));
  if (!bytes) return false;
  reads_served_++;
  SendData(*bytes);
  return true;
}

bool Session::ServeWrite() {
  if (!IsRequest(FUSE_WRITE, sizeof(fuse_write_in))) return false;
  const auto write = RequestAt<fuse_write_in>(kHeaderBytes);
  const std::span<const std::byte> payload = WritePayload();
  if (payload.size() != write.size) return false;
  const bool kills_privileges = (write.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  const std::optional<Result> written =
      handles_.Write(write.fh, write.offset, payload, Writer(), kills_privileges, Writing());
  if (!written) return false;
  writes_served_++;
  SendWritten(*written);
  if (*written < 0 && IsWriteBack()) {
    // Else the page would go on showing what the file has not.
    NotifyInode(RequestAt<fuse_in_header>(0).nodeid, static_cast<int64_t>(write.offset),
                static_cast<int64_t>(write.size));
  }
  return true;
}

void Session::Attach(uint64_t handle, int fd, int guard, Identity opener) {
  handles_.Attach(handle, fd, guard, opener);
}

void Session::Detach(uint64_t handle) { handles_.Detach(handle); }

Result Session::ReplyRead(std::span<const double> words, uint32_t piece_count, uint64_t plan_offset,
                          uint64_t plan_bytes, bool reaches_end, int guard) {
  if (!IsRequest(FUSE_READ, sizeof(fuse_read_in))) return -EINVAL;
  const auto read = RequestAt<fuse_read_in>(kHeaderBytes);
  ReadPlan plan;
  if (!plan.Parse(words, piece_count, plan_offset)) return -EINVAL;
  if (plan.end() - plan.start() != plan_bytes || read.offset < plan.start()) return -EINVAL;
  if (read.size > kReadBytesMax) return -EINVAL;
  // The kernel would take a short answer for the end of the file.
  const bool is_covered = read.offset <= plan.end() && read.size <= plan.end() - read.offset;
  if (!is_covered && !reaches_end) return -EINVAL;
  const Result bytes = handles_.reader().Read(plan, read.offset, RoomForData(read.size));
  if (bytes < 0) return bytes;
  SendData(bytes);
  if (guard >= 0) handles_.KeepPlan(read.fh, std::move(plan), reaches_end, guard);
  return 0;
}

Result Session::ReplyWrite(int fd) {
  if (!IsRequest(FUSE_WRITE, sizeof(fuse_write_in))) return -EINVAL;
  const auto write = RequestAt<fuse_write_in>(kHeaderBytes);
  const std::span<const std::byte> payload = WritePayload();
  if (payload.size() != write.size) return -EINVAL;
  const Result written = Writing()(Writer(), fd, payload, static_cast<int64_t>(write.offset));
  if (written >= 0) SendWritten(written);
  return written;
}

void Session::ReplyAfterSync(std::span<const int> fds, bool data_only) {
  if (received_ < kHeaderBytes) return;
  sync_pool_.Answer(RequestAt<fuse_in_header>(0).unique, fds, data_only);
}

void Session::NotifyEntry(uint64_t parent, std::string_view name) {
  notifier_.InvalidateEntry(parent, name);
}

void Session::NotifyExpire(uint64_t parent, std::string_view name) {
  notifier_.ExpireEntry(parent, name);
}

void Session::NotifyInode(uint64_t node, int64_t offset, int64_t length) {
  notifier_.InvalidateInode(node, offset, length);
}

void Session::ExpireAttributes(uint64_t node) { notifier_.ExpireAttributesNow(node); }

std::span<std::byte> Session::RoomForData(size_t bytes) {
  const size_t needed = sizeof(fuse_out_header) + bytes;
  if (data_.size() < needed) data_ = PageBuffer(sizeof(fuse_out_header), needed);
  return data_.span().subspan(sizeof(fuse_out_header), bytes);
}

void Session::SendData(Result bytes) {
  const uint64_t unique = RequestAt<fuse_in_header>(0).unique;
  if (bytes < 0) return device_.SendStatus(unique, bytes);
  const size_t length = sizeof(fuse_out_header) + static_cast<size_t>(bytes);
  const fuse_out_header header{static_cast<uint32_t>(length), 0, unique};
  std::memcpy(data_.data(), &header, sizeof header);
  device_.Send(data_.span().first(length));
}

void Session::SendWritten(Result bytes) {
  const uint64_t unique = RequestAt<fuse_in_header>(0).unique;
  if (bytes < 0) return device_.SendStatus(unique, bytes);
  struct {
    fuse_out_header header;
    fuse_write_out body;
  } answer{{sizeof answer, 0, unique}, {static_cast<uint32_t>(bytes), 0}};
  static_assert(sizeof answer == sizeof(fuse_out_header) + sizeof(fuse_write_out));
  device_.Send(std::as_bytes(std::span(&answer, 1)));
}

template <typename T>
T Session::RequestAt(size_t offset) const {
  T value;
  std::memcpy(&value, request_->data() + offset, sizeof value);
  return value;
}

Identity Session::Writer() const {
  const auto write = RequestAt<fuse_write_in>(kHeaderBytes);
  // Pages of a mapping are written back by the kernel, long after whoever changed them.
  if (IsWriteBack()) return handles_.OpenerOf(write.fh);
  const auto header = RequestAt<fuse_in_header>(0);
  return {header.uid, header.gid};
}

bool Session::IsWriteBack() const {
  return (RequestAt<fuse_write_in>(kHeaderBytes).write_flags & FUSE_WRITE_CACHE) != 0;
}

OpenHandles::Writing Session::Writing() const {
  // Of pages that it writes back the kernel does not look at how much was written: what was not would be lost
  // without an error.
  return IsWriteBack() ? WriteAllAs : WriteSomeAs;
}

bool Session::IsRequest(uint32_t opcode, size_t body_bytes) const {
  return received_ >= kHeaderBytes + body_bytes && RequestAt<fuse_in_header>(0).opcode == opcode;
}

std::span<const std::byte> Session::WritePayload() const {
  return request_->span().subspan(kWriteHeaderBytes, received_ - kWriteHeaderBytes);
}

}  // namespace bygone
