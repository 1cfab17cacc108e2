#include "rtsp/text.h"

#include <utility>

namespace vigie::rtsp {

bool is_token_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte <= 0x20 || byte >= 0x7f) return false;
  return std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string_view cut(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view head = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return head;
}

std::string_view next_word(std::string_view& rest) {
  rest = trim(rest);
  const size_t end = rest.find_first_of(" \t");
  const std::string_view word = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return word;
}

std::string_view cut_quoted(std::string_view& rest, char separator) {
  bool quoted = false;
  size_t at = 0;
  for (; at < rest.size(); ++at) {
    if (quoted && rest[at] == '\\' && at + 1 < rest.size()) {
      ++at;
    } else if (rest[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && rest[at] == separator) {
      break;
    }
  }
  const std::string_view head = rest.substr(0, at);
  rest = at < rest.size() ? rest.substr(at + 1) : std::string_view{};
  return head;
}

std::string unquote(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.front() != '"') return std::string(text);
  text.remove_prefix(1);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') break;
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out.push_back(text[i]);
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(is_control(c) ? ' ' : c);
  }
  out.push_back('"');
  return out;
}

std::string single_line(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (is_control(c)) c = ' ';
  }
  return out;
}

std::string not_tolerated(std::string what, Quirk quirk) {
  return std::move(what.append(" (").append(quirk_facts(quirk).id).append(" is not tolerated)"));
}

}  // namespace vigie::rtsp
