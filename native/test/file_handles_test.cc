#include "core/file_handles.h"

#include "core/file_names.h"
#include "test/check.h"
#include "test/files.h"

namespace bygone::test::file_handles_test {
namespace {

UniqueFd Opened(Result result) { return UniqueFd(static_cast<int>(result)); }

}  // namespace

TEST("a generation belongs to the file, whatever its name, and the empty name means the open file") {
  const TempDir dir;
  const UniqueFd file = dir.File("file");
  const Result generation = GenerationAt(dir.fd(), Name("file"));
  if (generation == -EOPNOTSUPP) return Skip("this file system has no handles");
  CHECK(generation >= 0 && generation <= UINT32_MAX);
  CHECK_EQ(RenameAt(dir.fd(), Name("file"), dir.fd(), Name("moved"), 0), 0);
  CHECK_EQ(GenerationAt(dir.fd(), Name("moved")), generation);
  CHECK_EQ(GenerationAt(file.get(), Name()), generation);
  CHECK_EQ(GenerationAt(dir.fd(), Name("file")), -ENOENT);
  CHECK_EQ(GenerationAt(dir.fd(), Name("..")), -EINVAL);
}

TEST("a file is opened by its inode number, to read or as a path only") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "bytes");
  const auto inode = StatOf(file.get()).st_ino;
  const Result opened = OpenByInode(dir.fd(), inode, O_RDONLY);
  if (opened == -EOPNOTSUPP || opened == -EPERM) return Skip("not root, or not on ext4, XFS or btrfs");
  CHECK_EQ(StatOf(Opened(opened).get()).st_ino, inode);
  const UniqueFd path = Opened(OpenByInode(dir.fd(), inode, O_PATH));
  CHECK_EQ(StatOf(path.get()).st_size, 5);
}

TEST("numbers that no file has are ESTALE") {
  const TempDir dir;
  const Result opened = OpenByInode(dir.fd(), uint64_t{1} << 51, O_PATH);
  if (opened == -EOPNOTSUPP || opened == -EPERM) return Skip("not root, or not on ext4, XFS or btrfs");
  CHECK_EQ(opened, -ESTALE);
  CHECK_EQ(OpenByInode(dir.fd(), 0, O_PATH), -ESTALE);
}

TEST("the directory above is found, and not where it leads into a mount") {
  const TempDir dir;
  CHECK_EQ(MkdirAt(dir.fd(), Name("sub"), 0755, {::geteuid(), ::getegid(), 0}), 0);
  const UniqueFd sub = Opened(OpenAt(dir.fd(), Name("sub"), O_PATH, 0));
  CHECK_EQ(StatOf(Opened(OpenParent(sub.get())).get()).st_ino, StatOf(dir.fd()).st_ino);
  const UniqueFd proc(::open("/proc", O_PATH | O_CLOEXEC));
  CHECK_EQ(OpenParent(proc.get()), -EXDEV);
}

}  // namespace bygone::test::file_handles_test
