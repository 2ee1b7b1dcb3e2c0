#include "core/mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>

#include "core/fusermount.h"
#include "test/check.h"
#include "test/files.h"

namespace bygone::test::mounts_test {
namespace {

// PATH with one directory only, as long as it lives.
class OnlyPath {
 public:
  explicit OnlyPath(const std::string& path) : before_(::getenv("PATH")) {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~OnlyPath() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  const std::string before_;
};

void WriteProgram(const TempDir& dir, const char* text) {
  const UniqueFd file = dir.File("fusermount3", text);
  ::fchmod(file.get(), 0755);
}

bool IsMounted(const TempDir& dir, const char* name) {
  // To look at a mount that nobody serves would block: the mount table tells.
  std::string table(1 << 20, '\0');
  const UniqueFd mounts(::open("/proc/self/mountinfo", O_RDONLY));
  ssize_t length = 0;
  for (ssize_t got = 1; got > 0; length += got) {
    got = ::pread(mounts.get(), table.data() + length, table.size() - static_cast<size_t>(length),
                  length);
    if (got < 0) break;
  }
  return table.find(" " + dir.Path(name) + " ") != std::string::npos;
}

}  // namespace

TEST("a missing fusermount3 is ENOENT") {
  const TempDir dir;
  const OnlyPath path(dir.path());
  std::string message = "old";
  CHECK_EQ(MountByFusermount("/nowhere", "ro", message), -ENOENT);
  CHECK_EQ(message, "");
}

TEST("what fusermount3 says when it refuses is kept") {
  const TempDir dir;
  WriteProgram(dir,
               "#!/bin/sh\n"
               "echo \"refused: $1 $2 $3 $4 to $_FUSE_COMMFD\" | /usr/bin/tr 0-9 N >&2\n"
               "exit 1\n");
  const OnlyPath path(dir.path());
  std::string message;
  CHECK_EQ(MountByFusermount("/mount point", "ro,fsname=a b", message), -EPERM);
  CHECK(message == "refused: -o ro,fsname=a b -- /mount point to N" ||
        message == "refused: -o ro,fsname=a b -- /mount point to NN");
}

TEST("a fusermount3 that ends without handing over a descriptor has refused") {
  const TempDir dir;
  WriteProgram(dir, "#!/bin/sh\nexit 0\n");
  const OnlyPath path(dir.path());
  std::string message;
  CHECK_EQ(MountByFusermount("/nowhere", "ro", message), -EPERM);
}

TEST("the option with which fusermount3 never ends is refused") {
  std::string message;
  CHECK_EQ(MountByFusermount("/nowhere", "ro,auto_unmount", message), -EINVAL);
}

TEST("fusermount3 hands over the connection of a new mount") {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) return Skip("no /dev/fuse");
  const TempDir dir;
  REQUIRE(::mkdirat(dir.fd(), "mount", 0755) == 0);
  std::string message;
  const UniqueFd fuse(static_cast<int>(
      MountByFusermount(dir.Path("mount"), "fsname=bygone-test,subtype=bygone", message)));
  if (!CHECK_EQ(message, "")) return;
  CHECK(fuse.valid());
  CHECK((::fcntl(fuse.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(IsMounted(dir, "mount"));
  CHECK_EQ(Umount(dir.Path("mount"), MNT_DETACH), 0);
  CHECK(!IsMounted(dir, "mount"));
}

TEST("root mounts by itself") {
  if (::access("/dev/fuse", R_OK | W_OK) != 0 || ::geteuid() != 0) {
    return Skip("no /dev/fuse, or not root");
  }
  const TempDir dir;
  REQUIRE(::mkdirat(dir.fd(), "mount", 0755) == 0);
  const Result opened = OpenFuse();
  REQUIRE(opened >= 0);
  const UniqueFd fuse(static_cast<int>(opened));
  CHECK_EQ(MountFuse(fuse.get(), dir.Path("mount"), "bygone-test", "fuse.bygone",
                     MS_NOSUID | MS_NODEV, "rootmode=40000,user_id=0,group_id=0"),
           0);
  CHECK(IsMounted(dir, "mount"));
  CHECK_EQ(Umount(dir.Path("mount"), MNT_DETACH), 0);
  CHECK_EQ(Umount(dir.Path("mount"), MNT_DETACH), -EINVAL);
  CHECK_EQ(MountFuse(fuse.get(), dir.Path("mount"), "bygone-test", "fuse.bygone", 0,
                     "no_such_option"),
           -EINVAL);
}

TEST("a mount is synced only if it is the one that is meant") {
  const TempDir dir;
  struct stat found;
  CHECK_EQ(::stat(dir.path().c_str(), &found), 0);
  const std::string device =
      std::to_string(major(found.st_dev)) + ":" + std::to_string(minor(found.st_dev));
  CHECK_EQ(SyncMount(dir.path(), device), 0);
  CHECK_EQ(SyncMount(dir.path(), "0:0"), -EXDEV);
  CHECK_EQ(SyncMount(dir.Path("missing"), device), -ENOENT);
}

}  // namespace bygone::test::mounts_test
