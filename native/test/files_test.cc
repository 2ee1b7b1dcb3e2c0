#include "test/files.h"

#include <dirent.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "core/descriptors.h"
#include "core/directory_listing.h"
#include "core/extended_attributes.h"
#include "core/file_attributes.h"
#include "core/file_data.h"
#include "core/file_flags.h"
#include "core/file_names.h"
#include "test/check.h"

namespace bygone::test::files_test {
namespace {

Creator Self() { return {::geteuid(), ::getegid(), 0}; }

UniqueFd Opened(Result result) { return UniqueFd(static_cast<int>(result)); }

UniqueFd OpenPathOf(const TempDir& dir, const char* name) {
  return Opened(OpenAt(dir.fd(), Name(name), O_PATH, 0));
}

std::string ReadAll(int fd) {
  std::string text(1000, '\0');
  const Result got = ReadAt(fd, std::as_writable_bytes(std::span(text)), 0);
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

using Fields = std::array<double, kStatFields>;

struct Entry {
  uint64_t ino;
  int type;
};

std::map<std::string, Entry> Unpacked(const std::vector<std::byte>& packed) {
  std::map<std::string, Entry> entries;
  for (size_t at = 0; at < packed.size();) {
    Entry entry;
    std::memcpy(&entry.ino, &packed[at], 8);
    entry.type = static_cast<int>(packed[at + 8]);
    const auto length = static_cast<size_t>(packed[at + 9]);
    entries[TextOf(std::span(packed).subspan(at + 10, length))] = entry;
    at += 10 + length;
  }
  return entries;
}

}  // namespace

TEST("a name that is not one plain component is refused by every call") {
  const TempDir dir;
  const UniqueFd file = dir.File("file");
  const Creator self = Self();
  Fields fields;
  const std::pair<std::string, int> bad[] = {{"..", -EINVAL},
                                             {".", -EINVAL},
                                             {"a/b", -EINVAL},
                                             {"/", -EINVAL},
                                             {"/etc", -EINVAL},
                                             {"file/", -EINVAL},
                                             {std::string("a\0b", 3), -EINVAL},
                                             {std::string(256, 'n'), -ENAMETOOLONG},
                                             {std::string(5000, 'n'), -ENAMETOOLONG}};
  const Name good("good");
  for (const auto& [bytes, error] : bad) {
    const Name name{bytes};
    CHECK_EQ(OpenAt(dir.fd(), name, O_RDONLY, 0), error);
    CHECK_EQ(OpenAt(dir.fd(), name, O_PATH, 0), error);
    CHECK_EQ(CreateAt(dir.fd(), name, O_RDWR, 0600, self), error);
    CHECK_EQ(MkdirAt(dir.fd(), name, 0700, self), error);
    CHECK_EQ(MknodAt(dir.fd(), name, S_IFIFO | 0600, 0, self), error);
    CHECK_EQ(SymlinkAt("target", dir.fd(), name, self), error);
    CHECK_EQ(LinkAt(dir.fd(), name, dir.fd(), good), error);
    CHECK_EQ(LinkAt(dir.fd(), Name("file"), dir.fd(), name), error);
    CHECK_EQ(LinkPath(file.get(), dir.fd(), name), error);
    CHECK_EQ(UnlinkAt(dir.fd(), name, 0), error);
    CHECK_EQ(UnlinkAt(dir.fd(), name, AT_REMOVEDIR), error);
    CHECK_EQ(RenameAt(dir.fd(), name, dir.fd(), good, 0), error);
    CHECK_EQ(RenameAt(dir.fd(), Name("file"), dir.fd(), name, 0), error);
    CHECK_EQ(ReadlinkAt(dir.fd(), name).error, error);
    CHECK_EQ(StatAt(dir.fd(), name, fields), error);
  }
}

TEST("names of 255 bytes that are no UTF-8 are kept byte by byte") {
  const TempDir dir;
  std::string bytes;
  for (int i = 0; i < 255; i++) bytes += i == 0 || i == '/' ? 'x' : static_cast<char>(i);
  REQUIRE(Opened(CreateAt(dir.fd(), Name(bytes), O_RDWR | O_EXCL, 0600, Self())).valid());
  const BytesResult listing = ReadDirectory(dir.fd());
  CHECK(Unpacked(listing.bytes).contains(bytes));
}

TEST("a symlink is opened as itself or not at all") {
  const TempDir dir;
  REQUIRE(dir.File("outside", "secret").valid());
  REQUIRE(::symlinkat("outside", dir.fd(), "inside-link") == 0);
  REQUIRE(::symlinkat("/etc/passwd", dir.fd(), "link") == 0);
  CHECK_EQ(OpenAt(dir.fd(), Name("link"), O_RDONLY, 0), -ELOOP);
  CHECK_EQ(OpenAt(dir.fd(), Name("inside-link"), O_RDONLY, 0), -ELOOP);
  CHECK_EQ(CreateAt(dir.fd(), Name("link"), O_RDWR, 0600, Self()), -ELOOP);
  const UniqueFd link = OpenPathOf(dir, "link");
  REQUIRE(link.valid());
  CHECK(S_ISLNK(StatOf(link.get()).st_mode));
  CHECK_EQ(ReadlinkAt(dir.fd(), Name("link")).bytes, "/etc/passwd");
  CHECK_EQ(ReadlinkAt(link.get(), Name()).bytes, "/etc/passwd");
  CHECK_EQ(Reopen(link.get(), O_RDONLY), -ELOOP);
}

TEST("where something is mounted opening is EXDEV and stat says so") {
  const UniqueFd root(::open("/", O_RDONLY | O_DIRECTORY));
  CHECK_EQ(OpenAt(root.get(), Name("proc"), O_RDONLY | O_DIRECTORY, 0), -EXDEV);
  CHECK_EQ(OpenAt(root.get(), Name("proc"), O_PATH, 0), -EXDEV);
  Fields fields;
  CHECK_EQ(StatAt(root.get(), Name("proc"), fields), 0);
  CHECK_EQ(fields[18], 1);
  const TempDir dir;
  REQUIRE(dir.File("file").valid());
  CHECK_EQ(StatAt(dir.fd(), Name("file"), fields), 0);
  CHECK_EQ(fields[18], 0);
}

TEST("a magic link is not followed") {
  const UniqueFd fds(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
  const TempDir dir;
  const Name number(std::to_string(dir.fd()));
  CHECK_EQ(OpenAt(fds.get(), number, O_RDONLY, 0), -ELOOP);
}

TEST("flags that the kernel adds do no harm") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "0123456789");
  constexpr int kExecFlagOfKernel = 0x20;
  const UniqueFd opened = Opened(
      OpenAt(dir.fd(), Name("file"), O_RDWR | O_DIRECT | O_LARGEFILE | kExecFlagOfKernel, 0));
  REQUIRE(opened.valid());
  CHECK_EQ(WriteAt(opened.get(), BytesOf("ab"), 3), 2);
  CHECK_EQ(ReadAll(file.get()), "012ab56789");
  const UniqueFd again = Opened(Reopen(opened.get(), O_RDWR | O_DIRECT));
  CHECK_EQ(WriteAt(again.get(), BytesOf("c"), 0), 1);
  CHECK_EQ(ReadAll(file.get()), "c12ab56789");
  CHECK((::fcntl(opened.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(again.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(OpenPathOf(dir, "file").valid());
  CHECK(Opened(OpenAt(dir.fd(), Name("file"), O_PATH | O_RDWR | O_NONBLOCK, 0)).valid());
}

TEST("what is written through O_APPEND goes to the end") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "0123");
  const UniqueFd opened = Opened(OpenAt(dir.fd(), Name("file"), O_RDWR | O_APPEND, 0));
  REQUIRE(opened.valid());
  CHECK_EQ(WriteAt(opened.get(), BytesOf("ab"), 4), 2);
  CHECK_EQ(ReadAll(file.get()), "0123ab");
}

TEST("flags of a file can be read and set, and nothing else is asked of it") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "0123");
  std::array<std::byte, sizeof(int)> flags{};
  const Result got = FileFlags(file.get(), FS_IOC_GETFLAGS, flags);
  // A file system without flags, such as some of those that are mounted on /tmp.
  if (got != -ENOTTY) {
    CHECK_EQ(got, 0);
    flags[0] |= std::byte{FS_NODUMP_FL};
    CHECK_EQ(FileFlags(file.get(), FS_IOC_SETFLAGS, flags), 0);
    flags = {};
    CHECK_EQ(FileFlags(file.get(), FS_IOC_GETFLAGS, flags), 0);
    CHECK((flags[0] & std::byte{FS_NODUMP_FL}) != std::byte{0});
  }
  CHECK_EQ(FileFlags(file.get(), FIONREAD, flags), -EINVAL);
  CHECK_EQ(FileFlags(file.get(), FS_IOC_FSGETXATTR, flags), -EINVAL);
}

TEST("an unnamed file can be made and given a name") {
  const TempDir dir;
  const UniqueFd file = Opened(CreateAt(dir.fd(), Name(), O_TMPFILE | O_RDWR, 0640, Self()));
  REQUIRE(file.valid());
  CHECK_EQ(WriteAt(file.get(), BytesOf("text"), 0), 4);
  CHECK_EQ(LinkPath(file.get(), dir.fd(), Name("named")), 0);
  CHECK_EQ(ReadAll(Opened(OpenAt(dir.fd(), Name("named"), O_RDONLY, 0)).get()), "text");
  CHECK_EQ(CreateAt(dir.fd(), Name(), O_RDWR, 0640, Self()), -EINVAL);
}

TEST("names are made, linked, renamed, exchanged and removed") {
  const TempDir dir;
  const Creator self = Self();
  CHECK_EQ(MkdirAt(dir.fd(), Name("sub"), 0750, self), 0);
  const UniqueFd sub = Opened(OpenAt(dir.fd(), Name("sub"), O_RDONLY | O_DIRECTORY, 0));
  REQUIRE(sub.valid());
  CHECK_EQ(MknodAt(sub.get(), Name("pipe"), S_IFIFO | 0600, 0, self), 0);
  CHECK_EQ(SymlinkAt("where/to", sub.get(), Name("link"), self), 0);
  const UniqueFd file = dir.File("file", "text");
  CHECK_EQ(LinkAt(dir.fd(), Name("file"), sub.get(), Name("hard")), 0);
  CHECK_EQ(LinkAt(sub.get(), Name("link"), dir.fd(), Name("link-twin")), 0);
  CHECK_EQ(ReadlinkAt(dir.fd(), Name("link-twin")).bytes, "where/to");
  CHECK_EQ(LinkPath(OpenPathOf(dir, "file").get(), sub.get(), Name("hard2")), 0);
  CHECK_EQ(LinkPath(OpenPathOf(dir, "link-twin").get(), sub.get(), Name("link3")), 0);
  CHECK_EQ(ReadlinkAt(sub.get(), Name("link3")).bytes, "where/to");
  CHECK_EQ(StatOf(file.get()).st_nlink, 3u);
  CHECK_EQ(RenameAt(sub.get(), Name("hard"), dir.fd(), Name("moved"), 0), 0);
  CHECK_EQ(RenameAt(sub.get(), Name("pipe"), dir.fd(), Name("moved"), RENAME_NOREPLACE), -EEXIST);
  CHECK_EQ(RenameAt(sub.get(), Name("pipe"), dir.fd(), Name("moved"), RENAME_EXCHANGE), 0);
  CHECK_EQ(UnlinkAt(dir.fd(), Name("sub"), AT_REMOVEDIR), -ENOTEMPTY);
  CHECK_EQ(UnlinkAt(dir.fd(), Name("sub"), 0), -EISDIR);
  for (const char* name : {"pipe", "link", "hard2", "link3"}) {
    CHECK_EQ(UnlinkAt(sub.get(), Name(name), 0), 0);
  }
  CHECK_EQ(UnlinkAt(dir.fd(), Name("sub"), AT_REMOVEDIR), 0);
}

TEST("a directory is listed whole, each time from its beginning") {
  const TempDir dir;
  constexpr int kFiles = 600;  // more than one batch
  const std::string prefix(150, 'f');
  for (int i = 0; i < kFiles; i++) REQUIRE(dir.File(prefix + std::to_string(i)).valid());
  REQUIRE(::mkdirat(dir.fd(), "sub", 0700) == 0);
  REQUIRE(::symlinkat("x", dir.fd(), "link") == 0);
  REQUIRE(dir.File("...").valid());
  for (int round = 0; round < 2; round++) {
    const BytesResult listing = ReadDirectory(dir.fd());
    CHECK_EQ(listing.error, 0);
    const auto entries = Unpacked(listing.bytes);
    CHECK_EQ(entries.size(), kFiles + 3u);
    CHECK_EQ(entries.at("sub").type, DT_DIR);
    CHECK_EQ(entries.at("link").type, DT_LNK);
    CHECK_EQ(entries.at(prefix + "7").type, DT_REG);
    Fields fields;
    REQUIRE(StatAt(dir.fd(), Name(prefix + "7"), fields) == 0);
    CHECK_EQ(static_cast<double>(entries.at(prefix + "7").ino), fields[1]);
  }
  const UniqueFd file = dir.File("file");
  CHECK_EQ(ReadDirectory(file.get()).error, -ENOTDIR);
}

TEST("stat tells what fstat tells, of names and of descriptors") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", std::string(10000, 'x'));
  const timespec times[2] = {{-5, 123456789}, {1700000000, 987654321}};
  REQUIRE(::futimens(file.get(), times) == 0);
  const struct stat expected = StatOf(file.get());
  Fields by_name;
  Fields by_fd;
  CHECK_EQ(StatAt(dir.fd(), Name("file"), by_name), 0);
  CHECK_EQ(StatAt(file.get(), Name(), by_fd), 0);
  CHECK(by_name == by_fd);
  CHECK_EQ(by_fd[0], static_cast<double>(expected.st_dev));
  CHECK_EQ(by_fd[1], static_cast<double>(expected.st_ino));
  CHECK_EQ(by_fd[2], expected.st_mode);
  CHECK_EQ(by_fd[3], 1);
  CHECK_EQ(by_fd[4], expected.st_uid);
  CHECK_EQ(by_fd[5], expected.st_gid);
  CHECK_EQ(by_fd[7], 10000);
  CHECK_EQ(by_fd[8], static_cast<double>(expected.st_blocks));
  CHECK_EQ(by_fd[10], -5);
  CHECK_EQ(by_fd[11], 123456789);
  CHECK_EQ(by_fd[12], 1700000000);
  CHECK_EQ(by_fd[13], 987654321);
  CHECK_EQ(by_fd[14], static_cast<double>(expected.st_ctim.tv_sec));
  CHECK(std::isnan(by_fd[16]) || by_fd[16] > 1700000000);
  CHECK_EQ(StatAt(dir.fd(), Name("absent"), by_name), -ENOENT);
  REQUIRE(::symlinkat("absent", dir.fd(), "link") == 0);
  CHECK_EQ(StatAt(dir.fd(), Name("link"), by_name), 0);
  CHECK(S_ISLNK(static_cast<mode_t>(by_name[2])));
  const UniqueFd proc(::open("/proc", O_PATH));
  CHECK_EQ(StatAt(proc.get(), Name("version"), by_name), 0);
  CHECK(std::isnan(by_name[16]));
}

