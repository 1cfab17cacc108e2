#include "rtsp/message.h"

#include <algorithm>
#include <array>

#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr std::array<std::string_view, 12> kMethodNames{"OPTIONS",  "DESCRIBE", "SETUP",         "PLAY",
                                                        "PAUSE",    "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER",
                                                        "ANNOUNCE", "RECORD",   "REDIRECT",      "OTHER"};

struct StatusPhrase {
  int status;
  std::string_view phrase;
};
// RFC 2326 section 7.1.1.
constexpr StatusPhrase kPhrases[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {250, "Low on Storage Space"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Time-out"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Large"},
    {415, "Unsupported Media Type"},
    {451, "Parameter Not Understood"},
    {452, "Conference Not Found"},
    {453, "Not Enough Bandwidth"},
    {454, "Session Not Found"},
    {455, "Method Not Valid in This State"},
    {456, "Header Field Not Valid for Resource"},
    {457, "Invalid Range"},
    {458, "Parameter Is Read-Only"},
    {459, "Aggregate operation not allowed"},
    {460, "Only aggregate operation allowed"},
    {461, "Unsupported transport"},
    {462, "Destination unreachable"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Time-out"},
    {505, "RTSP Version not supported"},
    {551, "Option not supported"},
};

// Start-line parts: no control character, and no blank either, because a blank ends the part.
std::string single_word(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == ' ' || is_control(c)) {
      out.append("%20");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(single_line(value)).append("\r\n");
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), is_token_char);
}

std::string serialise(std::string start_line, const HeaderList& headers, std::string_view body) {
  std::string out = std::move(start_line);
  out.reserve(out.size() + 64 * headers.size() + body.size() + 64);
  out.append("\r\n");
  for (const Header& header : headers) {
    if (iequals(header.name, "CSeq")) append_header(out, "CSeq", header.value);  // A9
  }
  for (const Header& header : headers) {
    if (iequals(header.name, "CSeq") || iequals(header.name, "Content-Length")) continue;
    if (is_header_name(header.name)) append_header(out, header.name, header.value);
  }
  if (!body.empty()) append_header(out, "Content-Length", std::to_string(body.size()));
  out.append("\r\n").append(body);
  return out;
}

Error malformed(std::string what) { return make_error(Code::rtsp_malformed, {}, std::move(what)); }

// Without CRs at the end, so that empty means the end of the head; blanks are still there.
std::string_view next_line(std::string_view& rest) {
  std::string_view line = cut(rest, '\n');
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

Result<HeaderList> parse_headers(std::string_view rest, size_t max_headers, Quirks* quirks) {
  std::vector<std::pair<std::string_view, std::string>> lines;
  for (size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = next_line(rest);
    if (line.empty()) break;
    const bool ends_in_blank = is_blank(line.back()) && !trim(line).empty() && !trim(line).ends_with(':');
    if (ends_in_blank && !tolerates(quirks, Quirk::A10)) {
      return malformed(not_tolerated("header line " + std::to_string(number) + " ends in blanks", Quirk::A10));
    }
    if (is_blank(line.front())) {
      // A folded line continues the value before it (RFC 2326 section 4.2).
      if (!lines.empty()) lines.back().second.append(" ").append(trim(line));
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trim(line.substr(0, colon));
    if (name.empty()) continue;
    if (lines.size() == max_headers) {
      return make_error(Code::rtsp_too_large, {}, "more than " + std::to_string(max_headers) + " header lines");
    }
    lines.emplace_back(name, trim(line.substr(colon + 1)));
  }
  HeaderList headers;
  for (const auto& [name, value] : lines) headers.add(name, value);
  return headers;
}

bool is_version(std::string_view text) { return istarts_with(text, "RTSP/") && text.size() <= 16; }

}  // namespace

std::string_view method_name(Method method) { return kMethodNames[static_cast<size_t>(method)]; }

Method method_from(std::string_view name) {
  for (size_t i = 0; i + 1 < kMethodNames.size(); ++i) {
    if (iequals(kMethodNames[i], name)) return static_cast<Method>(i);
  }
  return Method::other;
}

void HeaderList::add(std::string_view name, std::string_view value) {
  headers_.push_back({std::string(name), std::string(value)});
}

void HeaderList::set(std::string_view name, std::string_view value) {
  const auto same = [name](const Header& header) { return iequals(header.name, name); };
  const auto first = std::find_if(headers_.begin(), headers_.end(), same);
  if (first == headers_.end()) return add(name, value);
  const std::string copy(value);  // `value` may be a view of what is replaced here
  headers_.erase(std::remove_if(first + 1, headers_.end(), same), headers_.end());
  first->value = copy;
}

void HeaderList::remove(std::string_view name) {
  std::erase_if(headers_, [name](const Header& header) { return iequals(header.name, name); });
}

const Header* HeaderList::find(std::string_view name) const {
  for (const Header& header : headers_) {
    if (iequals(header.name, name)) return &header;
  }
  return nullptr;
}

std::string_view HeaderList::get(std::string_view name) const {
  const Header* header = find(name);
  return header ? std::string_view(header->value) : std::string_view{};
}

std::vector<std::string_view> HeaderList::get_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Header& header : headers_) {
    if (iequals(header.name, name)) values.push_back(header.value);
  }
  return values;
}

