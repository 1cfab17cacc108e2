#include "source/dialogue.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/base64.h"
#include "rtsp/text.h"
#include "rtsp/url.h"

namespace vigie::source {
namespace {

constexpr std::string_view kBlank = "***";
constexpr size_t kFirstLines = 64;
constexpr size_t kNewestLines = 16;
constexpr size_t kAllBytes = 64 << 10;
constexpr size_t kFirstBytes = 40 << 10;
constexpr size_t kLineBytes = kAllBytes - kFirstBytes;  // so that the newest line always has room
constexpr size_t kBodyBytes = 16 << 10;
constexpr size_t kUnreadableBytes = 256;
constexpr size_t kMarkBytes = 64;

// One line with its end, cut off the front of `rest`.
std::string_view next_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end);
  return line;
}
bool is_line_end(char c) { return c == '\r' || c == '\n'; }
std::string_view without_end(std::string_view line) {
  while (!line.empty() && is_line_end(line.back())) line.remove_suffix(1);
  return line;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [name](std::string_view other) { return rtsp::iequals(name, other); });
}

// Behind a parameter's value that begins at `at`.
size_t value_end(std::string_view text, size_t at) {
  if (at < text.size() && text[at] == '"') {
    for (size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        return i + 1;
      }
    }
    return without_end(text).size();
  }
  while (at < text.size() && text[at] != ',' && text[at] != ';' && !rtsp::is_space(text[at])) ++at;
  return at;
}

std::string blank_challenge(std::string_view text) {
  const auto skip_blanks = [text](size_t at) {
    while (at < text.size() && rtsp::is_space(text[at])) ++at;
    return at;
  };
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && rtsp::is_token_char(text[end])) ++end;
    if (end == at) {
      end = text[at] == '"' ? value_end(text, at) : at + 1;
      end = std::max(end, at + 1);
      out.append(text.substr(at, end - at));
      at = end;
      continue;
    }
    const std::string_view key = text.substr(at, end - at);
    out.append(key);
    at = end;
    const size_t equals = skip_blanks(at);
    if (equals == text.size() || text[equals] != '=') continue;
    const size_t value = skip_blanks(equals + 1);
    out.append(text.substr(at, value - at));
    at = value_end(text, value);
    if (is_one_of(key, {"nonce", "cnonce", "nextnonce", "response", "rspauth", "opaque"})) {
      out.append(kBlank);
    } else {
      out.append(text.substr(value, at - value));
    }
  }
  return out;
}

// The whole of one header, its continuation lines included.
std::string blank_header(std::string_view header) {
  const size_t colon = header.find(':');
  const std::string_view name = rtsp::trim(header.substr(0, colon));
  if (colon == std::string_view::npos) return std::string(header);
  const std::string_view end = header.substr(without_end(header).size());
  if (is_one_of(name, {"Authorization", "Proxy-Authorization", "KeyMgmt"})) {
    return std::string(header.substr(0, colon + 1)).append(" ").append(kBlank).append(end);
  }
  if (is_one_of(name, {"WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Proxy-Authentication-Info"})) {
    const std::string value = blank_challenge(without_end(header).substr(colon + 1));
    return std::string(header.substr(0, colon + 1)).append(value).append(end);
  }
  return std::string(header);
}

std::string blank_headers(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  while (!message.empty()) {
    const std::string_view all = message;
    size_t bytes = next_line(message).size();
    if (without_end(all.substr(0, bytes)).empty()) {
      out.append(all);  // the end of the head, and the body
      break;
    }
    while (!message.empty() && rtsp::is_blank(message.front())) bytes += next_line(message).size();
    out.append(blank_header(all.substr(0, bytes)));
  }
  return out;
}

// The keys of SRTP in a description, and wherever else they stand as SDES writes them.
std::string blank_keys(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    const std::string_view trimmed = rtsp::trim(line);
    size_t keep = line.size();
    for (const std::string_view name : {"a=crypto", "a=key-mgmt"}) {
      if (rtsp::istarts_with(trimmed, name)) keep = std::min(keep, line.find('=') + name.size() - 1);
    }
    for (size_t at = 0; at < keep; ++at) {
      if (rtsp::istarts_with(line.substr(at), "inline:")) keep = at + 7;
    }
    out.append(line.substr(0, keep));
    if (keep < line.size()) out.append(kBlank).append(line.substr(without_end(line).size()));
  }
  return out;
}

std::string blank_userinfo(std::string_view text) {
  constexpr std::string_view kMark = "://";
  std::string out;
  out.reserve(text.size());
  for (size_t at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark)) {
    at += kMark.size();
    out.append(text.substr(0, at));
    text.remove_prefix(at);
    const auto ends = [](char c) { return rtsp::is_space(c) || c == '"' || c == '<' || c == '>'; };
    const auto end = static_cast<size_t>(std::find_if(text.begin(), text.end(), ends) - text.begin());
    const std::string_view rest = text.substr(0, end);
    const size_t last = rest.rfind('@');
    if (last == std::string_view::npos) continue;
    const auto url = rtsp::Url::parse("rtsp://" + std::string(rest));
    if (!url) {
      out.append(kBlank);  // rather lose a part of the path than show a part of a password
      text.remove_prefix(last);
    } else if (url->has_credentials()) {
      // The userinfo ends at the last '@' before the path.
      const bool plain = rest.ends_with(url->path);
      const size_t host = plain ? rest.substr(0, rest.size() - url->path.size()).rfind('@') : last;
      out.append(kBlank);
      text.remove_prefix(host);
    }
  }
  return out.append(text);
}