TEST("a device number is carried in the kernel's encoding") {
  const TempDir dir;
  constexpr uint32_t kMajor = 0x123;
  constexpr uint32_t kMinor = 0x45678;
  const auto encoded = static_cast<uint32_t>(::makedev(kMajor, kMinor));
  const Result made = MknodAt(dir.fd(), Name("device"), S_IFCHR | 0600, encoded, Self());
  if (made == -EPERM) return Skip("making devices is not permitted here");
  Fields fields;
  REQUIRE(StatAt(dir.fd(), Name("device"), fields) == 0);
  CHECK_EQ(fields[6], encoded);
  CHECK_EQ(major(StatOf(OpenPathOf(dir, "device").get()).st_rdev), kMajor);
}

TEST("attributes change through O_PATH descriptors") {
  const TempDir dir;
  REQUIRE(dir.File("file", "0123456789").valid());
  const UniqueFd file = OpenPathOf(dir, "file");
  CHECK_EQ(ChmodPath(file.get(), 04751), 0);
  CHECK_EQ(StatOf(file.get()).st_mode & 07777, 04751u);
  CHECK_EQ(TruncatePath(file.get(), 4), 0);
  CHECK_EQ(StatOf(file.get()).st_size, 4);
  CHECK_EQ(UtimensPath(file.get(), 11, 22, -33, 44), 0);
  CHECK_EQ(StatOf(file.get()).st_atim.tv_nsec, 22);
  CHECK_EQ(StatOf(file.get()).st_mtim.tv_sec, -33);
  CHECK_EQ(UtimensPath(file.get(), 0, UTIME_OMIT, 55, 66), 0);
  CHECK_EQ(StatOf(file.get()).st_atim.tv_sec, 11);
  CHECK_EQ(StatOf(file.get()).st_mtim.tv_nsec, 66);
  CHECK_EQ(ChownPath(file.get(), UINT32_MAX, UINT32_MAX), 0);
  if (::geteuid() != 0) return Skip("chown needs root");
  CHECK_EQ(ChownPath(file.get(), 1234, UINT32_MAX), 0);
  CHECK_EQ(StatOf(file.get()).st_uid, 1234u);
  CHECK_EQ(StatOf(file.get()).st_gid, ::getegid());
}