std::optional<uint32_t> Request::cseq() const { return parse_number<uint32_t>(headers.get("CSeq")); }
std::optional<uint32_t> Response::cseq() const { return parse_number<uint32_t>(headers.get("CSeq")); }

std::string_view reason_phrase(int status) {
  for (const StatusPhrase& entry : kPhrases) {
    if (entry.status == status) return entry.phrase;
  }
  return "Unknown";
}

std::string serialise(const Request& request) {
  return serialise(single_word(request.method) + " " + single_word(request.uri) + " " + single_word(request.version),
                   request.headers, request.body);
}

std::string serialise(const Response& response) {
  const std::string reason(trim(single_line(response.reason)));
  return serialise(single_word(response.version) + " " + std::to_string(response.status) + " " +
                       (reason.empty() ? std::string(reason_phrase(response.status)) : reason),
                   response.headers, response.body);
}

Result<Message> parse_message(std::string_view head, std::string_view body, size_t max_headers, Quirks* quirks) {
  const std::string_view whole_line = next_line(head);
  const std::string_view line = trim(whole_line);
  const size_t first_blank = line.find(' ');
  if (first_blank == std::string_view::npos) return malformed("the start line has no blank");
  const std::string_view first = line.substr(0, first_blank);
  std::string_view rest = trim(line.substr(first_blank + 1));

  if (is_version(first)) {
    Response response;
    response.version = first;
    const auto status = parse_number<uint16_t>(cut(rest, ' '));
    if (!status || *status < 100 || *status > 999) return malformed("the status line has no three-digit status");
    response.status = *status;
    response.reason = trim(rest);
    if (response.reason.empty() && !is_blank(whole_line.back()) && !tolerates(quirks, Quirk::A8)) {
      return malformed(not_tolerated("the status line has no reason phrase", Quirk::A8));
    }
    auto headers = parse_headers(head, max_headers, quirks);
    if (!headers) return headers.error();
    response.headers = std::move(headers).value();
    response.body = body;
    return Message(std::move(response));
  }

  // The URI is all between the first and the last blank: some clients do not escape blanks in it.
  const size_t last_blank = rest.rfind(' ');
  if (last_blank == std::string_view::npos || !is_version(rest.substr(last_blank + 1))) {
    return malformed("the request line does not end in an RTSP version");
  }
  Request request;
  request.method = first;
  request.uri = trim(rest.substr(0, last_blank));
  request.version = rest.substr(last_blank + 1);
  if (request.method.empty() || !std::all_of(first.begin(), first.end(), is_token_char)) {
    return malformed("the request line does not begin with a method");
  }
  if (request.uri.empty()) return malformed("the request line has no URI");
  auto headers = parse_headers(head, max_headers, quirks);
  if (!headers) return headers.error();
  request.headers = std::move(headers).value();
  request.body = body;
  return Message(std::move(request));
}

Result<size_t> content_length(const HeaderList& headers) {
  std::optional<size_t> length;
  for (std::string_view value : headers.get_all("Content-Length")) {
    const auto number = parse_number<size_t>(value);
    if (!number) return malformed("Content-Length is no number");
    if (length && *length != *number) return malformed("two Content-Length headers disagree");
    length = number;
  }
  return length.value_or(0);
}

}  // namespace vigie::rtsp
