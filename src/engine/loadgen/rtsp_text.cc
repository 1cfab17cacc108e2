#include "loadgen/rtsp_text.h"

#include <strings.h>

#include <charconv>

namespace vigie::loadgen {
namespace {

constexpr size_t kMaxMessage = 65536;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view next_word(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  return word;
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string_view RtspText::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same(key, name)) return value;
  }
  return {};
}

size_t read_message(std::string_view bytes, RtspText& message, bool& bad) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    bad = bytes.size() > kMaxMessage;
    return 0;
  }
  message = RtspText();
  std::string_view head = bytes.substr(0, end);
  size_t line_end = head.find("\r\n");
  std::string_view line = head.substr(0, line_end);
  message.first = next_word(line);
  message.second = next_word(line);
  message.third = line;
  if (message.first.empty() || message.second.empty()) {
    bad = true;
    return 0;
  }
  size_t body_size = 0;
  while (line_end != std::string_view::npos) {
    head.remove_prefix(line_end + 2);
    line_end = head.find("\r\n");
    line = head.substr(0, line_end);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
    message.headers.emplace_back(name, value);
    if (same(name, "Content-Length")) std::from_chars(value.data(), value.data() + value.size(), body_size);
  }
  if (body_size > kMaxMessage) {
    bad = true;
    return 0;
  }
  if (bytes.size() < end + 4 + body_size) return 0;
  message.body = bytes.substr(end + 4, body_size);
  return end + 4 + body_size;
}

std::string_view list_parameter(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t semicolon = list.find(';');
    const std::string_view item = trim(list.substr(0, semicolon));
    if (item.size() > name.size() && item[name.size()] == '=' && same(item.substr(0, name.size()), name)) {
      return item.substr(name.size() + 1);
    }
    list = semicolon == std::string_view::npos ? std::string_view() : list.substr(semicolon + 1);
  }
  return {};
}

std::optional<std::pair<int, int>> read_pair(std::string_view text) {
  int first = 0, second = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, first);
  if (error != std::errc()) return std::nullopt;
  second = first + 1;
  if (at != end && *at == '-') std::from_chars(at + 1, end, second);
  return std::pair(first, second);
}

}  // namespace vigie::loadgen
