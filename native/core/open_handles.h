#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

#include "core/acting_as.h"
#include "core/guards.h"
#include "core/read_plan.h"
#include "core/result.h"

namespace bygone {

// The open files whose data passes by JavaScript. Used on the session's thread only.
//
// Descriptors are borrowed: they stay open until Detach, and those of a plan as long as its guard's
// generation stays.
class OpenHandles {
 public:
  explicit OpenHandles(std::shared_ptr<const Guards> guards);

  // A live file: reads go to fd (-1: they do not), writes too where `guard` (-1: none) allows them.
  // `opener`: who is meant where the kernel writes back pages in nobody's name.
  void Attach(uint64_t handle, int fd, int guard, Identity opener);
  void Detach(uint64_t handle);
  size_t count() const { return files_.size(); }

  // Keeps a plan for the handle's reads, until its guard's generation changes.
  void KeepPlan(uint64_t handle, ReadPlan plan, bool reaches_end, int guard);

  // The read's bytes or error; nullopt if JavaScript must plan it.
  std::optional<Result> Read(uint64_t handle, uint64_t offset, std::span<std::byte> out);
  // The bytes written as `writer` or error; nullopt if JavaScript must make it safe first. kills_privileges:
  // the file may not keep set-user-ID and set-group-ID; to drop them is JavaScript's part. `write`: one of the
  // two of file_data.h.
  using Writing = Result (*)(Identity writer, int fd, std::span<const std::byte> bytes,
                             int64_t offset);
  std::optional<Result> Write(uint64_t handle, uint64_t offset, std::span<const std::byte> bytes,
                              Identity writer, bool kills_privileges, Writing write);
  // Of a handle that is attached; else the daemon itself.
  Identity OpenerOf(uint64_t handle) const;

  // For a plan that is not kept; shares the memory of the last verified run.
  PlanReader& reader() { return reader_; }

 private:
  struct KeptPlan {
    ReadPlan plan;
    bool reaches_end;
    int guard;
    uint64_t generation;
  };
  struct OpenFile {
    int fd = -1;
    int guard = -1;
    Identity opener{0, 0};
    std::optional<KeptPlan> kept;
  };

  const std::shared_ptr<const Guards> guards_;
  std::unordered_map<uint64_t, OpenFile> files_;
  PlanReader reader_;
};

}  // namespace bygone
