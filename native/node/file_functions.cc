#include <span>

#include "core/crc32c.h"
#include "core/descriptors.h"
#include "core/directory_listing.h"
#include "core/extended_attributes.h"
#include "core/file_attributes.h"
#include "core/file_data.h"
#include "core/file_flags.h"
#include "core/file_handles.h"
#include "core/file_names.h"
#include "core/read_plan.h"
#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

void ExportNames(Napi::Object exports) {
  Export<&OpenAt>(exports, "openAt");
  Export<[](int dir, const Name& name, int flags, uint32_t mode, uint32_t uid, uint32_t gid,
            uint32_t umask) {
    return CreateAt(dir, name, flags, mode, {uid, gid, umask});
  }>(exports, "createAt");
  Export<[](int dir, const Name& name, uint32_t mode, uint32_t uid, uint32_t gid, uint32_t umask) {
    return MkdirAt(dir, name, mode, {uid, gid, umask});
  }>(exports, "mkdirAt");
  Export<[](int dir, const Name& name, uint32_t mode, uint32_t rdev, uint32_t uid, uint32_t gid,
            uint32_t umask) {
    return MknodAt(dir, name, mode, rdev, {uid, gid, umask});
  }>(exports, "mknodAt");
  Export<[](const ByteText& target, int dir, const Name& name, uint32_t uid, uint32_t gid) {
    return SymlinkAt(target.bytes, dir, name, {uid, gid, 0});
  }>(exports, "symlinkAt");
  Export<&LinkAt>(exports, "linkAt");
  Export<&LinkPath>(exports, "linkPath");
  Export<&UnlinkAt>(exports, "unlinkAt");
  Export<&RenameAt>(exports, "renameAt");
  Export<&ReadlinkAt>(exports, "readlinkAt");
  Export<&ReadDirectory>(exports, "readDirectory");
}

void ExportAttributes(Napi::Object exports) {
  Export<[](int dir, const Name& name, std::span<double> out) -> Result {
    if (out.size() < kStatFields) return -EINVAL;
    return StatAt(dir, name, out.first<kStatFields>());
  }>(exports, "statAt");
  Export<&ChmodPath>(exports, "chmodPath");
  Export<&ChownPath>(exports, "chownPath");
  Export<&UtimensPath>(exports, "utimensPath");
  Export<&TruncatePath>(exports, "truncatePath");
  Export<[](int fd, const ByteText& name) { return GetXattrPath(fd, name.bytes); }>(exports,
                                                                                    "getXattrPath");
  Export<[](int fd, const ByteText& name, std::span<std::byte> value, int flags) {
    return SetXattrPath(fd, name.bytes, value, flags);
  }>(exports, "setXattrPath");
  Export<&ListXattrPath>(exports, "listXattrPath");
  Export<[](int fd, const ByteText& name) { return RemoveXattrPath(fd, name.bytes); }>(
      exports, "removeXattrPath");
  Export<&FileFlags>(exports, "fileFlags");
  Export<[](int fd, std::span<double> out) -> Result {
    if (out.size() < kStatfsFields) return -EINVAL;
    return Statfs(fd, out.first<kStatfsFields>());
  }>(exports, "statfs");
}

void ExportData(Napi::Object exports) {
  Export<&Seek>(exports, "seek");
  Export<&Fallocate>(exports, "fallocate");
  Export<&CopyRange>(exports, "copyRange");
  Export<&Fsync>(exports, "fsync");
  Export<&Syncfs>(exports, "syncfs");
  Export<[](std::span<std::byte> bytes, uint32_t seed) { return Crc32c(bytes, seed); }>(exports,
                                                                                        "crc32c");
  Export<[](int fd, std::span<std::byte> buffer, int64_t offset) {
    return ReadAt(fd, buffer, offset);
  }>(exports, "readAt");
  Export<[](int fd, std::span<std::byte> buffer, int64_t offset) {
    return WriteAt(fd, buffer, offset);
  }>(exports, "writeAt");
  Export<[](std::span<double> words, uint32_t piece_count, uint64_t plan_offset, uint64_t offset,
            std::span<std::byte> buffer) -> Result {
    ReadPlan plan;
    if (!plan.Parse(words, piece_count, plan_offset)) return -EINVAL;
    // Its own reader: `bygone check` must see the disk as it is now, not a run kept from before.
    return PlanReader().Read(plan, offset, buffer);
  }>(exports, "readByPlan");
}

}  // namespace

void ExportFileFunctions(Napi::Object exports) {
  Export<&OpenPath>(exports, "openPath");
  Export<&OpenStraight>(exports, "openStraight");
  Export<&Reopen>(exports, "reopen");
  Export<&Duplicate>(exports, "duplicate");
  Export<&CloseAllOnExec>(exports, "closeAllOnExec");
  Export<&DuplicateTo>(exports, "duplicateTo");
  Export<&CloseDescriptor>(exports, "close");
  Export<&Flock>(exports, "flock");
  Export<&GenerationAt>(exports, "generationAt");
  Export<&OpenByInode>(exports, "openByInode");
  Export<&OpenParent>(exports, "openParent");
  ExportNames(exports);
  ExportAttributes(exports);
  ExportData(exports);
}

}  // namespace bygone::js
