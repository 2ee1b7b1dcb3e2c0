#include "core/session.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/crc32c.h"
#include "core/descriptors.h"
#include "test/check.h"
#include "test/files.h"
#include "test/kernel_end.h"
#include "test/sync_hook.h"

namespace bygone::test::session_test {
namespace {

constexpr uint32_t kMaxWrite = 128 * 1024;
constexpr uint32_t kShift = 12;
constexpr Identity kDaemon{0, 0};

// A session with its kernel. Requests that JavaScript must see are marked by LOOKUP: an exchange
// that returns one has served what was sent before.
struct Mounted {
  KernelEnd kernel;
  UniqueFd wake{static_cast<int>(EventFd())};
  std::shared_ptr<Guards> guards = std::make_shared<Guards>();
  Session session{kernel.fd(), wake.get(), guards, kMaxWrite};
  TempDir dir;

  Mounted() { guards->SetEpoch(1); }

  uint32_t Opcode() const { return Header().opcode; }
  uint64_t Unique() const { return Header().unique; }
  fuse_in_header Header() const {
    fuse_in_header header;
    std::memcpy(&header, session.request()->data(), sizeof header);
    return header;
  }
  // Runs until everything sent so far is served inside.
  void ServeAll() {
    kernel.SendRequest(FUSE_LOOKUP, 999);
    CHECK_EQ(session.Exchange(0), static_cast<Result>(sizeof(fuse_in_header)));
    CHECK_EQ(Unique(), 999u);
  }
  int GuardAllowing(uint64_t chunk_first, uint64_t chunk_count) {
    const int guard = guards->Create();
    guards->Reset(guard, kShift, 1000);
    guards->Mark(guard, chunk_first, chunk_count);
    return guard;
  }
};

std::string Contents(int fd) {
  std::string text(static_cast<size_t>(StatOf(fd).st_size), '\0');
  if (::pread(fd, text.data(), text.size(), 0) < 0) std::abort();
  return text;
}

std::vector<double> FilePlan(int fd, double offset, double length) {
  return {1, length, static_cast<double>(fd), offset, 0, 0, 0};
}

uint32_t BytesWritten(const KernelEnd::Reply& reply) {
  fuse_write_out out{};
  if (CHECK_EQ(reply.body.size(), sizeof out)) std::memcpy(&out, reply.body.data(), sizeof out);
  return out.size;
}

}  // namespace

TEST("a request that JavaScript must see is handed over as it came") {
  Mounted mounted;
  mounted.kernel.SendRequest(FUSE_GETATTR, 7, "body");
  CHECK_EQ(mounted.session.Exchange(0), static_cast<Result>(sizeof(fuse_in_header) + 4));
  CHECK_EQ(mounted.Opcode(), static_cast<uint32_t>(FUSE_GETATTR));
  CHECK_EQ(mounted.Unique(), 7u);
  CHECK_EQ(TextOf(mounted.session.request()->span().subspan(sizeof(fuse_in_header), 4)), "body");
}

TEST("the reply goes out before the next request is awaited") {
  Mounted mounted;
  const fuse_out_header header{sizeof header + 3, 0, 7};
  std::memcpy(mounted.session.reply()->data(), &header, sizeof header);
  std::memcpy(mounted.session.reply()->data() + sizeof header, "abc", 3);
  mounted.kernel.SendRequest(FUSE_LOOKUP, 8);
  CHECK(mounted.session.Exchange(sizeof header + 3) > 0);
  const auto reply = mounted.kernel.Receive();
  REQUIRE(reply);
  CHECK_EQ(reply->header.unique, 7u);
  CHECK_EQ(reply->body, "abc");
  CHECK_EQ(mounted.session.Exchange(100 << 20), -EINVAL);
}

TEST("the request buffer holds a full write and its data starts a page") {
  Mounted mounted;
  const std::string data = Noise(kMaxWrite, 1);
  mounted.kernel.SendWrite(3, 1, 0, data);
  CHECK_EQ(mounted.session.Exchange(0),
           static_cast<Result>(sizeof(fuse_in_header) + sizeof(fuse_write_in) + kMaxWrite));
  const std::byte* const payload =
      mounted.session.request()->data() + sizeof(fuse_in_header) + sizeof(fuse_write_in);
  CHECK(std::memcmp(payload, data.data(), data.size()) == 0);
  CHECK_EQ(reinterpret_cast<uintptr_t>(payload) % 4096, 0u);
}

TEST("a wake-up ends an exchange that waits") {
  Mounted mounted;
  std::thread waker([&] { SignalEventFd(mounted.wake.get()); });
  CHECK_EQ(mounted.session.Exchange(0), 0);
  waker.join();
  mounted.kernel.SendRequest(FUSE_LOOKUP, 1);
  CHECK(mounted.session.Exchange(0) > 0);
}

TEST("a wake-up comes through although requests never pause") {
  // A pipe of packets, because it holds many.
  int ends[2];
  REQUIRE(::pipe2(ends, O_DIRECT | O_CLOEXEC) == 0);
  const UniqueFd requests(ends[0]);
  const UniqueFd kernel(ends[1]);
  ::fcntl(kernel.get(), F_SETPIPE_SZ, 1 << 20);
  const UniqueFd wake(static_cast<int>(EventFd()));
  const TempDir dir;
  const UniqueFd file = dir.File("file", "text");
  Session session(requests.get(), wake.get(), std::make_shared<Guards>(), kMaxWrite);
  session.Attach(1, file.get(), -1, kDaemon);
  const std::string read = KernelEnd::Request(FUSE_READ, 5, KernelEnd::ReadBody(1, 0, 4));
  for (int i = 0; i < 100; i++) {
    REQUIRE(::write(kernel.get(), read.data(), read.size()) > 0);
  }
  SignalEventFd(wake.get());
  CHECK_EQ(session.Exchange(0), 0);
  CHECK(session.stats().requests < 20);
}

TEST("a connection that is gone is ENODEV, and so is a closed session") {
  Mounted mounted;
  mounted.kernel.HangUp();
  CHECK_EQ(mounted.session.Exchange(0), -ENODEV);
  CHECK_EQ(mounted.session.Exchange(0), -ENODEV);
  Mounted closed;
  closed.session.Close();
  closed.session.Close();
  CHECK_EQ(closed.session.Exchange(0), -ENODEV);
}

TEST("reads of a live file are served inside, short at its end") {
  Mounted mounted;
  const std::string text = Noise(100000, 2);
  const UniqueFd file = mounted.dir.File("file", text);
  mounted.session.Attach(1, file.get(), -1, kDaemon);
  mounted.kernel.SendRead(11, 1, 0, 4096);
  mounted.kernel.SendRead(12, 1, 70000, 131072);
  mounted.kernel.SendRead(13, 1, 100000, 4096);
  mounted.ServeAll();
  const KernelEnd::Reply first = mounted.kernel.Await();
  CHECK_EQ(first.header.unique, 11u);
  CHECK_EQ(first.header.error, 0);
  CHECK_EQ(first.header.len, sizeof(fuse_out_header) + 4096);
  CHECK(first.body == text.substr(0, 4096));
  CHECK(mounted.kernel.Await().body == text.substr(70000));
  CHECK_EQ(mounted.kernel.Await().body, "");
  CHECK_EQ(mounted.session.stats().reads_served, 3u);
  CHECK_EQ(mounted.session.stats().requests, 4u);
}

TEST("a read larger than any before it gets its room") {
  Mounted mounted;
  const std::string text = Noise(400000, 3);
  const UniqueFd file = mounted.dir.File("file", text);
  mounted.session.Attach(1, file.get(), -1, kDaemon);
  mounted.kernel.SendRead(1, 1, 0, 400000);
  mounted.ServeAll();
  CHECK(mounted.kernel.Await().body == text);
}

TEST("an error of a read is its answer") {
  Mounted mounted;
  mounted.session.Attach(1, mounted.dir.fd(), -1, kDaemon);
  mounted.kernel.SendRead(1, 1, 0, 100);
  mounted.ServeAll();
  const KernelEnd::Reply reply = mounted.kernel.Await();
  CHECK_EQ(reply.header.error, -EISDIR);
  CHECK_EQ(reply.header.len, sizeof(fuse_out_header));
}

TEST("reads of handles unknown, detached or without descriptor go to JavaScript") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "text");
  mounted.session.Attach(2, -1, -1, kDaemon);
  mounted.session.Attach(3, file.get(), -1, kDaemon);
  mounted.session.Detach(3);
  for (const uint64_t handle : {1, 2, 3}) {
    mounted.kernel.SendRead(handle, handle, 0, 100);
    CHECK(mounted.session.Exchange(0) > 0);
    CHECK_EQ(mounted.Unique(), handle);
  }
}

