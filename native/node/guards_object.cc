#include "node/guards_object.h"

#include "node/adapt.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

// Tells our objects from all others, so that unwrapping is safe.
constexpr napi_type_tag kTag = {0x6bd2d1f6a3c04d5b, 0x9d6a2a0f4c2f7e11};

}  // namespace

GuardsObject::GuardsObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GuardsObject>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

std::shared_ptr<Guards> GuardsObject::Of(const Napi::Value& value) {
  if (!value.IsObject()) return nullptr;
  const auto object = value.As<Napi::Object>();
  return object.CheckTypeTag(&kTag) ? Unwrap(object)->guards_ : nullptr;
}

template <auto kMethod>
Napi::Value GuardsObject::Call(const Napi::CallbackInfo& info) {
  return Method<kMethod>(info, *guards_);
}

Napi::Function GuardsObject::Class(Napi::Env env) {
  return DefineClass(env, "Guards",
                     {
                         InstanceMethod<&GuardsObject::Call<&Guards::SetEpoch>>("setEpoch"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Create>>("create"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Free>>("free"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Count>>("count"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Reset>>("reset"),
                         InstanceMethod<&GuardsObject::Call<&Guards::AllowAll>>("allowAll"),
                         InstanceMethod<&GuardsObject::Call<&Guards::IsCurrent>>("isCurrent"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Mark>>("mark"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Allows>>("allows"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Generation>>("generation"),
                         InstanceMethod<&GuardsObject::Call<&Guards::Bump>>("bump"),
                     });
}

void ExportGuards(Napi::Object exports) {
  exports.Set("Guards", GuardsObject::Class(exports.Env()));
}

}  // namespace bygone::js
