#pragma once

#include <functional>
#include <iostream>
#include <string>
#include <type_traits>

// A test is TEST("sentence of behaviour") { ... }. A failed check is printed and the test goes on,
// unless it was a REQUIRE, which leaves it.
namespace bygone::test {

struct Registration {
  Registration(const char* sentence, std::function<void()> run);
};

void Fail(const char* file, int line, const std::string& what);
// For a machine that lacks something: the test counts as skipped, with the reason printed.
void Skip(const std::string& reason);

template <typename T>
auto Printable(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<int64_t>(value);
  } else {
    return value;
  }
}

template <typename A, typename B>
bool CheckEqual(const char* file, int line, const char* text, const A& actual, const B& expected) {
  if (actual == expected) return true;
  std::cerr << "    actual:   " << Printable(actual) << "\n    expected: " << Printable(expected)
            << "\n";
  Fail(file, line, text);
  return false;
}

}  // namespace bygone::test

#define BYGONE_JOIN2(a, b) a##b
#define BYGONE_JOIN(a, b) BYGONE_JOIN2(a, b)
#define TEST(sentence) BYGONE_TEST(sentence, BYGONE_JOIN(Test, __COUNTER__))
#define BYGONE_TEST(sentence, function)                                                            \
  static void function();                                                                          \
  static const ::bygone::test::Registration BYGONE_JOIN(function, Registered)(sentence, function); \
  static void function()

#define CHECK(claim) ((claim) ? void() : ::bygone::test::Fail(__FILE__, __LINE__, #claim))
#define CHECK_EQ(actual, expected) \
  ::bygone::test::CheckEqual(__FILE__, __LINE__, #actual " == " #expected, actual, expected)
#define REQUIRE(claim)                                  \
  do {                                                  \
    if (!(claim)) {                                     \
      ::bygone::test::Fail(__FILE__, __LINE__, #claim); \
      return;                                           \
    }                                                   \
  } while (false)
