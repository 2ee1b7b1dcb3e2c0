#include "core/creator.h"

#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <fstream>
#include <thread>

#include "core/file_names.h"
#include "test/check.h"
#include "test/files.h"

namespace bygone::test::creator_test {
namespace {

struct stat Find(const TempDir& dir, const char* name) {
  struct stat found {};
  if (::fstatat(dir.fd(), name, &found, AT_SYMLINK_NOFOLLOW) != 0) found.st_uid = 0xbad;
  return found;
}

Result CreateAndClose(const TempDir& dir, const char* name, mode_t mode, const Creator& creator) {
  const Result fd = CreateAt(dir.fd(), Name(name), O_RDWR | O_EXCL, mode, creator);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return fd < 0 ? fd : 0;
}

bool IsOwnAgain() {
  return ::setfsuid(UINT32_MAX) == static_cast<int>(::geteuid()) &&
         ::setfsgid(UINT32_MAX) == static_cast<int>(::getegid());
}

// Of the calling thread.
uint64_t EffectiveCapabilities() {
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return 0;
}

// Each test has a thread of its own, because what IsolateThread does stays.
void OnThread(const std::function<void()>& run) { std::thread(run).join(); }

}  // namespace

TEST("new files of every kind belong to their creator from the start") {
  if (::geteuid() != 0) return Skip("needs root");
  OnThread([] {
    CHECK_EQ(IsolateThread(), 0);
    const TempDir dir;
    const Creator creator{12345, 54321, 0};
    CHECK_EQ(CreateAndClose(dir, "file", 04755, creator), 0);
    CHECK_EQ(MkdirAt(dir.fd(), Name("sub"), 0777, creator), 0);
    CHECK_EQ(MknodAt(dir.fd(), Name("pipe"), S_IFIFO | 0666, 0, creator), 0);
    CHECK_EQ(SymlinkAt("target", dir.fd(), Name("link"), creator), 0);
    for (const char* name : {"file", "sub", "pipe", "link"}) {
      CHECK_EQ(Find(dir, name).st_uid, 12345u);
      CHECK_EQ(Find(dir, name).st_gid, 54321u);
    }
    CHECK_EQ(Find(dir, "file").st_mode & 07777, 04755u);
    CHECK(IsOwnAgain());
  });
}

TEST("the daemon keeps its rights while it acts for another") {
  if (::geteuid() != 0) return Skip("needs root");
  OnThread([] {
    CHECK_EQ(IsolateThread(), 0);
    const TempDir dir;  // mode 0700 of root: the creator alone could not even enter it
    CHECK_EQ(CreateAndClose(dir, "file", 0600, {12345, 54321, 0}), 0);
    CHECK_EQ(Find(dir, "file").st_uid, 12345u);
  });
}

TEST("who acts for a user has no rights to more than the user's share, and has them again") {
  if (::geteuid() != 0) return Skip("needs root");
  OnThread([] {
    CHECK_EQ(IsolateThread(), 0);
    const uint64_t own = EffectiveCapabilities();
    const uint64_t resource = uint64_t{1} << CAP_SYS_RESOURCE;
    for (const uint32_t gid : {0u, 7u}) {
      {
        const ActingAs acting({12345, gid});
        CHECK_EQ(acting.refusal(), 0);
        CHECK_EQ(EffectiveCapabilities(), own & ~resource);
        CHECK_EQ(::setfsuid(UINT32_MAX), 12345);
        CHECK_EQ(static_cast<uint32_t>(::setfsgid(UINT32_MAX)), gid);
      }
      CHECK_EQ(EffectiveCapabilities(), own);
      CHECK(IsOwnAgain());
      const ActingAs acting({0, gid});
      CHECK_EQ(EffectiveCapabilities(), own);
    }
    {
      const ActingAs acting({UINT32_MAX, 1});
      CHECK_EQ(acting.refusal(), -EPERM);
    }
    CHECK_EQ(EffectiveCapabilities(), own);
    CHECK(IsOwnAgain());
  });
}

TEST("the creator's umask counts, whether the thread has its own or not") {
  const mode_t process_mask = ::umask(0);
  ::umask(process_mask);
  OnThread([&] {
    const TempDir dir;
    const Creator creator{::geteuid(), ::getegid(), 027};
    CHECK_EQ(CreateAndClose(dir, "shared", 0666, creator), 0);
    CHECK_EQ(Find(dir, "shared").st_mode & 0777, 0640u & ~process_mask);
    CHECK_EQ(IsolateThread(), 0);
    CHECK_EQ(IsolateThread(), 0);
    CHECK_EQ(CreateAndClose(dir, "own", 0666, creator), 0);
    CHECK_EQ(Find(dir, "own").st_mode & 0777, 0640u);
    CHECK_EQ(CreateAndClose(dir, "open", 0666, {creator.uid, creator.gid, 0}), 0);
    CHECK_EQ(Find(dir, "open").st_mode & 0777, 0666u);
    CHECK_EQ(MkdirAt(dir.fd(), Name("sub"), 01777, creator), 0);
    CHECK_EQ(Find(dir, "sub").st_mode & 07777, 01750u);
    const mode_t mask = ::umask(0);
    CHECK_EQ(mask, process_mask);
    ::umask(mask);
  });
  const mode_t mask = ::umask(process_mask);
  CHECK_EQ(mask, process_mask);
}

TEST("a failed creation leaves no foreign identity behind") {
  if (::geteuid() != 0) return Skip("needs root");
  OnThread([] {
    CHECK_EQ(IsolateThread(), 0);
    const TempDir dir;
    CHECK_EQ(CreateAndClose(dir, "twice", 0600, {1, 2, 022}), 0);
    CHECK_EQ(CreateAndClose(dir, "twice", 0600, {3, 4, 077}), -EEXIST);
    CHECK_EQ(MkdirAt(999999, Name("sub"), 0700, {3, 4, 0}), -EBADF);
    CHECK(IsOwnAgain());
    CHECK_EQ(Find(dir, "twice").st_uid, 1u);
  });
}

TEST("an id that can't be taken on is refused, and nothing is made in the daemon's name") {
  if (::geteuid() != 0) return Skip("needs root");
  OnThread([] {
    const TempDir dir;
    CHECK_EQ(CreateAndClose(dir, "file", 0600, {UINT32_MAX, 1, 0}), -EPERM);
    CHECK_EQ(CreateAndClose(dir, "file", 0600, {1, UINT32_MAX, 0}), -EPERM);
    CHECK_EQ(Find(dir, "file").st_uid, 0xbadu);
    CHECK(IsOwnAgain());
  });
}

TEST("a default ACL's directory gets the creator's mode and not the umask") {
  OnThread([] {
    CHECK_EQ(IsolateThread(), 0);
    const TempDir dir;
    // version 2; user::rwx group::rwx other::r-x
    const unsigned char acl[] = {2, 0, 0,   0,   1,   0,   7,    0, 255, 255, 255, 255, 4,   0,
                                 7, 0, 255, 255, 255, 255, 0x20, 0, 5,   0,   255, 255, 255, 255};
    if (::fsetxattr(dir.fd(), "system.posix_acl_default", acl, sizeof acl, 0) != 0) {
      return Skip("this file system has no ACLs");
    }
    CHECK_EQ(CreateAndClose(dir, "file", 0666, {::geteuid(), ::getegid(), 077}), 0);
    CHECK_EQ(Find(dir, "file").st_mode & 0777, 0664u);
  });
}

TEST("threads that act for different people at once do not mix them up") {
  if (::geteuid() != 0) return Skip("needs root");
  const TempDir dir;
  std::vector<std::thread> threads;
  for (uint32_t id = 1; id <= 4; id++) {
    threads.emplace_back([&dir, id] {
      IsolateThread();
      for (int i = 0; i < 200; i++) {
        const std::string name = std::to_string(id) + "-" + std::to_string(i);
        CreateAndClose(dir, name.c_str(), 0666, {1000 + id, 2000 + id, id});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t id = 1; id <= 4; id++) {
    for (int i = 0; i < 200; i++) {
      const struct stat found = Find(dir, (std::to_string(id) + "-" + std::to_string(i)).c_str());
      if (!CHECK_EQ(found.st_uid, 1000 + id)) return;
      if (!CHECK_EQ(found.st_gid, 2000 + id)) return;
      if (!CHECK_EQ(found.st_mode & 0777, 0666 & ~id)) return;
    }
  }
}

}  // namespace bygone::test::creator_test