TEST("attributes of a symlink are its own; its target is never touched") {
  const TempDir dir;
  const UniqueFd target = dir.File("target", "0123456789");
  REQUIRE(::symlinkat("target", dir.fd(), "link") == 0);
  const UniqueFd link = OpenPathOf(dir, "link");
  const struct stat before = StatOf(target.get());
  const struct stat link_before = StatOf(link.get());
  CHECK_EQ(ChmodPath(link.get(), 0777), -EOPNOTSUPP);
  CHECK_EQ(StatOf(link.get()).st_mode, link_before.st_mode);
  CHECK(TruncatePath(link.get(), 0) < 0);
  CHECK_EQ(UtimensPath(link.get(), 1, 2, 3, 4), 0);
  CHECK_EQ(StatOf(link.get()).st_mtim.tv_sec, 3);
  CHECK(SetXattrPath(link.get(), "user.name", BytesOf("value"), 0) < 0);
  if (::geteuid() == 0) {
    CHECK_EQ(ChownPath(link.get(), 1234, 5678), 0);
    CHECK_EQ(StatOf(link.get()).st_gid, 5678u);
    CHECK_EQ(SetXattrPath(link.get(), "trusted.name", BytesOf("value"), 0), 0);
    CHECK_EQ(TextOf(GetXattrPath(link.get(), "trusted.name").bytes), "value");
  }
  const struct stat after = StatOf(target.get());
  CHECK_EQ(after.st_mode, before.st_mode);
  CHECK_EQ(after.st_size, before.st_size);
  CHECK_EQ(after.st_uid, before.st_uid);
  CHECK_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
}

