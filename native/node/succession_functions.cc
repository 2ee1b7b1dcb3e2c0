#include <poll.h>

#include "core/shared_memory.h"
#include "core/supervisor.h"
#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

// An ArrayBuffer over the first bytes of a file; unmapped when it is garbage.
Napi::Value MapSharedCall(const Napi::CallbackInfo& info) {
  int fd;
  uint64_t bytes;
  if (!TakeArgument(info, 0, fd) || !TakeArgument(info, 1, bytes)) return info.Env().Undefined();
  std::byte* const memory = MapShared(fd, bytes);
  if (memory == nullptr) return ToJs(info.Env(), static_cast<int64_t>(-errno));
  return Napi::ArrayBuffer::New(info.Env(), memory, bytes, [bytes](Napi::Env, void* mapped) {
    UnmapShared(static_cast<std::byte*>(mapped), bytes);
  });
}

// Whether a read of fd would not wait.
Result IsReadable(int fd) {
  pollfd asked{fd, POLLIN, 0};
  return Uninterrupted([&] { return ::poll(&asked, 1, 0); });
}

}  // namespace

void ExportSuccession(Napi::Object exports) {
  Export<&MemoryFile>(exports, "memoryFile");
  exports.Set("mapShared", Napi::Function::New<MapSharedCall>(exports.Env(), "mapShared"));
  Export<&StartSupervisor>(exports, "startSupervisor");
  Export<&HasChildEnded>(exports, "hasChildEnded");
  Export<&IsReadable>(exports, "isReadable");
}

}  // namespace bygone::js