TEST("writes that the guard allows are served inside") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", std::string(20000, '.'));
  mounted.session.Attach(1, file.get(), mounted.GuardAllowing(1, 2), kDaemon);
  mounted.kernel.SendWrite(5, 1, 4096, "hello");
  mounted.kernel.SendWrite(6, 1, 12287, "x");
  mounted.ServeAll();
  CHECK_EQ(BytesWritten(mounted.kernel.Await()), 5u);
  const KernelEnd::Reply second = mounted.kernel.Await();
  CHECK_EQ(second.header.unique, 6u);
  CHECK_EQ(BytesWritten(second), 1u);
  CHECK_EQ(Contents(file.get()).substr(4096, 6), "hello.");
  CHECK_EQ(mounted.session.stats().writes_served, 2u);
}

TEST("writes that the guard does not allow whole go to JavaScript, unwritten") {
  Mounted mounted;
  const std::string before(20000, '.');
  const UniqueFd file = mounted.dir.File("file", before);
  const int guard = mounted.GuardAllowing(1, 2);
  mounted.session.Attach(1, file.get(), guard, kDaemon);
  mounted.session.Attach(2, file.get(), -1, kDaemon);
  mounted.session.Attach(3, -1, guard, kDaemon);
  const auto goes_to_javascript = [&](uint64_t handle, uint64_t offset, uint32_t flags) {
    mounted.kernel.SendWrite(77, handle, offset, "data", flags);
    return mounted.session.Exchange(0) > 0 && mounted.Opcode() == FUSE_WRITE;
  };
  CHECK(goes_to_javascript(1, 0, 0));
  CHECK(goes_to_javascript(1, 4094, 0));
  CHECK(goes_to_javascript(1, 12286, 0));
  CHECK(goes_to_javascript(2, 4096, 0));
  CHECK(goes_to_javascript(3, 4096, 0));
  CHECK(goes_to_javascript(4, 4096, 0));
  mounted.guards->SetEpoch(2);
  CHECK(goes_to_javascript(1, 4096, 0));
  CHECK(Contents(file.get()) == before);
  CHECK(!mounted.kernel.Receive());
}

