#include <memory>

#include "core/chunk_stage.h"
#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

Result WriteRecord(ChunkStage& stage, int fd, int64_t file_offset, std::span<std::byte> header,
                   uint32_t header_bytes) {
  if (header_bytes > header.size()) return -EINVAL;
  return stage.WriteRecord(fd, file_offset, header.first(header_bytes));
}

uint64_t LastOffset(ChunkStage& stage) { return stage.last_offset(); }
uint64_t LastLength(ChunkStage& stage) { return stage.last_length(); }
uint64_t Room(ChunkStage& stage) { return stage.Room(); }

class ChunkStageObject : public Napi::ObjectWrap<ChunkStageObject> {
 public:
  explicit ChunkStageObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ChunkStageObject>(info) {
    uint32_t capacity_bytes;
    if (!TakeArgument(info, 0, capacity_bytes)) return;
    stage_ = std::make_unique<ChunkStage>(capacity_bytes);
  }

  static Napi::Function Class(Napi::Env env) {
    using Self = ChunkStageObject;
    return DefineClass(env, "ChunkStage",
                       {
                           InstanceMethod<&Self::Call<&ChunkStage::Clear>>("clear"),
                           InstanceMethod<&Self::Call<&Room>>("room"),
                           InstanceMethod<&Self::Call<&ChunkStage::Add>>("add"),
                           InstanceMethod<&Self::Call<&ChunkStage::last_crc>>("lastCrc"),
                           InstanceMethod<&Self::Call<&LastOffset>>("lastOffset"),
                           InstanceMethod<&Self::Call<&LastLength>>("lastLength"),
                           InstanceMethod<&Self::Call<&WriteRecord>>("writeRecord"),
                       });
  }

 private:
  template <auto kMethod>
  Napi::Value Call(const Napi::CallbackInfo& info) {
    return Method<kMethod>(info, *stage_);
  }

  std::unique_ptr<ChunkStage> stage_;  // null only if the constructor threw
};

}  // namespace

void ExportChunkStage(Napi::Object exports) {
  exports.Set("ChunkStage", ChunkStageObject::Class(exports.Env()));
}

}  // namespace bygone::js
