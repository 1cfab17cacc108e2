#include "rtsp/stream_splitter.h"

#include <gtest/gtest.h>

#include "heap_count.h"

namespace vigie::rtsp {
namespace {

using Kind = StreamSplitter::Kind;
using namespace std::string_literals;

// A frame whose payload looks like RTP: version 2, then zeros.
std::string frame(uint8_t channel, size_t payload_bytes) {
  std::string out = "$";
  out.push_back(static_cast<char>(channel));
  out.push_back(static_cast<char>(payload_bytes >> 8));
  out.push_back(static_cast<char>(payload_bytes & 255));
  if (payload_bytes > 0) out.append("\x80").append(payload_bytes - 1, '\0');
  return out;
}

// What a stream becomes, as text lines, when it is read in pieces of `step` bytes.
struct Outcome {
  std::vector<std::string> items;
  SplitterCounters counters;
  size_t largest_tail = 0;
  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.items == b.items && a.counters.garbage_bytes == b.counters.garbage_bytes &&
           a.counters.resyncs == b.counters.resyncs;
  }
};

Outcome split(std::string_view stream, size_t step, SplitterLimits limits = {}) {
  StreamSplitter splitter(limits);
  Outcome out;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += step) {
    buffer.append(stream.substr(at, step));
    size_t used = 0;
    while (true) {
      const auto item = splitter.next(as_bytes(std::string_view(buffer).substr(used)));
      used += item.consumed;
      if (item.kind == Kind::need_more) {
        EXPECT_GE(item.need_bytes, 1u);
        break;
      }
      if (item.kind == Kind::interleaved) {
        out.items.push_back("frame " + std::to_string(item.channel) + " " + std::to_string(item.payload.size()));
      } else if (item.kind == Kind::request) {
        const Request request = splitter.take_request();
        out.items.push_back("request " + request.method + " [" + request.body + "]");
      } else if (item.kind == Kind::response) {
        const Response response = splitter.take_response();
        out.items.push_back("response " + std::to_string(response.status) + " [" + response.body + "]");
      } else {
        out.items.push_back("error " + std::string(code_name(splitter.error().code)));
        out.counters = splitter.counters();
        return out;
      }
    }
    buffer.erase(0, used);
    out.largest_tail = std::max(out.largest_tail, buffer.size());
  }
  out.counters = splitter.counters();
  return out;
}

struct Row {
  const char* name;
  std::string stream;
  std::vector<std::string> items;
  uint64_t garbage = 0;
  uint64_t resyncs = 0;
};