TEST("a write that has to drop set-user-ID or set-group-ID goes to JavaScript, unwritten") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file");
  const int guard = mounted.guards->Create();
  mounted.guards->AllowAll(guard);
  mounted.session.Attach(1, file.get(), guard, kDaemon);
  for (const mode_t mode : {04755, 02755, 02644}) {
    CHECK_EQ(::fchmod(file.get(), mode), 0);
    mounted.kernel.SendWrite(5, 1, 0, "data", FUSE_WRITE_KILL_SUIDGID);
    CHECK(mounted.session.Exchange(0) > 0);
    CHECK_EQ(Contents(file.get()), "");
    CHECK(!mounted.kernel.Receive());
  }
  // root's
  mounted.kernel.SendWrite(6, 1, 0, "root", 0);
  mounted.ServeAll();
  CHECK_EQ(BytesWritten(mounted.kernel.Await()), 4u);
}

TEST("an ordinary user's write to an ordinary file is served inside") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file");
  CHECK_EQ(::fchmod(file.get(), 0755), 0);
  const int guard = mounted.guards->Create();
  mounted.guards->AllowAll(guard);
  mounted.session.Attach(1, file.get(), guard, kDaemon);
  mounted.kernel.SendWrite(5, 1, 0, "data", FUSE_WRITE_KILL_SUIDGID);
  mounted.ServeAll();
  CHECK_EQ(BytesWritten(mounted.kernel.Await()), 4u);
  CHECK_EQ(mounted.session.stats().writes_served, 1u);
}

TEST("a write of the page cache is served like any other") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file");
  const int guard = mounted.guards->Create();
  mounted.guards->AllowAll(guard);
  mounted.session.Attach(1, file.get(), guard, kDaemon);
  mounted.kernel.SendWrite(5, 1, 3, "late", FUSE_WRITE_CACHE);
  mounted.ServeAll();
  CHECK_EQ(BytesWritten(mounted.kernel.Await()), 4u);
  CHECK_EQ(Contents(file.get()), std::string("\0\0\0late", 7));
}

