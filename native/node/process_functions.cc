#include <optional>
#include <string>

#include "core/acting_as.h"
#include "core/confinement.h"
#include "core/creator.h"
#include "core/descriptors.h"
#include "core/fusermount.h"
#include "core/mounts.h"
#include "core/service_notification.h"
#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

// One for each environment, so for each thread.
struct FusermountState {
  std::string message;
};

// The one identity that this thread has taken on for more than one call.
thread_local std::optional<ActingAs> acting;

Result ActAs(uint32_t uid, uint32_t gid) {
  acting.emplace(Identity{uid, gid});
  const Result refusal = acting->refusal();
  if (refusal != 0) acting.reset();
  return refusal;
}

Result ActAsSelf() {
  acting.reset();
  return 0;
}

Napi::Value MountByFusermountCall(const Napi::CallbackInfo& info) {
  FusermountState& state = *info.Env().GetInstanceData<FusermountState>();
  return CallWithArguments<std::string, std::string>(
      info, [&](const std::string& mount_point, const std::string& options) {
        return MountByFusermount(mount_point, options, state.message);
      });
}

Napi::Value FusermountMessage(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), info.Env().GetInstanceData<FusermountState>()->message);
}

}  // namespace

void ExportProcessFunctions(Napi::Object exports) {
  Export<&RaiseDescriptorLimit>(exports, "raiseDescriptorLimit");
  Export<&IsolateThread>(exports, "isolateThread");
  Export<&ActAs>(exports, "actAs");
  Export<&ActAsSelf>(exports, "actAsSelf");
  Export<&ConfineChildren>(exports, "confineChildren");
  Export<&EventFd>(exports, "eventFd");
  Export<&SignalEventFd>(exports, "signalEventFd");
  Export<&PeerUid>(exports, "peerUid");
  Export<&NotifyService>(exports, "notifyService");
  Export<&OpenFuse>(exports, "openFuse");
  Export<&MountFuse>(exports, "mountFuse");
  Export<&Umount>(exports, "umount");
  const Napi::Env env = exports.Env();
  env.SetInstanceData(new FusermountState);
  exports.Set("mountByFusermount",
              Napi::Function::New<MountByFusermountCall>(env, "mountByFusermount"));
  exports.Set("fusermountMessage",
              Napi::Function::New<FusermountMessage>(env, "fusermountMessage"));
}

}  // namespace bygone::js