TEST("a descriptor open for writing can truncate though its file allows nobody to") {
  const TempDir dir;
  const UniqueFd file = dir.File("file", "0123456789");
  REQUIRE(::fchmod(file.get(), 0) == 0);
  CHECK_EQ(TruncatePath(file.get(), 3), 0);
  CHECK_EQ(TruncatePath(file.get(), -1), -EINVAL);
  CHECK_EQ(TruncatePath(dir.fd(), 3), -EISDIR);
}

TEST("extended attributes work on open and on O_PATH descriptors") {
  const TempDir dir;
  const UniqueFd open = dir.File("file");
  const UniqueFd path = OpenPathOf(dir, "file");
  const std::string big = Noise(1000, 1);
  for (const int fd : {open.get(), path.get(), dir.fd()}) {
    CHECK_EQ(SetXattrPath(fd, "user.first", BytesOf(big), 0), 0);
    CHECK_EQ(SetXattrPath(fd, "user.\xff", BytesOf(""), XATTR_CREATE), 0);
    CHECK_EQ(SetXattrPath(fd, "user.first", BytesOf("x"), XATTR_CREATE), -EEXIST);
    CHECK_EQ(SetXattrPath(fd, "user.absent", BytesOf("x"), XATTR_REPLACE), -ENODATA);
    CHECK(TextOf(GetXattrPath(fd, "user.first").bytes) == big);
    CHECK_EQ(GetXattrPath(fd, "user.\xff").error, 0);
    CHECK_EQ(GetXattrPath(fd, "user.\xff").bytes.size(), 0u);
    CHECK_EQ(GetXattrPath(fd, "user.absent").error, -ENODATA);
    const std::string list = TextOf(ListXattrPath(fd).bytes);
    CHECK(list.find(std::string("user.first\0", 11)) != std::string::npos);
    CHECK(list.find(std::string("user.\xff\0", 7)) != std::string::npos);
    CHECK_EQ(RemoveXattrPath(fd, "user.first"), 0);
    CHECK_EQ(RemoveXattrPath(fd, "user.\xff"), 0);
    CHECK_EQ(RemoveXattrPath(fd, "user.first"), -ENODATA);
    CHECK_EQ(GetXattrPath(fd, std::string("user.a\0b", 8)).error, -EINVAL);
  }
}

