// Known deviations in the framing of a TCP connection: E1, E2, E6; E7 and E8 as practices.
#include "quirks_support.h"
#include "rtsp/stream_splitter.h"

namespace vigie::rtsp {
namespace {

using Kind = StreamSplitter::Kind;

const std::string kAnswer = "RTSP/1.0 200 OK\r\nCSeq: 6\r\n\r\n";

// A frame with an RTP header's first byte; `fill` tells them apart and is no start of anything.
std::string frame(uint8_t channel, size_t payload_bytes, char fill = '\x11') {
  std::string out{'$', static_cast<char>(channel), static_cast<char>(payload_bytes >> 8),
                  static_cast<char>(payload_bytes & 255), '\x80'};
  return out.append(payload_bytes - 1, fill);
}

// What comes out of a stream read in pieces of `step` bytes: "1:20" a frame of 20 bytes on channel 1, "200" an answer,
// "!" the end by an error.
std::string split(const std::string& stream, size_t step, StreamSplitter& splitter) {
  std::string out;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += step) {
    buffer.append(stream, at, step);
    while (true) {
      const StreamSplitter::Item item = splitter.next(as_bytes(buffer));
      std::string unit;
      if (item.kind == Kind::interleaved) {
        unit = std::to_string(item.channel) + ":" + std::to_string(item.payload.size());
      } else if (item.kind == Kind::response) {
        unit = std::to_string(splitter.take_response().status);
      } else if (item.kind == Kind::error) {
        return out + " !";
      }
      buffer.erase(0, item.consumed);
      if (item.kind == Kind::need_more) break;
      out.append(out.empty() ? "" : " ").append(unit);
    }
  }
  return out;
}

// The same however the stream was cut.
void expect_units(const std::string& stream, const std::string& units, std::string_view id) {
  for (const size_t step : {size_t{1}, size_t{3}, size_t{7}, size_t{64}, stream.size()}) {
    Quirks quirks;
    StreamSplitter splitter({}, &quirks);
    EXPECT_EQ(split(stream, step, splitter), units) << "in steps of " << step;
    EXPECT_EQ(ids(quirks.seen), id) << "in steps of " << step;
  }
}

void expect_given_up(const std::string& stream, const std::string& units, Quirk quirk) {
  const std::string id(quirk_facts(quirk).id);
  for (const size_t step : {size_t{1}, size_t{3}, size_t{7}, size_t{64}, stream.size()}) {
    Quirks quirks = strict_on(quirk);
    StreamSplitter splitter({}, &quirks);
    EXPECT_EQ(split(stream, step, splitter), units + " !") << "in steps of " << step;
    EXPECT_EQ(splitter.error().code, Code::rtsp_malformed);
    EXPECT_NE(splitter.error().what.find(id + " is not tolerated"), std::string::npos) << splitter.error().what;
    EXPECT_EQ(ids(quirks.seen), id);
  }
}

TEST(QuirksOfStreams, NoneInLegalOnes) {
  expect_units(kAnswer + frame(0, 40) + frame(1, 8) + kAnswer + frame(0, 40), "200 0:40 1:8 200 0:40", "");
  expect_units("\r\n" + kAnswer + "\r\n\r\n" + kAnswer, "200 200", "");  // blank lines before a message
}

const std::string kInserted("\x07\xfe\x00\x42\x13", 5);
TEST(QuirkE1, Tolerated) {
  expect_units(frame(0, 40) + kInserted + frame(0, 41) + frame(1, 8), "0:40 0:41 1:8", "E1");
  expect_units(kAnswer + std::string(60, '\x07') + frame(0, 40), "200 0:40", "E1");
}
TEST(QuirkE1, Strict) {
  expect_given_up(frame(0, 40) + kInserted + frame(0, 41), "0:40", Quirk::E1);
  expect_given_up(kAnswer + std::string(60, '\x07') + frame(0, 40), "200", Quirk::E1);
}

// The first frame's last 50 bytes were never sent: it swallows as much of the second.
std::string cut_off() { return frame(0, 100).substr(0, 54) + frame(0, 120, '\x22') + frame(0, 90) + frame(1, 8); }
std::string sent_twice() { return frame(0, 100) + frame(0, 100).substr(60) + frame(0, 90) + frame(1, 8); }
TEST(QuirkE2, Tolerated) {
  expect_units(cut_off(), "0:100 0:90 1:8", "E2");
  expect_units(sent_twice(), "0:100 0:90 1:8", "E2");
}
TEST(QuirkE2, Strict) {
  expect_given_up(cut_off(), "0:100", Quirk::E2);
  expect_given_up(sent_twice(), "0:100", Quirk::E2);
}

TEST(QuirkE6, Tolerated) {
  expect_units(frame(0, 40) + "\r\n" + frame(0, 41), "0:40 0:41", "E6");
  expect_units(kAnswer + "\r\n\r\n" + frame(0, 41), "200 0:41", "E6");
}
TEST(QuirkE6, Strict) {
  expect_given_up(frame(0, 40) + "\r\n" + frame(0, 41), "0:40", Quirk::E6);
  expect_given_up(kAnswer + "\n" + frame(0, 41), "200", Quirk::E6);
}

TEST(QuirkE7, Practice) { expect_units(frame(0, 40) + kAnswer + frame(2, 41) + kAnswer, "0:40 200 2:41 200", ""); }

TEST(QuirkE8, Practice) {
  // 41202 bytes announced amid 1400 byte frames: no more than one unit is ever waited for, and what follows is found.
  std::string lying = frame(0, 1400);
  lying[2] = '\xa0';
  lying[3] = '\xf2';
  std::string stream = lying;
  for (int i = 0; i < 40; ++i) stream += frame(0, 1400);
  Quirks quirks;
  StreamSplitter splitter({}, &quirks);
  EXPECT_LE(splitter.next(as_bytes(lying)).need_bytes, splitter.max_unit_bytes());
  const std::string units = split(stream, 1448, splitter);
  EXPECT_TRUE(units.starts_with("0:41202 0:1400 0:1400")) << units;
  EXPECT_EQ(splitter.counters().resyncs, 1u);
  EXPECT_EQ(ids(quirks.seen), "E2");
}

}  // namespace
}  // namespace vigie::rtsp
