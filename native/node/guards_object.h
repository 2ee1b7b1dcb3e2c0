#pragma once

#include <napi.h>

#include <memory>

#include "core/guards.h"

namespace bygone::js {

class GuardsObject : public Napi::ObjectWrap<GuardsObject> {
 public:
  explicit GuardsObject(const Napi::CallbackInfo& info);

  static Napi::Function Class(Napi::Env env);
  // The guards of a value that is such an object; null for any other.
  static std::shared_ptr<Guards> Of(const Napi::Value& value);

 private:
  template <auto kMethod>
  Napi::Value Call(const Napi::CallbackInfo& info);

  // Shared with the sessions that look at them, which may be collected later.
  const std::shared_ptr<Guards> guards_ = std::make_shared<Guards>();
};

}  // namespace bygone::js