TEST("data is read and written at offsets; only the end of the file is short") {
  const TempDir dir;
  const UniqueFd file = dir.File("file");
  CHECK_EQ(WriteAt(file.get(), BytesOf("hello"), 3), 5);
  std::string out(10, '?');
  CHECK_EQ(ReadAt(file.get(), std::as_writable_bytes(std::span(out)), 0), 8);
  CHECK_EQ(out.substr(0, 8), std::string("\0\0\0hello", 8));
  CHECK_EQ(ReadAt(file.get(), std::as_writable_bytes(std::span(out)), 8), 0);
  CHECK_EQ(ReadAt(dir.fd(), std::as_writable_bytes(std::span(out)), 0), -EISDIR);
  CHECK_EQ(ReadAt(file.get(), std::as_writable_bytes(std::span(out)), -1), -EINVAL);
  const UniqueFd read_only(::open(dir.Path("file").c_str(), O_RDONLY));
  CHECK_EQ(WriteAt(read_only.get(), BytesOf("x"), 0), -EBADF);
  const UniqueFd copy = dir.File("copy");
  CHECK_EQ(CopyRange(file.get(), 3, copy.get(), 1, 5), 5);
  CHECK_EQ(ReadAll(copy.get()), std::string("\0hello", 6));
  CHECK_EQ(Fallocate(file.get(), 0, 0, 100000), 0);
  CHECK_EQ(StatOf(file.get()).st_size, 100000);
  CHECK_EQ(Fsync(file.get(), true), 0);
  CHECK_EQ(Fsync(dir.fd(), false), 0);
  // Of a file system that has nothing to write: the others may have much.
  CHECK_EQ(Syncfs(UniqueFd(::open("/proc", O_RDONLY)).get()), 0);
  CHECK_EQ(Syncfs(-1), -EBADF);
  CHECK(Seek(file.get(), 0, SEEK_HOLE) >= 8);  // preallocated may count as a hole
  CHECK_EQ(Seek(copy.get(), 6, SEEK_DATA), -ENXIO);
}

