#include "core/open_handles.h"

#include <sys/stat.h>

#include <utility>

#include "core/file_data.h"

namespace bygone {
namespace {

// Whether the file is set-user-ID or set-group-ID, as far as one can tell.
bool HasPrivileges(int fd) {
  struct stat found;
  return ::fstat(fd, &found) != 0 || (found.st_mode & (S_ISUID | S_ISGID)) != 0;
}

}  // namespace

OpenHandles::OpenHandles(std::shared_ptr<const Guards> guards) : guards_(std::move(guards)) {}

void OpenHandles::Attach(uint64_t handle, int fd, int guard, Identity opener) {
  OpenFile& file = files_[handle];
  file.fd = fd;
  file.guard = guard;
  file.opener = opener;
  file.kept.reset();
}

void OpenHandles::Detach(uint64_t handle) { files_.erase(handle); }

void OpenHandles::KeepPlan(uint64_t handle, ReadPlan plan, bool reaches_end, int guard) {
  files_[handle].kept = KeptPlan{std::move(plan), reaches_end, guard, guards_->Generation(guard)};
}

std::optional<Result> OpenHandles::Read(uint64_t handle, uint64_t offset,
                                        std::span<std::byte> out) {
  const auto found = files_.find(handle);
  if (found == files_.end()) return std::nullopt;
  OpenFile& file = found->second;
  if (file.fd >= 0) return ReadAt(file.fd, out, static_cast<int64_t>(offset));
  if (!file.kept) return std::nullopt;
  const KeptPlan& kept = *file.kept;
  if (guards_->Generation(kept.guard) != kept.generation) {
    file.kept.reset();
    return std::nullopt;
  }
  const ReadPlan& plan = kept.plan;
  if (offset < plan.start()) return std::nullopt;
  const bool is_covered = offset <= plan.end() && out.size() <= plan.end() - offset;
  if (!is_covered && !kept.reaches_end) return std::nullopt;
  return reader_.Read(plan, offset, out);
}

std::optional<Result> OpenHandles::Write(uint64_t handle, uint64_t offset,
                                         std::span<const std::byte> bytes, Identity writer,
                                         bool kills_privileges, Writing write) {
  const auto found = files_.find(handle);
  if (found == files_.end()) return std::nullopt;
  const OpenFile& file = found->second;
  if (file.fd < 0 || !guards_->Allows(file.guard, offset, bytes.size())) return std::nullopt;
  // The kernel says so for every write of an ordinary user; hardly a file has the bits.
  if (kills_privileges && HasPrivileges(file.fd)) return std::nullopt;
  return write(writer, file.fd, bytes, static_cast<int64_t>(offset));
}

Identity OpenHandles::OpenerOf(uint64_t handle) const {
  const auto found = files_.find(handle);
  return found == files_.end() ? Identity{0, 0} : found->second.opener;
}

}  // namespace bygone
