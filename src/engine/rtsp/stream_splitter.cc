#include "rtsp/stream_splitter.h"

#include <algorithm>

#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr size_t kMaxMethodBytes = 32;
// The smallest payload by which framing may be found again: an empty RTCP receiver report.
constexpr size_t kMinResyncPayload = 8;

// "RTSP/1.0 200" and one character behind it, which may be the line's end (A8).
constexpr size_t kStatusLineBytes = 13;
bool fits_status_line(std::string_view text) {
  constexpr std::string_view pattern = "RTSP/#.# ###";
  for (size_t i = 0; i < std::min(text.size(), pattern.size()); ++i) {
    if (pattern[i] == '#' ? !is_digit(text[i]) : text[i] != pattern[i]) return false;
  }
  if (text.size() < kStatusLineBytes) return true;
  const char behind = text[kStatusLineBytes - 1];
  return behind == ' ' || behind == '\r' || behind == '\n';
}

// A known method and a blank, or as much of it as `text` has: what a request must begin with amid garbage.
bool fits_known_method(std::string_view text) {
  for (size_t i = 0; i < static_cast<size_t>(Method::other); ++i) {
    const std::string_view name = method_name(static_cast<Method>(i));
    const size_t size = std::min(text.size(), name.size());
    if (text.substr(0, size) == name.substr(0, size) && (text.size() <= name.size() || text[name.size()] == ' ')) {
      return true;
    }
  }
  return false;
}

// "METHOD uri RTSP/1.0" without its line end.
bool is_request_line(std::string_view line) {
  line = trim(line);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || trim(line.substr(first, last - first)).empty()) return false;
  const std::string_view version = line.substr(last + 1);
  return version.size() == 8 && version.starts_with("RTSP/") && is_digit(version[5]) && version[6] == '.' &&
         is_digit(version[7]);
}

}  // namespace

size_t StreamSplitter::max_unit_bytes() const {
  return std::max<size_t>(4 + 65535, limits_.header_bytes + limits_.body_bytes);
}

StreamSplitter::Item StreamSplitter::fail(size_t consumed, Code code, std::string what) {
  failed_ = true;
  in_sync_ = false;
  behind_frame_ = false;  // keeps next() on the slow path
  error_ = make_error(code, {}, std::move(what));
  return {Kind::error, 0, {}, consumed, 0};
}

StreamSplitter::Item StreamSplitter::next_slow(ByteSpan unread) {
  if (failed_) return {Kind::error, 0, {}, 0, 0};
  if (committed_) return take_message(unread, 0);
  const std::string_view text = as_text(unread);
  size_t at = 0;
  size_t refuted_until = 0;
  while (at < text.size()) {
    if (in_sync_ && (text[at] == '\r' || text[at] == '\n')) {  // before a frame, or blank lines between messages
      // The last one stays with what follows, so that a frame behind it is seen to have it.
      if (++at == text.size()) return need(at - 1, 1);
      continue;
    }
    if (in_sync_ && at > 0 && text[at] == '$' && !tolerates(quirks_, Quirk::E6)) {
      return fail(at, Code::rtsp_malformed, not_tolerated("line ends before an interleaved frame", Quirk::E6));
    }
    const Probe found = probe(text.substr(at), at < refuted_until);
    if (found.start == Start::unknown) return need(at, found.need_bytes);
    if (found.start == Start::too_long) {
      return fail(at, Code::rtsp_too_large,
                  "a start line is longer than " + std::to_string(limits_.header_bytes) + " bytes");
    }
    if (found.start != Start::nothing) {
      if (!in_sync_ && refuses_garbage()) return fail_for_garbage(at);
      if (!in_sync_) ++counters_.resyncs;
      in_sync_ = true;
      behind_frame_ = found.start == Start::frame;
      garbage_run_ = 0;
      if (found.start == Start::message) {
        committed_ = true;
        scanned_ = 0;
        return take_message(unread, at);
      }
      Item item = next(unread.subspan(at));  // a `$` with its four bytes, in sync: does not come back here
      item.consumed += at;
      return item;
    }
    if (in_sync_) garbage_behind_frame_ = behind_frame_;
    in_sync_ = false;
    behind_frame_ = false;
    scanned_ = 0;
    refuted_until = std::max(refuted_until, at + refuted_bytes_);
    refuted_bytes_ = 0;
    if (garbage_run_ == limits_.garbage_run_bytes) {
      return fail(at, Code::rtsp_malformed,
                  "no RTSP message or interleaved frame within " + std::to_string(garbage_run_ + 1) + " bytes");
    }
    ++garbage_run_;
    ++counters_.garbage_bytes;
    if (garbage_run_ == kMaxInsertedBytes + 1 && refuses_garbage()) return fail_for_garbage(at);
    ++at;
  }
  return need(at, 1);
}

