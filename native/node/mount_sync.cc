#include <string>
#include <utility>

#include "core/mounts.h"
#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

// SyncMount on a thread of libuv's pool: it waits for requests that our own threads serve.
class MountSync : public Napi::AsyncWorker {
 public:
  MountSync(Napi::Env env, std::string mount_point, std::string device)
      : Napi::AsyncWorker(env),
        mount_point_(std::move(mount_point)),
        device_(std::move(device)),
        done_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return done_.Promise(); }

 protected:
  void Execute() override { result_ = SyncMount(mount_point_, device_); }
  void OnOK() override { done_.Resolve(ToJs(Env(), result_)); }

 private:
  const std::string mount_point_;
  const std::string device_;
  const Napi::Promise::Deferred done_;
  Result result_ = 0;
};

Napi::Value SyncMountCall(const Napi::CallbackInfo& info) {
  std::string mount_point;
  std::string device;
  if (!TakeArgument(info, 0, mount_point) || !TakeArgument(info, 1, device)) {
    return info.Env().Undefined();
  }
  // Deletes itself when it is done.
  auto* const sync = new MountSync(info.Env(), std::move(mount_point), std::move(device));
  const Napi::Promise promise = sync->promise();
  sync->Queue();
  return promise;
}

}  // namespace

void ExportMountSync(Napi::Object exports) {
  exports.Set("syncMount", Napi::Function::New<SyncMountCall>(exports.Env(), "syncMount"));
}

}  // namespace bygone::js
