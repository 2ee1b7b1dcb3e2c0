#include <chrono>
#include <memory>

#include "core/background_sync.h"
#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

class BackgroundSyncObject : public Napi::ObjectWrap<BackgroundSyncObject> {
 public:
  explicit BackgroundSyncObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<BackgroundSyncObject>(info) {
    uint32_t interval_ms;
    if (!TakeArgument(info, 0, interval_ms)) return;
    sync_ = std::make_unique<BackgroundSync>(std::chrono::milliseconds(interval_ms));
  }

  static Napi::Function Class(Napi::Env env) {
    using Self = BackgroundSyncObject;
    return DefineClass(
        env, "BackgroundSync",
        {
            InstanceMethod<&Self::Call<&BackgroundSync::Touch>>("touch"),
            InstanceMethod<&Self::Call<&BackgroundSync::SyncNow>>("syncNow"),
            InstanceMethod<&Self::Call<&BackgroundSync::error>>("error"),
            InstanceMethod<&Self::Call<&BackgroundSync::TouchesSynced>>("touchesSynced"),
            InstanceMethod<&Self::Call<&BackgroundSync::Close>>("close"),
        });
  }

 private:
  template <auto kMethod>
  Napi::Value Call(const Napi::CallbackInfo& info) {
    return Method<kMethod>(info, *sync_);
  }

  std::unique_ptr<BackgroundSync> sync_;  // null only if the constructor threw
};

}  // namespace

void ExportBackgroundSync(Napi::Object exports) {
  exports.Set("BackgroundSync", BackgroundSyncObject::Class(exports.Env()));
}

}  // namespace bygone::js