TEST("a write is its caller's, and one of the page cache is the opener's") {
  if (::geteuid() != 0) return Skip("needs root");
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "....");
  const int guard = mounted.guards->Create();
  mounted.guards->AllowAll(guard);
  // An id that nobody can take on shows whose name was to be taken on.
  constexpr uint32_t kNobody = UINT32_MAX;
  mounted.session.Attach(1, file.get(), guard, kDaemon);
  mounted.session.Attach(2, file.get(), guard, {kNobody, 0});
  mounted.session.Attach(3, file.get(), -1, {kNobody, 0});
  mounted.kernel.SendWrite(5, 1, 0, "a", 0, kNobody);
  mounted.kernel.SendWrite(6, 1, 1, "b", FUSE_WRITE_CACHE, kNobody);
  mounted.kernel.SendWrite(7, 2, 2, "c", FUSE_WRITE_CACHE);
  mounted.ServeAll();
  CHECK_EQ(mounted.kernel.Await().header.error, -EPERM);
  CHECK_EQ(BytesWritten(mounted.kernel.Await()), 1u);
  CHECK_EQ(mounted.kernel.Await().header.error, -EPERM);
  mounted.kernel.SendWrite(8, 3, 2, "d", FUSE_WRITE_CACHE);
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyWrite(file.get()), -EPERM);
  CHECK_EQ(Contents(file.get()), ".b..");
}

TEST("a write whose size and data disagree is left to JavaScript") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file");
  const int guard = mounted.guards->Create();
  mounted.guards->AllowAll(guard);
  mounted.session.Attach(1, file.get(), guard, kDaemon);
  fuse_write_in write{};
  write.fh = 1;
  write.size = 5000;
  mounted.kernel.SendRequest(FUSE_WRITE, 5, KernelEnd::Bytes(write) + "short");
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.Opcode(), static_cast<uint32_t>(FUSE_WRITE));
  CHECK_EQ(mounted.session.ReplyWrite(file.get()), -EINVAL);
  mounted.kernel.SendRequest(FUSE_WRITE, 6, "tiny");
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyWrite(file.get()), -EINVAL);
  CHECK_EQ(Contents(file.get()), "");
}

TEST("JavaScript has a write carried out after it made it safe") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "..........");
  mounted.kernel.SendWrite(9, 1, 2, "data");
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyWrite(file.get()), 4);
  const KernelEnd::Reply reply = mounted.kernel.Await();
  CHECK_EQ(reply.header.unique, 9u);
  CHECK_EQ(BytesWritten(reply), 4u);
  CHECK_EQ(Contents(file.get()), "..data....");
}

TEST("a write that fails is not answered, so that JavaScript can") {
  Mounted mounted;
  mounted.kernel.SendWrite(9, 1, 2, "data");
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyWrite(-1), -EBADF);
  CHECK(!mounted.kernel.Receive());
}

TEST("a read is answered by a plan") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "0123456789");
  mounted.kernel.SendRead(4, 1, 105, 10);
  CHECK(mounted.session.Exchange(0) > 0);
  const std::vector<double> words = FilePlan(file.get(), 0, 10);
  CHECK_EQ(mounted.session.ReplyRead(words, 1, 100, 10, true, -1), 0);
  const KernelEnd::Reply reply = mounted.kernel.Await();
  CHECK_EQ(reply.header.unique, 4u);
  CHECK_EQ(reply.body, "56789");
  // Not kept: the next one is asked for again.
  mounted.kernel.SendRead(5, 1, 105, 5);
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.Unique(), 5u);
}

TEST("a plan that would cut a read short is refused and not answered") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "0123456789");
  mounted.kernel.SendRead(4, 1, 105, 10);
  CHECK(mounted.session.Exchange(0) > 0);
  const std::vector<double> words = FilePlan(file.get(), 0, 10);
  CHECK_EQ(mounted.session.ReplyRead(words, 1, 100, 10, false, -1), -EINVAL);
  CHECK_EQ(mounted.session.ReplyRead(words, 1, 106, 10, true, -1), -EINVAL);
  CHECK_EQ(mounted.session.ReplyRead(words, 1, 100, 11, true, -1), -EINVAL);
  CHECK_EQ(mounted.session.ReplyRead(words, 2, 100, 10, true, -1), -EINVAL);
  CHECK_EQ(mounted.session.ReplyRead(FilePlan(-1, 0, 10), 1, 100, 10, true, -1), -EINVAL);
  CHECK_EQ(mounted.session.ReplyRead(FilePlan(99999, 0, 10), 1, 100, 10, true, -1), -EBADF);
  CHECK(!mounted.kernel.Receive());
}

