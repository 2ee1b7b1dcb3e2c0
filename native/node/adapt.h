#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/bytes_result.h"
#include "core/file_names.h"
#include "core/name.h"

// Makes JavaScript functions of C++ ones: Function<&OpenAt> checks and converts the arguments by
// their C++ types, calls, and converts what comes back. An argument of a wrong type is a TypeError
// and the function is not called.
namespace bygone::js {

// Bytes that JavaScript has as a string with one character each (src/base/bytes.ts).
struct ByteText {
  std::string bytes;
};

// FromJs<T>::Take: whether value is a T, and if so the T. kExpected ends "argument 2 must be ...".
template <typename T>
struct FromJs;

template <>
struct FromJs<int> {
  static constexpr const char* kExpected = "a number";
  static bool Take(napi_env env, napi_value value, int& out) {
    return napi_get_value_int32(env, value, &out) == napi_ok;
  }
};

template <>
struct FromJs<uint32_t> {
  static constexpr const char* kExpected = "a number";
  static bool Take(napi_env env, napi_value value, uint32_t& out) {
    return napi_get_value_uint32(env, value, &out) == napi_ok;
  }
};

template <>
struct FromJs<int64_t> {
  static constexpr const char* kExpected = "a number";
  static bool Take(napi_env env, napi_value value, int64_t& out) {
    return napi_get_value_int64(env, value, &out) == napi_ok;
  }
};

// For counts, offsets and ids that are never negative.
template <>
struct FromJs<uint64_t> {
  static constexpr const char* kExpected = "a number not below 0";
  static bool Take(napi_env env, napi_value value, uint64_t& out) {
    int64_t number;
    if (napi_get_value_int64(env, value, &number) != napi_ok || number < 0) return false;
    out = static_cast<uint64_t>(number);
    return true;
  }
};

template <>
struct FromJs<bool> {
  static constexpr const char* kExpected = "a boolean";
  static bool Take(napi_env env, napi_value value, bool& out) {
    return napi_get_value_bool(env, value, &out) == napi_ok;
  }
};

template <>
struct FromJs<Name> {
  static constexpr const char* kExpected = "a ByteString";
  static bool Take(napi_env env, napi_value value, Name& out) {
    size_t length;
    if (napi_get_value_string_latin1(env, value, out.buffer(), Name::kBufferBytes, &length) !=
        napi_ok) {
      return false;
    }
    out.Accept(length);
    return true;
  }
};

template <>
struct FromJs<ByteText> {
  static constexpr const char* kExpected = "a ByteString";
  static bool Take(napi_env env, napi_value value, ByteText& out) {
    size_t length;
    if (napi_get_value_string_latin1(env, value, nullptr, 0, &length) != napi_ok) return false;
    out.bytes.resize(length);
    return napi_get_value_string_latin1(env, value, out.bytes.data(), length + 1, &length) ==
           napi_ok;
  }
};

// Text is UTF-8.
template <>
struct FromJs<std::string> {
  static constexpr const char* kExpected = "a string";
  static bool Take(napi_env env, napi_value value, std::string& out) {
    size_t length;
    if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
    out.resize(length);
    return napi_get_value_string_utf8(env, value, out.data(), length + 1, &length) == napi_ok;
  }
};

// Borrows the array's memory for the call.
template <typename T>
bool TakeArray(napi_env env, napi_value value, napi_typedarray_type type, std::span<T>& out) {
  bool is_typed_array = false;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array) return false;
  napi_typedarray_type actual;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &actual, &length, &data, nullptr, nullptr) != napi_ok) {
    return false;
  }
  out = {static_cast<T*>(data), length};
  return actual == type;
}

template <>
struct FromJs<std::span<std::byte>> {
  static constexpr const char* kExpected = "a Uint8Array";
  static bool Take(napi_env env, napi_value value, std::span<std::byte>& out) {
    return TakeArray(env, value, napi_uint8_array, out);
  }
};

template <>
struct FromJs<std::span<double>> {
  static constexpr const char* kExpected = "a Float64Array";
  static bool Take(napi_env env, napi_value value, std::span<double>& out) {
    return TakeArray(env, value, napi_float64_array, out);
  }
};

template <>
struct FromJs<std::span<uint32_t>> {
  static constexpr const char* kExpected = "a Uint32Array";
  static bool Take(napi_env env, napi_value value, std::span<uint32_t>& out) {
    return TakeArray(env, value, napi_uint32_array, out);
  }
};

template <typename Element>
bool TakeArray(napi_env env, napi_value value, std::vector<Element>& out) {
  bool is_array = false;
  uint32_t length = 0;
  if (napi_is_array(env, value, &is_array) != napi_ok || !is_array) return false;
  if (napi_get_array_length(env, value, &length) != napi_ok) return false;
  out.resize(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    if (napi_get_element(env, value, i, &element) != napi_ok) return false;
    if (!FromJs<Element>::Take(env, element, out[i])) return false;
  }
  return true;
}

