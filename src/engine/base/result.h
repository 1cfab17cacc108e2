#pragma once
// Result and Error: how every fallible call of the core answers. No exception crosses a folder.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vigie {

// Error codes, from the one table; the number is stable across releases and equals the C ABI's.
enum class Code : uint16_t {
#define VIGIE_ERROR(name, number, python_base, sentence) name = number,
#include "base/error_table.inc"
#undef VIGIE_ERROR
};

// The table's name and sentence for a code; "unknown" for a number outside the table.
std::string_view code_name(Code code);
std::string_view code_sentence(Code code);

// What failed, where, and why: `where` leads to the object (camera/stream, host:port, field, byte position),
// `what` says what was found and what would be right. Neither ever holds a credential.
struct Error {
  Code code;
  std::string where;
  std::string what;

  // "<sentence>: <what> (<where>)"
  std::string text() const;
};

// A value or an Error. `Result<void>` is `Status`.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<std::monostate, Error> state_;
};
using Status = Result<void>;

inline Error make_error(Code code, std::string where, std::string what) {
  return Error{code, std::move(where), std::move(what)};
}

}  // namespace vigie