TEST("a kept plan serves later reads inside it until its guard's generation changes") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "0123456789abcdef");
  const int guard = mounted.guards->Create();
  mounted.kernel.SendRead(1, 8, 0, 4);
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyRead(FilePlan(file.get(), 0, 12), 1, 0, 12, false, guard), 0);
  CHECK_EQ(mounted.kernel.Await().body, "0123");
  mounted.kernel.SendRead(2, 8, 4, 8);
  mounted.kernel.SendRead(3, 8, 1, 3);
  mounted.ServeAll();
  CHECK_EQ(mounted.kernel.Await().body, "456789ab");
  CHECK_EQ(mounted.kernel.Await().body, "123");
  const auto is_planned_anew = [&](uint64_t handle, uint64_t offset, uint32_t size) {
    mounted.kernel.SendRead(50, handle, offset, size);
    return mounted.session.Exchange(0) > 0 && mounted.Unique() == 50;
  };
  CHECK(is_planned_anew(8, 10, 3));
  CHECK(is_planned_anew(8, 12, 1));
  CHECK(is_planned_anew(9, 0, 1));
  mounted.guards->Mark(guard, 0, 1);
  CHECK(is_planned_anew(8, 4, 4));
}

TEST("a kept plan that reaches the end of the file answers reads beyond it") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "0123456789");
  const int guard = mounted.guards->Create();
  mounted.kernel.SendRead(1, 8, 2, 4);
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyRead(FilePlan(file.get(), 2, 8), 1, 2, 8, true, guard), 0);
  CHECK_EQ(mounted.kernel.Await().body, "2345");
  mounted.kernel.SendRead(2, 8, 6, 4096);
  mounted.kernel.SendRead(3, 8, 10, 4096);
  mounted.kernel.SendRead(4, 8, 5000, 4096);
  mounted.ServeAll();
  CHECK_EQ(mounted.kernel.Await().body, "6789");
  CHECK_EQ(mounted.kernel.Await().body, "");
  CHECK_EQ(mounted.kernel.Await().body, "");
  mounted.kernel.SendRead(5, 8, 1, 4);
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.Unique(), 5u);
}

TEST("a kept plan is gone with its handle, and its guard's id may be used again") {
  Mounted mounted;
  const UniqueFd file = mounted.dir.File("file", "0123456789");
  const int guard = mounted.guards->Create();
  const auto plan_read = [&](uint64_t handle) {
    mounted.kernel.SendRead(1, handle, 0, 4);
    CHECK(mounted.session.Exchange(0) > 0);
    CHECK_EQ(mounted.Unique(), 1u);
    CHECK_EQ(mounted.session.ReplyRead(FilePlan(file.get(), 0, 10), 1, 0, 10, true, guard), 0);
    CHECK_EQ(mounted.kernel.Await().body, "0123");
  };
  plan_read(8);
  mounted.session.Detach(8);
  plan_read(8);
  mounted.guards->Free(guard);
  CHECK_EQ(mounted.guards->Create(), guard);
  plan_read(8);
}

TEST("a damaged record in a kept plan is EIO for each read of it") {
  Mounted mounted;
  const std::string run = Noise(8192, 4);
  const UniqueFd journal = mounted.dir.File("journal", run);
  const int guard = mounted.guards->Create();
  const double crc = Crc32c(BytesOf(run), 0);
  const std::vector<double> words = {
      0, 10, -1, 0, 0, 0, 0, 2, 8192, static_cast<double>(journal.get()), 0, 8192, crc, 0};
  mounted.kernel.SendRead(1, 8, 0, 10);
  CHECK(mounted.session.Exchange(0) > 0);
  CHECK_EQ(mounted.session.ReplyRead(words, 2, 0, 8202, true, guard), 0);
  CHECK_EQ(mounted.kernel.Await().body, std::string(10, '\0'));
  REQUIRE(::pwrite(journal.get(), run[5] == 'x' ? "y" : "x", 1, 5) == 1);
  mounted.kernel.SendRead(2, 8, 10, 100);
  mounted.ServeAll();
  CHECK_EQ(mounted.kernel.Await().header.error, -EIO);
  mounted.kernel.SendRead(3, 8, 10, 8192);
  CHECK_EQ(mounted.session.ReplyRead(words, 2, 0, 8202, true, guard), -EINVAL);
  mounted.ServeAll();
  CHECK_EQ(mounted.kernel.Await().header.error, -EIO);
}

