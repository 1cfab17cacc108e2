#pragma once
// Reading fields of a JSON object strictly: every error names the JSON pointer, what was found and what would be right.
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace vigie::policy {

using Json = nlohmann::json;

inline constexpr size_t kMaxName = 64;
inline constexpr size_t kMaxReason = 1024;
inline constexpr int64_t kMaxWhole = int64_t{1} << 53;  // what JSON readers agree on

// The first error of one parse; readers do nothing once it is set.
class FirstError {
 public:
  bool failed() const { return error_.has_value(); }
  void set(std::string where, std::string what);
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

// One name of an enumeration as it stands in JSON.
template <class T>
struct Word {
  std::string_view text;
  T value;
};

// Reads one object. Fields that are absent leave the target as it is (its default), unless `required`.
class FieldReader {
 public:
  // `known`: every field the object may have; any other is an error here and now, with the nearest known name.
  FieldReader(const Json& object, std::string pointer, FirstError& error,
              std::initializer_list<std::string_view> known);

  bool has(std::string_view field) const { return find(field) != nullptr; }
  std::string pointer(std::string_view field) const;
  // The error of a field, found or missing; `right` says what would be right.
  void fail(std::string_view field, std::string what) { error_.set(pointer(field), std::move(what)); }
  bool failed() const { return error_.failed(); }

  void require(std::string_view field, std::string_view right);
  // Text of at most `max_length` characters (not bytes) without control characters.
  void text(std::string_view field, std::string& target, size_t max_length);
  // As text, but the value never stands in an error.
  void secret(std::string_view field, std::string& target, size_t max_length);
  void boolean(std::string_view field, bool& target);
  // A number of seconds, whole or not.
  void seconds(std::string_view field, Nanos& target, double least, double most);
  // A number, whole or not.
  void number(std::string_view field, double& target, double least, double most);
  // UTC time such as 2026-12-31T23:59:59Z, with up to nine digits of a fraction.
  // Source: RFC 3339 5.6, UTC only, no leap second.
  void instant(std::string_view field, std::optional<WallTime>& target);
  // Units: none; a number without fraction (1.0 is one, as in JSON Schema).
  int64_t integer(std::string_view field, int64_t target, int64_t least, int64_t most);
  template <class T>
  void integer_into(std::string_view field, T& target, int64_t least, int64_t most) {
    target = static_cast<T>(integer(field, static_cast<int64_t>(target), least, most));
  }
  template <class T, size_t N>
  void word(std::string_view field, T& target, const Word<T> (&words)[N]) {
    std::string_view texts[N];
    for (size_t i = 0; i < N; ++i) texts[i] = words[i].text;
    if (const auto index = word_index(field, texts)) target = words[*index].value;
  }
  // The array's elements; an empty list when it is absent or not an array (then the error is set).
  const Json::array_t& array(std::string_view field, size_t most);
  // The field's value, or null when absent or after an error.
  const Json* find(std::string_view field) const;

 private:
  std::optional<double> number_within(std::string_view field, std::string_view what, double least, double most);
  std::optional<size_t> word_index(std::string_view field, std::span<const std::string_view> words);

  const Json& object_;
  std::string pointer_;
  FirstError& error_;
};

// Appends an index or an escaped key (RFC 6901) to a JSON pointer.
std::string pointer_to(const std::string& pointer, size_t index);
std::string pointer_to(const std::string& pointer, std::string_view key);
// What a value is, for "found …": short, and never the text of a string.
std::string describe_type(const Json& value);
// The text in quotes, at most 64 bytes of it and without control characters.
std::string in_quotes(std::string_view text);
// The nearest of `names` within two edits, or empty.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names);

}  // namespace vigie::policy
