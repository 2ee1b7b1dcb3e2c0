#include "core/sync_pool.h"

#include <utility>

#include "core/descriptors.h"
#include "core/file_data.h"
#include "core/service_thread.h"

namespace bygone {
namespace {

// fsync waits for one disk: more threads would only queue behind each other there.
constexpr size_t kThreadsMax = 4;

Result SyncInOrder(std::span<const int> fds, bool data_only) {
  for (const int fd : fds) {
    const Result synced = Fsync(fd, data_only);
    if (synced < 0) return synced;
  }
  return 0;
}

}  // namespace

SyncPool::SyncPool(FuseDevice& device) : device_(device) {}

SyncPool::~SyncPool() { Close(); }

void SyncPool::Answer(uint64_t unique, std::span<const int> fds, bool data_only) {
  Job job{unique, {}, data_only};
  bool has_copies = true;
  for (const int fd : fds) {
    const Result copy = Duplicate(fd);
    if (copy < 0) has_copies = false;
    if (copy >= 0) job.fds.emplace_back(static_cast<int>(copy));
  }
  std::unique_lock lock(mutex_);
  if (!has_copies || is_closing_) {
    lock.unlock();
    device_.SendStatus(unique, SyncInOrder(fds, data_only));
    return;
  }
  jobs_.push_back(std::move(job));
  const bool needs_thread = idle_threads_ < jobs_.size() && threads_.size() < kThreadsMax;
  changed_.notify_one();
  lock.unlock();
  if (needs_thread) threads_.push_back(StartServiceThread([this] { Run(); }));
}

void SyncPool::Close() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void SyncPool::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_threads_++;
    changed_.wait(lock, [&] { return !jobs_.empty() || is_closing_; });
    idle_threads_--;
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Result result = 0;
    for (const UniqueFd& fd : job.fds) {
      result = Fsync(fd.get(), job.data_only);
      if (result < 0) break;
    }
    device_.SendStatus(job.unique, result);
    lock.lock();
  }
}

}  // namespace bygone