TEST("a reply that the kernel refuses is followed by EIO, so that nobody waits for ever") {
  Mounted mounted;
  const int bytes = 4096;
  ::setsockopt(mounted.kernel.fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  constexpr uint32_t kTooLong = 100000;
  const fuse_out_header header{kTooLong, 0, 31};
  std::memcpy(mounted.session.reply()->data(), &header, sizeof header);
  mounted.kernel.SendRequest(FUSE_LOOKUP, 8);
  CHECK(mounted.session.Exchange(kTooLong) > 0);
  const KernelEnd::Reply reply = mounted.kernel.Await();
  CHECK_EQ(reply.header.unique, 31u);
  CHECK_EQ(reply.header.error, -EIO);
  CHECK_EQ(mounted.session.stats().replies_refused, 1u);
}

TEST("an fsync is answered after its descriptors are synced in order") {
  Mounted mounted;
  const UniqueFd first = mounted.dir.File("first");
  const UniqueFd second = mounted.dir.File("second");
  std::mutex mutex;
  std::vector<ino_t> synced;
  const SyncHook hook([&](ino_t inode, bool data_only) {
    const std::lock_guard lock(mutex);
    CHECK(data_only);
    synced.push_back(inode);
    return 0;
  });
  mounted.kernel.SendRequest(FUSE_FSYNC, 21);
  CHECK(mounted.session.Exchange(0) > 0);
  mounted.session.ReplyAfterSync(std::vector{second.get(), first.get()}, true);
  const KernelEnd::Reply reply = mounted.kernel.Await();
  CHECK_EQ(reply.header.unique, 21u);
  CHECK_EQ(reply.header.error, 0);
  const std::lock_guard lock(mutex);
  CHECK(synced == (std::vector{StatOf(second.get()).st_ino, StatOf(first.get()).st_ino}));
}

TEST("the first error of a sync is the answer, and nothing is synced after it") {
  Mounted mounted;
  const UniqueFd good = mounted.dir.File("good");
  const UniqueFd bad = mounted.dir.File("bad");
  const ino_t bad_inode = StatOf(bad.get()).st_ino;
  std::atomic<int> calls = 0;
  const SyncHook hook([&](ino_t inode, bool) {
    calls++;
    return inode == bad_inode ? EDQUOT : 0;
  });
  mounted.kernel.SendRequest(FUSE_FSYNC, 21);
  CHECK(mounted.session.Exchange(0) > 0);
  mounted.session.ReplyAfterSync(std::vector{good.get(), bad.get(), good.get()}, false);
  CHECK_EQ(mounted.kernel.Await().header.error, -EDQUOT);
  CHECK_EQ(calls.load(), 2);
  mounted.session.ReplyAfterSync(std::vector{999999}, false);
  CHECK_EQ(mounted.kernel.Await().header.error, -EBADF);
}

TEST("other requests go on while syncs wait for the disk, and each sync gets its own answer") {
  Mounted mounted;
  UniqueFd file = mounted.dir.File("file", "text");
  std::mutex mutex;
  std::condition_variable changed;
  bool is_open = false;
  int inside = 0;
  const SyncHook hook([&](ino_t, bool) {
    std::unique_lock lock(mutex);
    inside++;
    changed.notify_all();
    changed.wait(lock, [&] { return is_open; });
    return 0;
  });
  constexpr uint64_t kSyncs = 7;  // more than there are threads
  for (uint64_t unique = 1; unique <= kSyncs; unique++) {
    mounted.kernel.SendRequest(FUSE_FSYNC, unique);
    CHECK(mounted.session.Exchange(0) > 0);
    mounted.session.ReplyAfterSync(std::vector{file.get()}, true);
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == 4; });
  }
  mounted.session.Attach(1, file.get(), -1, kDaemon);
  mounted.kernel.SendRead(100, 1, 0, 4);
  mounted.ServeAll();
  CHECK_EQ(mounted.kernel.Await().header.unique, 100u);
  mounted.session.Detach(1);
  file.Reset();  // the pool has its own
  {
    const std::lock_guard lock(mutex);
    is_open = true;
    changed.notify_all();
  }
  mounted.session.Close();
  uint64_t answered = 0;
  while (const auto reply = mounted.kernel.Receive()) {
    CHECK_EQ(reply->header.error, 0);
    answered |= uint64_t{1} << reply->header.unique;
  }
  CHECK_EQ(answered, ((uint64_t{1} << kSyncs) - 1) << 1);
}