// Length of `secret` at the beginning of `text`, percent-encoded or not character by character; 0 where it is not there.
size_t encoded_bytes(std::string_view text, std::string_view secret) {
  size_t at = 0;
  for (const char c : secret) {
    if (at == text.size()) return 0;
    const int high = at + 2 < text.size() && text[at] == '%' ? rtsp::hex_digit(text[at + 1]) : -1;
    const int low = high >= 0 ? rtsp::hex_digit(text[at + 2]) : -1;
    if (low >= 0 && static_cast<char>(high << 4 | low) == c) {
      at += 3;
    } else if (text[at] == c || (text[at] == '+' && c == ' ')) {
      ++at;
    } else {
      return 0;
    }
  }
  return at;
}

std::string blank_secret(std::string_view text, std::string_view secret) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t bytes = text.starts_with(secret) ? secret.size() : encoded_bytes(text, secret);
    if (bytes > 0) {
      out.append(kBlank);
    } else {
      out.push_back(text.front());
      bytes = 1;
    }
    text.remove_prefix(bytes);
  }
  return out;
}

// Where the body begins.
size_t head_bytes(std::string_view message) {
  std::string_view rest = message;
  while (!rest.empty()) {
    if (without_end(next_line(rest)).empty()) break;
  }
  return message.size() - rest.size();
}

void cut_at(std::string& text, size_t most) {
  if (text.size() <= most) return;
  const size_t more = text.size() - most;
  text.resize(most);
  text.append("\r\n[cut: " + std::to_string(more) + " bytes more]");
}

}  // namespace

// --- secrets

void Secrets::add(std::string_view user, std::string_view password) {
  if (password.empty()) return;
  texts_.emplace_back(password);
  std::string basic = base64_encode(as_bytes(std::string(user).append(":").append(password)));
  while (basic.ends_with('=')) basic.pop_back();  // some leave the padding out
  texts_.push_back(std::move(basic));
  std::sort(texts_.begin(), texts_.end(),
            [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
  texts_.erase(std::unique(texts_.begin(), texts_.end()), texts_.end());
}

std::string Secrets::blank(std::string_view message) const {
  // The passwords last: one that is the word "nonce" would hide what stands behind that.
  std::string out = blank_userinfo(blank_keys(blank_headers(message)));
  for (const std::string& text : texts_) out = blank_secret(out, text);
  return out;
}

// --- the recorder

uint64_t Dialogue::begin(MonoTime now) {
  secrets_.clear();
  start_ = now;
  first_.clear();
  newest_.clear();
  first_bytes_ = newest_bytes_ = 0;
  first_full_ = false;
  return ++attempt_;
}

void Dialogue::add(uint64_t attempt, MonoTime now, bool sent, std::string_view message) {
  if (attempt != attempt_) return;
  std::string text = secrets_.blank(message);  // before the cut, which might leave a half of one
  cut_at(text, head_bytes(text) + kBodyBytes);
  keep(now, sent, std::move(text));
}

void Dialogue::add_unreadable(uint64_t attempt, MonoTime now, ByteSpan bytes) {
  if (attempt != attempt_) return;
  const std::string shown = secrets_.blank(as_text(bytes.first(std::min(bytes.size(), 16 * kUnreadableBytes))));
  std::string text;
  for (const char c : std::string_view(shown).substr(0, kUnreadableBytes)) {
    if (c >= 0x20 && c < 0x7f) {
      text.push_back(c);
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      text.append(hex);
    }
  }
  keep(now, false, std::move(text));
}

void Dialogue::keep(MonoTime now, bool sent, std::string text) {
  cut_at(text, kLineBytes - kMarkBytes);
  const size_t bytes = text.size();
  DialogueLine line{now - start_, sent, std::move(text)};
  if (first_.size() == kFirstLines || first_bytes_ + bytes > kFirstBytes) first_full_ = true;
  if (!first_full_) {
    first_bytes_ += bytes;
    first_.push_back(std::move(line));
    return;
  }
  newest_bytes_ += bytes;
  newest_.push_back(std::move(line));
  while (newest_.size() > kNewestLines || first_bytes_ + newest_bytes_ > kAllBytes) {
    newest_bytes_ -= newest_.front().text.size();
    newest_.pop_front();
  }
}

std::vector<DialogueLine> Dialogue::lines() const {
  std::vector<DialogueLine> all(first_.begin(), first_.end());
  all.insert(all.end(), newest_.begin(), newest_.end());
  return all;
}

}  // namespace vigie::source
