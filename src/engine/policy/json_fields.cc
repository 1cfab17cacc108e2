#include "policy/json_fields.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace vigie::policy {
namespace {

// How long a name may be for the search of a nearest one.
constexpr size_t kMaxNameBytes = 64;

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string joined(std::span<const std::string_view> words) {
  std::string text;
  for (const auto word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

// Characters, not bytes; the text is valid UTF-8 (the JSON parser checked it).
size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", value);
  return text;
}

std::optional<unsigned> digits(std::string_view text, size_t at, size_t count) {
  unsigned value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  return value;
}

std::optional<WallTime> parse_utc(std::string_view text) {
  if (text.size() < 20 || text.size() > 30 || !text.ends_with('Z')) return std::nullopt;
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  // Nanoseconds in 64 bits end in 2262.
  if (!date.ok() || *year < 1970 || *year > 2261 || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  Nanos fraction{0};
  if (text.size() > 20) {
    const size_t count = text.size() - 21;
    const auto value = digits(text, 20, count);
    if (text[19] != '.' || count == 0 || !value) return std::nullopt;
    fraction = Nanos{*value};
    for (size_t i = count; i < 9; ++i) fraction *= 10;
  }
  return WallTime{std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours(*hour) +
                  std::chrono::minutes(*minute) + std::chrono::seconds(*second) + fraction};
}

}  // namespace

void FirstError::set(std::string where, std::string what) {
  if (!error_) error_ = make_error(Code::policy_field, std::move(where), std::move(what));
}

std::string pointer_to(const std::string& pointer, size_t index) { return pointer + "/" + std::to_string(index); }

std::string pointer_to(const std::string& pointer, std::string_view key) {
  std::string text = pointer + "/";
  size_t used = 0;
  for (const char c : key) {
    if (++used > kMaxNameBytes) return text + "…";
    if (c == '~') {
      text += "~0";
    } else if (c == '/') {
      text += "~1";
    } else {
      text += is_control(c) ? '?' : c;
    }
  }
  return text;
}

std::string describe_type(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "text";
    case Json::value_t::boolean: return value.get<bool>() ? "true" : "false";
    case Json::value_t::number_integer: return std::to_string(value.get<int64_t>());
    case Json::value_t::number_unsigned: return std::to_string(value.get<uint64_t>());
    case Json::value_t::number_float: return number_text(value.get<double>());
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return "something else";
}

std::string in_quotes(std::string_view text) {
  std::string shown(text.substr(0, kMaxNameBytes));
  // A cut inside a character would make the error text itself malformed.
  while (shown.size() < text.size() && !shown.empty() &&
         (static_cast<unsigned char>(text[shown.size()]) & 0xc0) == 0x80) {
    shown.pop_back();
  }
  for (char& c : shown) {
    if (is_control(c)) c = '?';
  }
  return "\"" + shown + (shown.size() < text.size() ? "…\"" : "\"");
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names) {
  if (name.size() > kMaxNameBytes) return {};
  std::string_view best;
  size_t best_distance = 3;
  for (const auto candidate : names) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

FieldReader::FieldReader(const Json& object, std::string pointer, FirstError& error,
                         std::initializer_list<std::string_view> known)
    : object_(object), pointer_(std::move(pointer)), error_(error) {
  if (error_.failed()) return;
  if (!object_.is_object()) {
    error_.set(pointer_, "found " + describe_type(object_) + "; right would be an object");
    return;
  }
  const std::vector<std::string_view> names(known);
  for (const auto& [key, value] : object_.items()) {
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    const auto near = nearest_name(key, names);
    error_.set(pointer_to(pointer_, key), "unknown field; " + (near.empty() ? "known are " + joined(names)
                                                                            : "did you mean " + in_quotes(near) + "?"));
    return;
  }
}

std::string FieldReader::pointer(std::string_view field) const { return pointer_to(pointer_, field); }

const Json* FieldReader::find(std::string_view field) const {
  if (error_.failed() || !object_.is_object()) return nullptr;
  const auto it = object_.find(field);
  return it == object_.end() ? nullptr : &*it;
}

void FieldReader::require(std::string_view field, std::string_view right) {
  if (!failed() && !has(field)) fail(field, "missing; right would be " + std::string(right));
}

void FieldReader::text(std::string_view field, std::string& target, size_t max_length) {
  const Json* value = find(field);
  if (!value) return;
  if (!value->is_string()) return fail(field, "found " + describe_type(*value) + "; right would be text");
  const auto& text = value->get_ref<const std::string&>();
  if (count_characters(text) > max_length) {
    return fail(field, "found " + std::to_string(count_characters(text)) + " characters; right would be at most " +
                           std::to_string(max_length));
  }
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return fail(field, "found a control character; right would be text of one line");
  }
  target = text;
}

void FieldReader::secret(std::string_view field, std::string& target, size_t max_length) {
  const Json* value = find(field);
  // A number may be the password itself, written without quotes: it is not shown either.
  if (value && !value->is_string()) return fail(field, "this is not text; right would be text in quotes");
  text(field, target, max_length);
}

void FieldReader::boolean(std::string_view field, bool& target) {
  const Json* value = find(field);
  if (!value) return;
  if (!value->is_boolean()) return fail(field, "found " + describe_type(*value) + "; right would be true or false");
  target = value->get<bool>();
}

void FieldReader::seconds(std::string_view field, Nanos& target, double least, double most) {
  if (const auto seconds = number_within(field, "a number of seconds", least, most)) {
    target = Nanos{std::llround(*seconds * 1e9)};
  }
}

void FieldReader::number(std::string_view field, double& target, double least, double most) {
  target = number_within(field, "a number", least, most).value_or(target);
}

std::optional<double> FieldReader::number_within(std::string_view field, std::string_view what, double least,
                                                 double most) {
  const Json* value = find(field);
  if (!value) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (number >= least && number <= most) return number;
  fail(field, "found " + describe_type(*value) + "; right would be " + std::string(what) + " from " +
                  number_text(least) + " to " + number_text(most));
  return std::nullopt;
}

void FieldReader::instant(std::string_view field, std::optional<WallTime>& target) {
  std::string found;
  text(field, found, 30);
  if (!has(field)) return;
  target = parse_utc(found);
  if (!target) fail(field, "found " + in_quotes(found) + "; right would be UTC time such as 2026-12-31T23:59:59Z");
}

int64_t FieldReader::integer(std::string_view field, int64_t target, int64_t least, int64_t most) {
  const Json* value = find(field);
  if (!value) return target;
  // Doubles hold every whole number up to 2^53, and no limit here is larger.
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) || number != std::floor(number)) {
    fail(field, "found " + describe_type(*value) + "; right would be a whole number from " + std::to_string(least) +
                    " to " + std::to_string(most));
    return target;
  }
  return static_cast<int64_t>(number);
}

std::optional<size_t> FieldReader::word_index(std::string_view field, std::span<const std::string_view> words) {
  const Json* value = find(field);
  if (!value) return std::nullopt;
  const std::string right = "; right would be one of " + joined(words);
  if (!value->is_string()) {
    fail(field, "found " + describe_type(*value) + right);
    return std::nullopt;
  }
  const auto& text = value->get_ref<const std::string&>();
  const auto it = std::find(words.begin(), words.end(), text);
  if (it == words.end()) {
    fail(field, "found " + in_quotes(text) + right);
    return std::nullopt;
  }
  return static_cast<size_t>(it - words.begin());
}

const Json::array_t& FieldReader::array(std::string_view field, size_t most) {
  static const Json::array_t kEmpty;
  const Json* value = find(field);
  if (!value) return kEmpty;
  if (!value->is_array()) {
    fail(field, "found " + describe_type(*value) + "; right would be a list");
    return kEmpty;
  }
  const auto& list = value->get_ref<const Json::array_t&>();
  if (list.size() > most) {
    fail(field, "found " + std::to_string(list.size()) + " elements; right would be at most " + std::to_string(most));
    return kEmpty;
  }
  return list;
}

}  // namespace vigie::policy