TEST("notifications carry what the kernel expects, in order") {
  Mounted mounted;
  mounted.session.NotifyEntry(0x1234567800000009, "name\xff");
  mounted.session.NotifyInode(0xfedcba9876543210, -1, 0);
  const KernelEnd::Reply entry = mounted.kernel.Await();
  CHECK_EQ(entry.header.unique, 0u);
  CHECK_EQ(entry.header.error, static_cast<int>(FUSE_NOTIFY_INVAL_ENTRY));
  CHECK_EQ(entry.header.len, sizeof(fuse_out_header) + entry.body.size());
  fuse_notify_inval_entry_out entry_out;
  REQUIRE(entry.body.size() == sizeof entry_out + 6);
  std::memcpy(&entry_out, entry.body.data(), sizeof entry_out);
  CHECK_EQ(entry_out.parent, 0x1234567800000009u);
  CHECK_EQ(entry_out.namelen, 5u);
  CHECK_EQ(entry.body.substr(sizeof entry_out), std::string("name\xff\0", 6));
  const KernelEnd::Reply inode = mounted.kernel.Await();
  CHECK_EQ(inode.header.error, static_cast<int>(FUSE_NOTIFY_INVAL_INODE));
  fuse_notify_inval_inode_out inode_out;
  REQUIRE(inode.body.size() == sizeof inode_out);
  std::memcpy(&inode_out, inode.body.data(), sizeof inode_out);
  CHECK_EQ(inode_out.ino, 0xfedcba9876543210u);
  CHECK_EQ(inode_out.off, -1);
  CHECK_EQ(inode_out.len, 0);
}

TEST("notifications, syncs and data go out side by side without mixing") {
  Mounted mounted;
  const std::string text = Noise(60000, 5);
  const UniqueFd file = mounted.dir.File("file", text);
  mounted.session.Attach(1, file.get(), -1, kDaemon);
  constexpr int kRounds = 300;
  std::thread kernel([&] {
    // Every message is whole: read all, answer with the next request.
    int reads = 0;
    int syncs = 0;
    int notifications = 0;
    mounted.kernel.SendRequest(FUSE_FSYNC, 2);
    while (reads < kRounds || syncs < kRounds || notifications < kRounds) {
      const KernelEnd::Reply reply = mounted.kernel.Await();
      CHECK_EQ(reply.header.len, sizeof(fuse_out_header) + reply.body.size());
      if (reply.header.unique == 0) {
        notifications++;
      } else if (reply.header.unique == 1) {
        CHECK(reply.body == text);
        reads++;
        if (reads < kRounds) mounted.kernel.SendRequest(FUSE_FSYNC, 2);
      } else {
        syncs++;
        mounted.kernel.SendRead(1, 1, 0, 60000);
      }
    }
    mounted.kernel.SendRequest(FUSE_DESTROY, 3);
  });
  for (;;) {
    const Result received = mounted.session.Exchange(0);
    CHECK(received > 0);
    if (mounted.Opcode() == FUSE_DESTROY) break;
    mounted.session.NotifyInode(1, 0, 0);
    mounted.session.ReplyAfterSync(std::vector{file.get()}, true);
  }
  kernel.join();
  CHECK_EQ(mounted.session.stats().reads_served, static_cast<uint64_t>(kRounds));
}

TEST("close drops notifications that were not sent and lets later ones be") {
  Mounted mounted;
  mounted.session.Close();
  mounted.session.NotifyInode(1, 0, 0);
  mounted.session.NotifyEntry(1, "name");
  CHECK(!mounted.kernel.Receive());
}

}  // namespace bygone::test::session_test
