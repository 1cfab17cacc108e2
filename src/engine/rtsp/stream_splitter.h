#pragma once
// Cuts the byte stream of one RTSP/TCP connection into messages and interleaved frames, without copying the frames.
//
//   read buffer   [ $ ch len payload | $ ch len payload | RTSP/1.0 200 OK … body | $ ch le ]
//                   ^ next() -> interleaved, span into the buffer                  ^ need_more: keep this tail
//
// The caller owns the buffer: it calls next() with all unread bytes, drops `consumed` bytes from the front whatever the
// kind, and goes on until need_more; then it reads more behind the tail and calls again with tail + new bytes.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/quirk.h"
#include "base/result.h"
#include "rtsp/message.h"

namespace vigie::rtsp {

struct SplitterLimits {
  size_t header_bytes = 16 * 1024;  // start line and headers together
  size_t header_count = 128;
  size_t body_bytes = 64 * 1024;
  // Bytes skipped in one run while looking for the next frame or message (E1); one more and the stream is given up.
  // A server sets 0: a viewer that sends rubbish is cut at once.
  size_t garbage_run_bytes = 128 * 1024;
};

// Totals since construction.
struct SplitterCounters {
  uint64_t garbage_bytes = 0;  // skipped because no frame or message begins there
  uint64_t resyncs = 0;        // runs of garbage after which framing was found again
};

class StreamSplitter {
 public:
  enum class Kind : uint8_t {
    need_more,    // `need_bytes` more at least before anything can come of it
    interleaved,  // `channel`, `payload`
    request,      // take_request()
    response,     // take_response()
    error         // error(); nothing more will come of this stream
  };
  struct Item {
    Kind kind = Kind::need_more;
    uint8_t channel = 0;
    // Points into the bytes given to next(); valid as long as the caller leaves them in place.
    ByteSpan payload;
    size_t consumed = 0;
    size_t need_bytes = 0;
  };

  // `quirks`, where given, must outlive this. Noted are those of the messages, and
  //   E6  line ends right before a frame;
  //   E2  a run of more than kMaxInsertedBytes of garbage right behind a frame: that frame's length led into the middle
  //       of another one, because a part of the stream was left out or sent twice;
  //   E1  any other garbage. A short run may be the end of a cut frame too, a long one may have been put in: the bytes
  //       do not tell, and the frame before is no longer there to be looked at.
  // Where one of them is not tolerated the stream is given up; for E1 and E2 as soon as it is known which it is.
  explicit StreamSplitter(SplitterLimits limits = {}, Quirks* quirks = nullptr) : limits_(limits), quirks_(quirks) {}
  static constexpr size_t kMaxInsertedBytes = 16;

  // The next unit of `unread`, which must begin where the previous call's `consumed` ended.
  // Cost: nothing is allocated and nothing copied for an interleaved frame; a message is parsed into a value.
  // The sequence of items does not depend on how the stream was cut into reads (a fuzz target holds this).
  // Not checked: that the payload is RTP, that the channel was set up (E4).
  // Source: RFC 2326 section 10.12; E1, E6, E7, E8.
  Item next(ByteSpan unread) {
    if (behind_frame_ && unread.size() >= 4 && unread[0] == '$') {
      const size_t size = load_be16(&unread[2]);
      if (unread.size() >= 4 + size) return {Kind::interleaved, unread[1], unread.subspan(4, size), 4 + size, 0};
      return {Kind::need_more, 0, {}, 0, 4 + size - unread.size()};
    }
    return next_slow(unread);
  }

  // The message of the last item; moved out.
  Request take_request() { return std::get<Request>(std::move(message_)); }
  Response take_response() { return std::get<Response>(std::move(message_)); }
  // Errors: rtsp_malformed, rtsp_too_large. Holds no content of the stream.
  const Error& error() const { return error_; }
  const SplitterCounters& counters() const { return counters_; }
  // Room the read buffer must offer so that any unit within the limits fits.
  size_t max_unit_bytes() const;

 private:
  // What begins at a position: decided, refuted, or not yet known.
  enum class Start : uint8_t { frame, message, nothing, unknown, too_long };
  struct Probe {
    Start start = Start::nothing;
    size_t need_bytes = 1;
  };

  Item next_slow(ByteSpan unread);
  Probe probe(std::string_view text, bool request_refuted);
  Probe probe_request(std::string_view text);
  Item take_message(ByteSpan unread, size_t at);
  Item fail(size_t consumed, Code code, std::string what);
  Item need(size_t consumed, size_t need_bytes) { return {Kind::need_more, 0, {}, consumed, need_bytes}; }

  Quirk garbage_quirk() const;
  bool refuses_garbage() { return !tolerates(quirks_, garbage_quirk()); }
  Item fail_for_garbage(size_t at);

  SplitterLimits limits_;
  Quirks* quirks_ = nullptr;
  SplitterCounters counters_;
  bool in_sync_ = true;
  bool behind_frame_ =
      false;  // the last unit was a frame, and no garbage has come since: lets next() take the short way
  bool garbage_behind_frame_ = false;  // the present run of garbage began right behind a frame
  bool failed_ = false;
  bool committed_ = false;  // the unread bytes begin with a start line that was accepted
  size_t garbage_run_ = 0;
  size_t scanned_ = 0;        // bytes of the unfinished unit already looked at, so that no byte is scanned twice
  size_t refuted_bytes_ = 0;  // no request begins within so many bytes from the last candidate
  size_t head_bytes_ = 0;     // length of a complete head whose body is still coming, else 0
  size_t body_bytes_ = 0;
  Message message_;
  Error error_{Code::rtsp_malformed, {}, {}};
};

}  // namespace vigie::rtsp
