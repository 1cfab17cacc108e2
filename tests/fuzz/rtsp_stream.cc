// Any bytes as the stream of one RTSP connection: however it is cut into reads, the same items come out, from a tail
// that stays bounded, and the same deviations are noted; and what was parsed as a message survives being written and
// parsed again.
// Input: 1 byte for the limits, 1 for the cuts, then the stream.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rtsp/stream_splitter.h"

namespace {

using namespace vigie;
using namespace vigie::rtsp;
using Kind = StreamSplitter::Kind;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Item {
  Kind kind;
  uint8_t channel;
  std::string payload;
  Message message;
  bool operator==(const Item&) const = default;
};

struct Outcome {
  std::vector<Item> items;
  uint64_t garbage_bytes = 0;
  uint64_t resyncs = 0;
  Code code = Code::internal;
  QuirkSet quirks;
  bool operator==(const Outcome&) const = default;
};

Message reparsed(const Message& message) {
  const std::string text = std::visit([](const auto& m) { return serialise(m); }, message);
  const std::string& body = std::visit([](const auto& m) -> const std::string& { return m.body; }, message);
  require(text.ends_with("\r\n\r\n" + body));
  auto back = parse_message(std::string_view(text).substr(0, text.size() - body.size()), body, 1000);
  require(back.ok());
  return std::move(back).value();
}

void check_message(const Message& message) {
  const Message once = reparsed(message);
  require(reparsed(once) == once);
  require(once.index() == message.index());
  std::visit(
      [](const auto& m) { require(content_length(m.headers).ok() && *content_length(m.headers) == m.body.size()); },
      once);
}

// `cut` 0: the whole stream in one read.
Outcome run(std::string_view stream, const SplitterLimits& limits, const QuirkSet& strict, uint32_t cut) {
  Quirks quirks{strict, {}};
  StreamSplitter splitter(limits, &quirks);
  Outcome out;
  std::string buffer;
  uint32_t state = cut;
  for (size_t at = 0; at < stream.size();) {
    state = state * 1664525 + 1013904223;
    // At most 64 reads: each scans what is unread anew.
    const size_t step = cut == 0 ? stream.size() : 1 + stream.size() / 64 + (state >> 24) % cut;
    buffer.append(stream.substr(at, step));
    at += step;
    size_t used = 0;
    while (true) {
      const ByteSpan unread = as_bytes(std::string_view(buffer).substr(used));
      const StreamSplitter::Item item = splitter.next(unread);
      require(item.consumed <= unread.size());
      used += item.consumed;
      if (item.kind == Kind::need_more) {
        require(item.need_bytes >= 1);
        require(unread.size() - item.consumed + item.need_bytes <= splitter.max_unit_bytes());
        break;
      }
      if (item.kind == Kind::error) {
        out.code = splitter.error().code;
        require(splitter.next(unread).kind == Kind::error);
        break;
      }
      Item copy{item.kind, item.channel, {}, {}};
      if (item.kind == Kind::interleaved) {
        require(item.payload.data() + item.payload.size() == unread.data() + item.consumed);
        copy.payload = as_text(item.payload);
      } else if (item.kind == Kind::request) {
        copy.message = splitter.take_request();
      } else {
        copy.message = splitter.take_response();
      }
      out.items.push_back(std::move(copy));
    }
    if (out.code != Code::internal) break;
    buffer.erase(0, used);
    require(buffer.size() < splitter.max_unit_bytes());
  }
  out.garbage_bytes = splitter.counters().garbage_bytes;
  out.resyncs = splitter.counters().resyncs;
  out.quirks = quirks.seen;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 8192) return 0;
  SplitterLimits limits;
  if ((data[0] & 1) != 0) limits.header_bytes = 64 + data[0];
  if ((data[0] & 2) != 0) limits.header_count = data[0] >> 4;
  if ((data[0] & 4) != 0) limits.body_bytes = data[0];
  if ((data[0] & 8) != 0) limits.garbage_run_bytes = data[0] >> 3;
  const std::string_view stream = as_text({data + 2, size - 2});

  const uint32_t cut = 1 + data[1];
  const Outcome whole = run(stream, limits, {}, 0);
  require(run(stream, limits, {}, cut) == whole);
  const Outcome strict = whole.quirks.empty() ? whole : run(stream, limits, whole.quirks, 0);
  if (!whole.quirks.empty()) require(run(stream, limits, whole.quirks, cut) == strict);
  require(strict.code != Code::internal || whole.quirks.empty());
  for (const Item& item : whole.items) {
    if (item.kind != Kind::interleaved) check_message(item.message);
  }
  return 0;
}