template <>
struct FromJs<std::vector<int>> {
  static constexpr const char* kExpected = "an array of numbers";
  static bool Take(napi_env env, napi_value value, std::vector<int>& out) {
    return TakeArray(env, value, out);
  }
};

template <>
struct FromJs<std::vector<std::string>> {
  static constexpr const char* kExpected = "an array of strings";
  static bool Take(napi_env env, napi_value value, std::vector<std::string>& out) {
    return TakeArray(env, value, out);
  }
};

inline Napi::Value ToJs(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }
inline Napi::Value ToJs(Napi::Env env, int value) {
  napi_value number = nullptr;
  napi_create_int32(env, value, &number);
  return {env, number};
}
inline Napi::Value ToJs(Napi::Env env, int64_t value) {
  if (value == static_cast<int32_t>(value)) return ToJs(env, static_cast<int>(value));
  return Napi::Number::New(env, static_cast<double>(value));
}
inline Napi::Value ToJs(Napi::Env env, uint32_t value) {
  return ToJs(env, static_cast<int64_t>(value));
}
inline Napi::Value ToJs(Napi::Env env, uint64_t value) {
  return ToJs(env, static_cast<int64_t>(value));
}
inline Napi::Value ToJs(Napi::Env env, const std::string& text) {
  return Napi::String::New(env, text);
}
inline Napi::Value ToJs(Napi::Env env, const TextResult& result) {
  if (result.error < 0) return ToJs(env, result.error);
  napi_value text = nullptr;
  napi_create_string_latin1(env, result.bytes.data(), result.bytes.size(), &text);
  return {env, text};
}
inline Napi::Value ToJs(Napi::Env env, const BytesResult& result) {
  if (result.error < 0) return ToJs(env, result.error);
  const auto* const bytes = reinterpret_cast<const uint8_t*>(result.bytes.data());
  return Napi::Buffer<uint8_t>::Copy(env, bytes, result.bytes.size());
}

// Whether the argument was of the right type; if not, a TypeError is pending.
template <typename T>
bool TakeArgument(const Napi::CallbackInfo& info, size_t index, T& out) {
  if (FromJs<T>::Take(info.Env(), info[index], out)) return true;
  const std::string problem = "argument " + std::to_string(index + 1) + " must be ";
  Napi::TypeError::New(info.Env(), problem + FromJs<T>::kExpected).ThrowAsJavaScriptException();
  return false;
}

// Calls `call` with the arguments that its parameter types A ask for.
template <typename... A, typename Call>
Napi::Value CallWithArguments(const Napi::CallbackInfo& info, Call&& call) {
  std::tuple<std::decay_t<A>...> arguments;
  const bool are_taken = [&]<size_t... I>(std::index_sequence<I...>) {
    return (TakeArgument(info, I, std::get<I>(arguments)) && ...);
  }
  (std::index_sequence_for<A...>{});
  if (!are_taken) return {};
  if constexpr (std::is_void_v<decltype(std::apply(call, arguments))>) {
    std::apply(call, arguments);
    return info.Env().Undefined();
  } else {
    return ToJs(info.Env(), std::apply(call, arguments));
  }
}

template <auto kFunction, typename R, typename... A>
Napi::Value CallFunction(const Napi::CallbackInfo& info, R (*)(A...)) {
  return CallWithArguments<A...>(info, kFunction);
}

// kFunction: a function, or a lambda without captures.
template <auto kFunction>
Napi::Value Function(const Napi::CallbackInfo& info) {
  return CallFunction<kFunction>(info, +kFunction);
}

template <auto kFunction>
void Export(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Function<kFunction>>(exports.Env(), name));
}

// The same for a member function of `object`, or for a lambda whose first parameter is the object.
template <auto kMethod, typename T, typename Class, typename R, typename... A>
Napi::Value CallMethod(const Napi::CallbackInfo& info, T& object, R (Class::*)(A...)) {
  return CallWithArguments<A...>(info, [&](auto&... a) { return (object.*kMethod)(a...); });
}
template <auto kMethod, typename T, typename Class, typename R, typename... A>
Napi::Value CallMethod(const Napi::CallbackInfo& info, T& object, R (Class::*)(A...) const) {
  return CallWithArguments<A...>(info, [&](auto&... a) { return (object.*kMethod)(a...); });
}
template <auto kMethod, typename T, typename Self, typename R, typename... A>
Napi::Value CallMethod(const Napi::CallbackInfo& info, T& object, R (*)(Self, A...)) {
  return CallWithArguments<A...>(info, [&](auto&... a) { return kMethod(object, a...); });
}

template <auto kMethod, typename T>
Napi::Value Method(const Napi::CallbackInfo& info, T& object) {
  if constexpr (std::is_member_function_pointer_v<decltype(kMethod)>) {
    return CallMethod<kMethod>(info, object, kMethod);
  } else {
    return CallMethod<kMethod>(info, object, +kMethod);
  }
}

}  // namespace bygone::js