std::vector<Row> rows() {
  const std::string ok = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
  return {
      {"frames", frame(0, 20) + frame(1, 8) + frame(0, 0), {"frame 0 20", "frame 1 8", "frame 0 0"}},
      {"largest frame", frame(0, 65535), {"frame 0 65535"}},
      {"response", ok, {"response 200 []"}},
      {"response with body",
       "RTSP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nv=0\r\n" + frame(0, 12),
       {"response 200 [v=0\r\n]", "frame 0 12"}},
      {"body that looks like a frame",
       "RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n$\0\0\1"s + ok,
       {"response 200 [$\0\0\1]"s, "response 200 []"}},
      {"request (A15)", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" + ok, {"request OPTIONS []", "response 200 []"}},
      {"unknown method", "X-PING rtsp://h/ RTSP/1.0\r\n\r\n", {"request X-PING []"}},
      {"two requests",
       "OPTIONS * RTSP/1.0\r\n\r\nOPTIONS * RTSP/1.0\r\n\r\n",
       {"request OPTIONS []", "request OPTIONS []"}},
      {"bare LF", "RTSP/1.0 200 OK\nCSeq: 1\n\nRTSP/1.0 404 No\n\n", {"response 200 []", "response 404 []"}},
      {"no reason (A8)", "RTSP/1.0 200\r\n\r\nRTSP/1.0 401\n\n", {"response 200 []", "response 401 []"}},
      {"CR LF before a frame (E6)",
       frame(0, 9) + "\r\n" + frame(0, 10) + "\r\n\r\n" + ok,
       {"frame 0 9", "frame 0 10", "response 200 []"}},
      {"reply amid frames (E7)", frame(0, 30) + ok + frame(2, 30), {"frame 0 30", "response 200 []", "frame 2 30"}},
      {"garbage between frames (E1)",
       frame(0, 12) + "\x01\x02\xff\x80" + frame(0, 13),
       {"frame 0 12", "frame 0 13"},
       4,
       1},
      {"garbage with dollars",
       frame(0, 12) + "\x01$$\x01\x02$\x03"s + frame(0, 13) + "\x02" + frame(1, 8),
       {"frame 0 12", "frame 0 13", "frame 1 8"},
       8,
       2},
      {"garbage letters", frame(0, 12) + "AB\x05" + ok, {"frame 0 12", "response 200 []"}, 3, 1},
      {"garbage before a request", "\x01\x02PLAYOPTIONS * RTSP/1.0\r\n\r\n", {"request OPTIONS []"}, 6, 1},
      {"a line that is no start line", "hello world\r\n" + ok, {"response 200 []"}, 13, 1},
      {"a reply cut in its line", "x y RTSP/1.0 200 OK\r\n\r\n", {"response 200 []"}, 4, 1},
      {"a short frame is not believed amid garbage", "\x01" + frame(0, 4) + frame(0, 12), {"frame 0 12"}, 9, 1},
      {"conflicting lengths",
       "RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
       {"error rtsp_malformed"}},
      {"length that is none",
       "RTSP/1.0 200 OK\r\nContent-Length: 4294967296000000000000\r\n\r\nxx",
       {"error rtsp_malformed"}},
      {"4 GiB body", "RTSP/1.0 200 OK\r\nContent-Length: 4294967295\r\n\r\nxx", {"error rtsp_too_large"}},
      {"status below 100", "RTSP/1.0 099 No\r\n\r\n", {"error rtsp_malformed"}},
  };
}

TEST(StreamSplitter, SplitsTheSameHoweverTheStreamIsCut) {
  for (const Row& row : rows()) {
    const Outcome whole = split(row.stream, row.stream.size());
    EXPECT_EQ(whole.items, row.items) << row.name;
    EXPECT_EQ(whole.counters.garbage_bytes, row.garbage) << row.name;
    EXPECT_EQ(whole.counters.resyncs, row.resyncs) << row.name;
    for (size_t step : {1, 2, 3, 5, 7, 11, 64}) {
      if (row.stream.size() > 1000 && step < 11) continue;
      EXPECT_TRUE(split(row.stream, step) == whole) << row.name << " in steps of " << step;
    }
  }
}

TEST(StreamSplitter, FindsBackAfterALostTail) {  // E2: a frame swallows the head of the next one
  std::string stream = frame(0, 40).substr(0, 24) + frame(0, 40);
  for (uint8_t i = 1; i < 4; ++i) stream += frame(i, 40);
  const Outcome outcome = split(stream, stream.size());
  EXPECT_EQ(outcome.items, (std::vector<std::string>{"frame 0 40", "frame 1 40", "frame 2 40", "frame 3 40"}));
  EXPECT_EQ(outcome.counters.resyncs, 1u);
  EXPECT_EQ(outcome.counters.garbage_bytes, 24u);
  EXPECT_TRUE(split(stream, 1) == outcome);
}

TEST(StreamSplitter, PayloadPointsIntoTheGivenBytes) {
  const std::string stream = "\r\n" + frame(3, 16);
  StreamSplitter splitter;
  const auto item = splitter.next(as_bytes(stream));
  ASSERT_EQ(item.kind, Kind::interleaved);
  EXPECT_EQ(item.channel, 3);
  EXPECT_EQ(item.payload.data(), as_bytes(stream).data() + 6);
  EXPECT_EQ(item.payload.size(), 16u);
  EXPECT_EQ(item.consumed, 22u);
}

TEST(StreamSplitter, NothingIsAllocatedForFrames) {
  std::string stream;
  for (int i = 0; i < 100; ++i) stream += frame(0, 1400) + (i % 10 == 0 ? "\r\n" : "");
  const std::string_view view = stream;
  StreamSplitter splitter;
  const uint64_t before = heap_calls();
  size_t frames = 0;
  for (size_t at = 0, end = 700; end <= view.size(); end += 700) {
    while (true) {
      const auto item = splitter.next(as_bytes(view.substr(at, end - at)));
      at += item.consumed;
      if (item.kind != Kind::interleaved) break;
      ++frames;
    }
  }
  EXPECT_EQ(heap_calls(), before);
  EXPECT_GE(frames, 99u);
}

TEST(StreamSplitter, TellsHowMuchIsMissing) {
  StreamSplitter splitter;
  const std::string stream = frame(0, 100);
  EXPECT_EQ(splitter.next(as_bytes(stream.substr(0, 2))).need_bytes, 2u);
  EXPECT_EQ(splitter.next(as_bytes(stream.substr(0, 4))).need_bytes, 100u);
  EXPECT_EQ(splitter.next(as_bytes(stream.substr(0, 90))).need_bytes, 14u);
  EXPECT_EQ(splitter.next(as_bytes(stream)).kind, Kind::interleaved);
  const std::string message = "RTSP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n123";
  EXPECT_EQ(splitter.next(as_bytes(message)).need_bytes, 7u);
}

TEST(StreamSplitter, HeaderLimitHoldsWhereverTheStreamIsCut) {
  SplitterLimits limits;
  limits.header_bytes = 64;
  const std::string fits = "RTSP/1.0 200 OK\r\nX: " + std::string(64 - 24, 'y') + "\r\n\r\n";
  ASSERT_EQ(fits.size(), 64u);
  std::string over = fits;
  over.insert(20, "y");
  const std::string long_line = "OPTIONS rtsp://h/" + std::string(100, 'a') + " RTSP/1.0\r\n\r\n";
  for (size_t step : {1u, 7u, 200u}) {
    EXPECT_EQ(split(fits, step, limits).items, std::vector<std::string>{"response 200 []"});
    EXPECT_EQ(split(over, step, limits).items, std::vector<std::string>{"error rtsp_too_large"});
    EXPECT_EQ(split(long_line, step, limits).items, std::vector<std::string>{"error rtsp_too_large"});
  }
}

TEST(StreamSplitter, EndlessHeaderIsCutAtTheLimit) {
  const Outcome outcome = split("RTSP/1.0 200 OK\r\n" + std::string(100'000, 'a'), 1000);
  EXPECT_EQ(outcome.items, std::vector<std::string>{"error rtsp_too_large"});
  EXPECT_LE(outcome.largest_tail, 17'000u);
}

TEST(StreamSplitter, HeaderCountAndBodyLimits) {
  SplitterLimits limits;
  limits.header_count = 2;
  limits.body_bytes = 3;
  EXPECT_EQ(split("RTSP/1.0 200 OK\r\nA: 1\r\nB: 2\r\n\r\n", 99, limits).items[0], "response 200 []");
  EXPECT_EQ(split("RTSP/1.0 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", 99, limits).items[0], "error rtsp_too_large");
  EXPECT_EQ(split("RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 99, limits).items[0], "response 200 [abc]");
  EXPECT_EQ(split("RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nabcd", 99, limits).items[0], "error rtsp_too_large");
}

TEST(StreamSplitter, GarbageIsBoundedPerRun) {
  SplitterLimits limits;
  limits.garbage_run_bytes = 10;
  const std::string garbage(10, '\x01');
  for (size_t step : {1u, 4u, 100u}) {
    const Outcome twice = split(garbage + frame(0, 12) + garbage + frame(0, 13), step, limits);
    EXPECT_EQ(twice.items, (std::vector<std::string>{"frame 0 12", "frame 0 13"}));
    EXPECT_EQ(twice.counters.garbage_bytes, 20u);
    EXPECT_EQ(split(garbage + "\x01" + frame(0, 12), step, limits).items,
              std::vector<std::string>{"error rtsp_malformed"});
  }
  limits.garbage_run_bytes = 0;
  EXPECT_EQ(split("GET / HTTP/1.1\r\n\r\n", 3, limits).items, std::vector<std::string>{"error rtsp_malformed"});
}

TEST(StreamSplitter, AnErrorIsFinal) {
  StreamSplitter splitter;
  const std::string bad = "RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n";
  EXPECT_EQ(splitter.next(as_bytes(bad)).kind, Kind::error);
  const std::string good = frame(0, 12);
  const auto item = splitter.next(as_bytes(good));
  EXPECT_EQ(item.kind, Kind::error);
  EXPECT_EQ(item.consumed, 0u);
}

TEST(StreamSplitter, TextFullOfMethodNamesCostsLinearTime) {
  // Each candidate would scan to the line's end: 128 KiB of them must not take 16 Ki scans of 16 KiB.
  std::string line;
  while (line.size() < 16'000) line += "OPTIONS ";
  std::string stream;
  while (stream.size() < 120'000) stream += line + "\n";
  const Outcome outcome = split(stream + frame(0, 12), 4096);
  EXPECT_EQ(outcome.items, std::vector<std::string>{"frame 0 12"});
  EXPECT_EQ(outcome.counters.garbage_bytes, stream.size());
}

}  // namespace
}  // namespace vigie::rtsp
