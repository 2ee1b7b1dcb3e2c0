// What the kernel sends, and what JavaScript makes of it: any bytes for requests, plans and guards. Each
// request is answered once at most, and only with what was asked for.

#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/descriptors.h"
#include "core/session.h"
#include "test/kernel_end.h"

namespace bygone::fuzz {
namespace {

constexpr uint32_t kMaxWrite = 64 * 1024;
constexpr off_t kFileBytes = 64 * 1024;
constexpr size_t kStepsMax = 40;
constexpr uint64_t kMarker = uint64_t{1} << 63;
constexpr double kOdd[] = {-1, 0, 0.5, 1, 2, 3, 4096, 9007199254740992.0, 1e300};

// The files that handles and plans may lead to: one open both ways, one for reading alone.
struct Files {
  UniqueFd both{::memfd_create("both", MFD_CLOEXEC)};
  UniqueFd reading{static_cast<int>(Reopen(both.get(), O_RDONLY))};

  int Any(FuzzedDataProvider& input) const {
    return input.PickValueInArray({both.get(), reading.get(), -1, 1 << 20});
  }
};

std::string RequestFrom(FuzzedDataProvider& input, uint64_t unique) {
  fuse_in_header header{};
  header.opcode = input.PickValueInArray<uint32_t>({FUSE_READ, FUSE_WRITE, FUSE_LOOKUP, 9999});
  header.unique = unique;
  header.uid = input.PickValueInArray<uint32_t>({0, 65534, UINT32_MAX});
  std::string body;
  if (header.opcode == FUSE_READ) {
    fuse_read_in read{};
    read.fh = input.ConsumeIntegralInRange<uint64_t>(0, 4);
    read.offset = input.ConsumeBool() ? input.ConsumeIntegral<uint64_t>()
                                      : input.ConsumeIntegralInRange<uint64_t>(0, kFileBytes);
    read.size = input.ConsumeBool() ? input.ConsumeIntegral<uint32_t>()
                                    : input.ConsumeIntegralInRange<uint32_t>(0, 8192);
    body = test::KernelEnd::Bytes(read);
  } else if (header.opcode == FUSE_WRITE) {
    const std::string data = input.ConsumeRandomLengthString(300);
    fuse_write_in write{};
    write.fh = input.ConsumeIntegralInRange<uint64_t>(0, 4);
    write.offset = input.ConsumeBool() ? input.ConsumeIntegral<uint64_t>()
                                       : input.ConsumeIntegralInRange<uint64_t>(0, kFileBytes);
    write.size = input.ConsumeBool() ? input.ConsumeIntegral<uint32_t>()
                                     : static_cast<uint32_t>(data.size());
    write.write_flags = input.ConsumeIntegralInRange<uint32_t>(0, 7);
    body = test::KernelEnd::Bytes(write) + data;
  } else {
    body = input.ConsumeRandomLengthString(100);
  }
  header.len = static_cast<uint32_t>(sizeof header + body.size());
  std::string message = test::KernelEnd::Bytes(header) + body;
  // As the buffer holds it when the kernel sends less than it says.
  if (input.ConsumeBool()) message.resize(input.ConsumeIntegralInRange<size_t>(1, message.size()));
  return message;
}

std::vector<double> PlanFrom(FuzzedDataProvider& input, const Files& files) {
  std::vector<double> words;
  const size_t pieces = input.ConsumeIntegralInRange<size_t>(0, 4);
  for (size_t i = 0; i < pieces; i++) {
    words.push_back(input.ConsumeIntegralInRange<int>(0, 3));
    words.push_back(input.ConsumeIntegralInRange<int>(0, 9000));
    words.push_back(files.Any(input));
    for (size_t word = 3; word < ReadPlan::kWordsPerPiece; word++) {
      words.push_back(input.ConsumeBool() ? input.PickValueInArray(kOdd)
                                          : input.ConsumeIntegralInRange<int>(0, 9000));
    }
    if (input.ConsumeBool()) words[words.size() - 7 + 1] = input.PickValueInArray(kOdd);
  }
  return words;
}

void TurnGuards(FuzzedDataProvider& input, Guards& guards) {
  const int guard = input.ConsumeIntegralInRange<int>(-1, 4);
  const auto number = [&] {
    return input.ConsumeBool() ? input.ConsumeIntegral<uint64_t>()
                               : input.ConsumeIntegralInRange<uint64_t>(0, 100);
  };
  switch (input.ConsumeIntegralInRange<int>(0, 6)) {
    case 0: guards.SetEpoch(number()); break;
    case 1: if (guards.Create() > 100) std::abort(); break;
    case 2: guards.Free(guard); break;
    case 3: guards.Reset(guard, input.ConsumeIntegralInRange<uint32_t>(0, 70), number()); break;
    case 4: guards.AllowAll(guard); break;
    // Each chunk that is marked takes a bit: a volume's files are as long as they are.
    case 5: guards.Mark(guard, number(), input.ConsumeIntegralInRange<uint64_t>(0, 1 << 16)); break;
    default: guards.Allows(guard, number(), number());
  }
}

// JavaScript's answer to what it was handed.
void Answer(FuzzedDataProvider& input, Session& session, const Files& files) {
  switch (input.ConsumeIntegralInRange<int>(0, 3)) {
    case 0: {
      const std::vector<double> words = PlanFrom(input, files);
      const auto pieces = static_cast<uint32_t>(words.size() / ReadPlan::kWordsPerPiece) +
                          input.ConsumeIntegralInRange<uint32_t>(0, 1);
      session.ReplyRead(words, pieces, input.ConsumeIntegralInRange<uint64_t>(0, 9000),
                        input.ConsumeIntegralInRange<uint64_t>(0, 20000), input.ConsumeBool(),
                        input.ConsumeIntegralInRange<int>(-1, 4));
      break;
    }
    case 1: session.ReplyWrite(files.Any(input)); break;
    case 2: {
      const int fds[] = {files.Any(input)};
      session.ReplyAfterSync(fds, input.ConsumeBool());
      break;
    }
    default: break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Files files;
  if (::ftruncate(files.both.get(), 0) != 0 || ::ftruncate(files.both.get(), kFileBytes) != 0) {
    std::abort();
  }
  FuzzedDataProvider input(data, size);
  test::KernelEnd kernel;
  const auto guards = std::make_shared<Guards>();
  Session session(kernel.fd(), -1, guards, kMaxWrite);
  std::map<uint64_t, int> answers;
  for (uint64_t step = 1; step < kStepsMax && input.remaining_bytes() > 0; step++) {
    switch (input.ConsumeIntegralInRange<int>(0, 4)) {
      case 0:
        session.Attach(input.ConsumeIntegralInRange<uint64_t>(0, 4), files.Any(input),
                       input.ConsumeIntegralInRange<int>(-1, 4),
                       {input.PickValueInArray<uint32_t>({0, 65534}), 0});
        break;
      case 1: session.Detach(input.ConsumeIntegralInRange<uint64_t>(0, 4)); break;
      case 2: TurnGuards(input, *guards); break;
      default: {
        kernel.Send(RequestFrom(input, step));
        kernel.SendRequest(FUSE_LOOKUP, kMarker);
        for (;;) {
          if (session.Exchange(0) < 0) std::abort();
          fuse_in_header header;
          std::memcpy(&header, session.request()->data(), sizeof header);
          if (header.unique == kMarker) break;
          Answer(input, session, files);
        }
      }
    }
    while (const auto reply = kernel.Receive()) {
      if (reply->header.len != sizeof(fuse_out_header) + reply->body.size()) std::abort();
      if (++answers[reply->header.unique] > 1) std::abort();
    }
  }
  session.Close();
  while (const auto reply = kernel.Receive()) {
    if (++answers[reply->header.unique] > 1) std::abort();
  }
  return 0;
}

}  // namespace bygone::fuzz