TEST("a write that stops midway tells how far it came, or fails whole, as asked") {
  // A pipe stands for a full disk: it takes a part and then no more. pwrite refuses pipes, so the
  // limit is set on the file's size instead, where EFBIG follows a short write.
  const TempDir dir;
  const UniqueFd file = dir.File("file");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limited{4096, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limited) == 0);
  const std::string noise = Noise(10000, 1);
  CHECK_EQ(WriteSomeAt(file.get(), BytesOf(noise), 0), 4096);
  CHECK_EQ(WriteSomeAt(file.get(), BytesOf(noise), 4096), -EFBIG);
  CHECK_EQ(WriteAt(file.get(), BytesOf(noise), 0), -EFBIG);
  ::setrlimit(RLIMIT_FSIZE, &before);
}

TEST("a lock on a file keeps others out until it is given back") {
  const TempDir dir;
  const UniqueFd first = dir.File("lock");
  const UniqueFd second(::open(dir.Path("lock").c_str(), O_RDWR));
  CHECK_EQ(Flock(first.get(), LOCK_EX | LOCK_NB), 0);
  CHECK_EQ(Flock(second.get(), LOCK_EX | LOCK_NB), -EWOULDBLOCK);
  CHECK_EQ(Flock(first.get(), LOCK_UN), 0);
  CHECK_EQ(Flock(second.get(), LOCK_SH | LOCK_NB), 0);
}

