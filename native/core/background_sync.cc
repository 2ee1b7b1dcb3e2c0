#include "core/background_sync.h"

#include <fcntl.h>

#include <utility>

#include "core/descriptors.h"
#include "core/file_data.h"
#include "core/service_thread.h"

namespace bygone {

BackgroundSync::BackgroundSync(std::chrono::milliseconds interval) : interval_(interval) {
  // Not among the initializers: the thread needs the members that are declared after it.
  thread_ = StartServiceThread([this] { Run(); });
}

BackgroundSync::~BackgroundSync() { Close(); }

void BackgroundSync::Touch(int fd) {
  struct stat touched;
  const Result known = ResultOf(::fstat(fd, &touched));
  std::unique_lock lock(mutex_);
  touches_++;
  if (known < 0) return Keep(known);
  if (!pending_.empty()) {
    const Touched& last = pending_.back();
    if (last.number == fd && last.device == touched.st_dev && last.inode == touched.st_ino) return;
  }
  const Result copy = is_closing_ ? -EMFILE : Duplicate(fd);  // never blocks
  if (copy < 0) {
    lock.unlock();
    const Result synced = Fsync(fd, true);
    lock.lock();
    Keep(synced);
    if (pending_.empty() && !is_syncing_) Cover(touches_);
    return;
  }
  pending_.push_back({UniqueFd(static_cast<int>(copy)), fd, touched.st_dev, touched.st_ino});
  if (pending_.size() == 1) {
    due_ = std::chrono::steady_clock::now() + interval_;
    changed_.notify_all();
  }
}

Result BackgroundSync::SyncNow() {
  std::unique_lock lock(mutex_);
  SyncPending(lock);
  return error_;
}

Result BackgroundSync::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

uint64_t BackgroundSync::TouchesSynced() const {
  const std::lock_guard lock(mutex_);
  return touches_synced_;
}

void BackgroundSync::Close() {
  {
    std::unique_lock lock(mutex_);
    SyncPending(lock);
    is_closing_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void BackgroundSync::Run() {
  std::unique_lock lock(mutex_);
  while (!is_closing_) {
    if (pending_.empty()) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() < due_) {
      changed_.wait_until(lock, due_);
    } else {
      SyncPending(lock);
    }
  }
}

void BackgroundSync::SyncPending(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return !is_syncing_; });
  if (pending_.empty()) return Cover(touches_);
  const uint64_t touch = touches_;
  const std::vector<Touched> taken = std::exchange(pending_, {});
  is_syncing_ = true;
  lock.unlock();
  Result first_error = 0;
  for (const Touched& touched : taken) {
    const Result synced = Fsync(touched.fd.get(), true);
    if (first_error == 0 && synced < 0) first_error = synced;
  }
  lock.lock();
  is_syncing_ = false;
  Keep(first_error);
  Cover(touch);
  changed_.notify_all();
}

void BackgroundSync::Keep(Result error) {
  if (error_ == 0 && error < 0) error_ = error;
}

void BackgroundSync::Cover(uint64_t touch) {
  if (error_ == 0) touches_synced_ = touch;
}

}  // namespace bygone