// A run of garbage: its id is known when it ends, or has become longer than what may have been put in.
Quirk StreamSplitter::garbage_quirk() const {
  return garbage_behind_frame_ && garbage_run_ > kMaxInsertedBytes ? Quirk::E2 : Quirk::E1;
}

StreamSplitter::Item StreamSplitter::fail_for_garbage(size_t at) {
  const Quirk quirk = garbage_quirk();
  return fail(at, Code::rtsp_malformed,
              not_tolerated(quirk == Quirk::E2 ? "an interleaved frame was followed by no frame or message"
                                               : "garbage where a frame or a message should begin",
                            quirk));
}

// In sync whatever can begin a unit is believed. Out of sync a frame must also look like RTP or RTCP (version 2 and not
// too short), and a request must begin with a known method, because '$' and capitals turn up in media bytes too.
StreamSplitter::Probe StreamSplitter::probe(std::string_view text, bool request_refuted) {
  if (text[0] == '$') {
    const size_t wanted = in_sync_ ? 4 : 5;
    if (text.size() < wanted) return {Start::unknown, wanted - text.size()};
    if (in_sync_) return {Start::frame};
    const uint8_t* bytes = as_bytes(text).data();
    const bool plausible = load_be16(bytes + 2) >= kMinResyncPayload && bytes[4] >> 6 == 2;
    return {plausible ? Start::frame : Start::nothing};
  }
  if (text[0] == 'R' && fits_status_line(text)) {
    if (text.size() >= kStatusLineBytes) return {Start::message};
    // "R" to "RTSP" may still become a method's name; either way more bytes are needed.
    return {Start::unknown, 1};
  }
  if (request_refuted || (!in_sync_ && !fits_known_method(text))) return {Start::nothing};
  return probe_request(text);
}

StreamSplitter::Probe StreamSplitter::probe_request(std::string_view text) {
  const size_t limit = std::min(text.size(), limits_.header_bytes);
  size_t method = 0;
  while (method < limit && method <= kMaxMethodBytes && is_token_char(text[method])) ++method;
  if (method == 0 || method > kMaxMethodBytes) return {Start::nothing};
  if (method < limit && text[method] != ' ') return {Start::nothing};
  for (size_t i = std::max(method, scanned_); i < limit; ++i) {
    if (text[i] == '\n') {
      if (is_request_line(text.substr(0, i))) return {Start::message};
      refuted_bytes_ = i;
      return {Start::nothing};
    }
    const bool stray = text[i - 1] == '\r' && text[i] != '\r';
    if (stray || (is_control(text[i]) && text[i] != '\r' && text[i] != '\t')) {
      refuted_bytes_ = i;
      return {Start::nothing};
    }
  }
  if (text.size() >= limits_.header_bytes) return {Start::too_long};
  scanned_ = limit;
  return {Start::unknown, 1};
}

StreamSplitter::Item StreamSplitter::take_message(ByteSpan unread, size_t at) {
  const std::string_view text = as_text(unread.subspan(at));
  if (head_bytes_ == 0) {
    const std::string_view window = text.substr(0, limits_.header_bytes);
    while (head_bytes_ == 0) {
      const size_t end = window.find('\n', scanned_);
      if (end == std::string_view::npos) {
        if (text.size() >= limits_.header_bytes) {
          return fail(at, Code::rtsp_too_large,
                      "the headers are longer than " + std::to_string(limits_.header_bytes) + " bytes");
        }
        scanned_ = window.size();
        return need(at, 1);
      }
      size_t before = end;
      while (before > 0 && window[before - 1] == '\r') --before;
      if (before > 0 && window[before - 1] == '\n') head_bytes_ = end + 1;
      scanned_ = end + 1;
    }
    auto message = parse_message(text.substr(0, head_bytes_), {}, limits_.header_count, quirks_);
    if (!message) return fail(at, message.error().code, message.error().what);
    message_ = std::move(message).value();
    const auto length = std::visit([](const auto& m) { return content_length(m.headers); }, message_);
    if (!length) return fail(at, length.error().code, length.error().what);
    if (*length > limits_.body_bytes) {
      return fail(
          at, Code::rtsp_too_large,
          "a body of " + std::to_string(*length) + " bytes; the limit is " + std::to_string(limits_.body_bytes));
    }
    body_bytes_ = *length;
  }
  const size_t total = head_bytes_ + body_bytes_;
  if (text.size() < total) return need(at, total - text.size());
  std::visit([&](auto& m) { m.body = text.substr(head_bytes_, body_bytes_); }, message_);
  committed_ = false;
  scanned_ = head_bytes_ = body_bytes_ = 0;
  const Kind kind = std::holds_alternative<Request>(message_) ? Kind::request : Kind::response;
  return {kind, 0, {}, at + total, 0};
}

}  // namespace vigie::rtsp