TEST("descriptors: limits, duplicates, events and peers") {
  CHECK(RaiseDescriptorLimit() > 0);
  const TempDir dir;
  const UniqueFd copy = Opened(Duplicate(dir.fd()));
  CHECK_EQ(StatOf(copy.get()).st_ino, StatOf(dir.fd()).st_ino);
  CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK_EQ(CloseDescriptor(999999), -EBADF);
  const UniqueFd event = Opened(EventFd());
  uint64_t count = 0;
  CHECK_EQ(::read(event.get(), &count, sizeof count), -1);
  CHECK_EQ(SignalEventFd(event.get()), 0);
  CHECK_EQ(SignalEventFd(event.get()), 0);
  CHECK_EQ(::read(event.get(), &count, sizeof count), 8);
  CHECK_EQ(count, 2u);
  const uint64_t nearly_full = UINT64_MAX - 1;
  REQUIRE(::write(event.get(), &nearly_full, sizeof nearly_full) == 8);
  CHECK_EQ(SignalEventFd(event.get()), 0);
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  CHECK_EQ(PeerUid(ours.get()), static_cast<Result>(::geteuid()));
  CHECK_EQ(PeerUid(dir.fd()), -ENOTSOCK);
  CHECK_EQ(OpenPath(dir.path(), O_RDONLY | O_CREAT, 0600), -EISDIR);
  CHECK_EQ(OpenPath(std::string("/tmp\0x", 6), O_RDONLY, 0), -EINVAL);
}

TEST("statfs tells the sizes of the file system") {
  const TempDir dir;
  std::array<double, kStatfsFields> fields{};
  CHECK_EQ(Statfs(dir.fd(), fields), 0);
  CHECK(fields[0] >= 512);
  CHECK(fields[1] >= fields[2] && fields[2] >= fields[3]);
  CHECK_EQ(fields[7], 255);
  CHECK_EQ(Statfs(-1, fields), -EBADF);
}

}  // namespace bygone::test::files_test
