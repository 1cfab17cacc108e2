#pragma once
// Small ASCII text tools that every header parser of this folder shares. None allocates unless it returns a string.
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quirk.h"

namespace vigie::rtsp {

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_space(char c) { return is_blank(c) || c == '\r' || c == '\n'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
// token characters of RFC 2326 section 15.1.
bool is_token_char(char c);

bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
// Without spaces, tabs, CR and LF at both ends.
std::string_view trim(std::string_view text);
// The value of one hexadecimal digit, or -1.
int hex_digit(char c);

// Cuts `rest` at the first `separator`: returns what lies before it, leaves in `rest` what lies behind.
std::string_view cut(std::string_view& rest, char separator);
// Cuts the first of the words that blanks separate off `rest`; empty when there is none.
std::string_view next_word(std::string_view& rest);
// The same as cut(), but a separator inside "double quotes" does not count (backslash escapes one character).
std::string_view cut_quoted(std::string_view& rest, char separator);
// Without surrounding double quotes and with backslash escapes undone; unquoted text is returned as it is.
std::string unquote(std::string_view text);
// `text` in double quotes, `"` and `\` escaped, control characters replaced by blanks.
std::string quote(std::string_view text);
// `text` with every control character replaced by a blank, so that it cannot end a header line.
std::string single_line(std::string_view text);
// "<what> (A8 is not tolerated)": for the error of a deviation that its stream refuses.
std::string not_tolerated(std::string what, Quirk quirk);

// The whole of `text` (trimmed) as an unsigned number, nothing else accepted.
template <class T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  text = trim(text);
  T value{};
  const char* end = text.data() + text.size();
  auto [at, ec] = std::from_chars(text.data(), end, value, base);
  if (ec != std::errc{} || at != end || text.empty()) return std::nullopt;
  return value;
}

}  // namespace vigie::rtsp
