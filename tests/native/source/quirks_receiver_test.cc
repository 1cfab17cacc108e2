// Deviations that only the whole chain of a track shows: B15, E5, F6; and that what is not tolerated is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "heard.h"
#include "packets.h"

namespace vigie::source {
namespace {

using ::testing::HasSubstr;
using testing::Heard;
using testing::packet;
using testing::sender_report;
using testing::slice;
using Ids = std::vector<std::string_view>;

struct Stream {
  explicit Stream(std::initializer_list<Quirk> strict = {}, RtpTrack track = {}) {
    for (const Quirk quirk : strict) quirks.strict.insert(quirk);
    EXPECT_TRUE(receiver.begin(track, RtpPath::interleaved, "10.0.0.7:554", heard).ok());
  }
  void rtp(const std::string& bytes) { receiver.on_rtp(as_bytes(bytes), {now += 40ms, wall += 40ms}); }
  void rtcp(const std::string& bytes) { receiver.on_rtcp(as_bytes(bytes), {now, wall}); }
  // Pictures of one packet each.
  void play(int pictures, uint8_t payload_type = 96) {
    for (int i = 0; i < pictures; ++i, timestamp += 3600) {
      rtp(packet(sequence++, timestamp, slice(i == 0), true, 0xcafe, payload_type));
    }
  }
  Ids seen() const { return quirks.seen.ids(); }
  void expect_fault(Code code, std::string_view id) const {
    ASSERT_EQ(heard.faults.size(), 1u);
    EXPECT_EQ(heard.faults[0].code, code);
    EXPECT_THAT(heard.faults[0].what, HasSubstr(std::string(id) + " is not tolerated here"));
  }

  BufferPool pool;
  SourceCounters counters;
  Quirks quirks;
  RtpReceiver receiver{pool, counters, "town/main", &quirks};
  Heard heard;
  MonoTime now{1000s};
  WallTime wall{1'800'000'000s};
  uint16_t sequence = 65'530;
  uint32_t timestamp = 4'000'000'000;
};

TEST(QuirkB15, Tolerated) {
  Stream mixed;  // packets of a vendor's own beside the pictures: left out
  mixed.play(3);
  mixed.rtp(packet(9, 0, "vendor data", true, 0xcafe, 50));
  mixed.play(3);
  mixed.receiver.end();
  EXPECT_EQ(mixed.heard.units.size(), 6u);
  EXPECT_EQ(mixed.counters.lost_packets, 0u);
  EXPECT_EQ(mixed.counters.malformed, 1u);
  EXPECT_EQ(mixed.seen(), Ids{"B15"});

  Stream renamed;  // the promised number never comes: believed
  renamed.play(6, 35);
  renamed.receiver.end();
  EXPECT_EQ(renamed.heard.units.size(), 6u);
  EXPECT_EQ(renamed.counters.malformed, 0u);
  EXPECT_EQ(renamed.seen(), Ids{"B15"});
}

TEST(QuirkB15, Strict) {
  Stream renamed({Quirk::B15});
  renamed.play(6, 35);
  renamed.receiver.end();
  EXPECT_EQ(renamed.heard.units.size(), 0u);
  EXPECT_EQ(renamed.counters.malformed, 6u);
  renamed.expect_fault(Code::rtp_malformed, "B15");
  EXPECT_EQ(renamed.seen(), Ids{"B15"});
}

TEST(QuirkE5, Tolerated) {
  Stream stream;
  stream.rtp(sender_report(0xcafe, stream.wall, 0));
  EXPECT_TRUE(stream.receiver.clock_error());
  for (uint16_t i = 0; i < 4; ++i) stream.rtcp(packet(i, i * 3600u, slice(i == 0)));
  stream.receiver.end();
  EXPECT_EQ(stream.heard.units.size(), 4u);
  EXPECT_EQ(stream.counters.malformed, 0u);
  EXPECT_EQ(stream.seen(), Ids{"E5"});
}

TEST(QuirkE5, Strict) {
  Stream reports({Quirk::E5});
  reports.rtp(sender_report(0xcafe, reports.wall, 0));
  EXPECT_FALSE(reports.receiver.clock_error());
  reports.expect_fault(Code::rtp_malformed, "E5");
  Stream pictures({Quirk::E5});
  for (uint16_t i = 0; i < 4; ++i) pictures.rtcp(packet(i, i * 3600u, slice(i == 0)));
  pictures.receiver.end();
  EXPECT_EQ(pictures.heard.units.size(), 0u);
  EXPECT_EQ(pictures.counters.malformed, 4u);
  pictures.expect_fault(Code::rtcp_malformed, "E5");
  EXPECT_EQ(pictures.seen(), Ids{"E5"});
}

// The second byte of such packets looks like RTCP's wherever the marker is set.
TEST(QuirkE5, PayloadTypesBelow96AreNone) {
  for (const uint8_t payload_type : {uint8_t{64}, uint8_t{77}, uint8_t{95}}) {
    RtpTrack track;
    track.payload_type = payload_type;
    Stream stream({}, track);
    stream.play(5, payload_type);
    stream.receiver.end();
    EXPECT_EQ(stream.heard.units.size(), 5u);
    EXPECT_EQ(stream.seen(), Ids{});
  }
}

TEST(QuirkF6, Tolerated) {
  Stream stream;
  stream.play(3);
  stream.rtcp(sender_report(0xcafe, stream.wall - 200ms, stream.timestamp));
  stream.rtcp(sender_report(0xdead, stream.wall + 300s, stream.timestamp));
  EXPECT_EQ(*stream.receiver.clock_error(), -200ms);
  EXPECT_EQ(stream.counters.malformed, 0u);
  EXPECT_EQ(stream.seen(), Ids{"F6"});
}

TEST(QuirkF6, Strict) {
  Stream stream({Quirk::F6});
  stream.play(3);
  stream.rtcp(sender_report(0xdead, stream.wall + 300s, stream.timestamp));
  EXPECT_FALSE(stream.receiver.clock_error());
  EXPECT_EQ(stream.counters.malformed, 1u);
  stream.expect_fault(Code::rtcp_malformed, "F6");
  EXPECT_EQ(stream.seen(), Ids{"F6"});
}

// A stray packet does not make its SSRC the stream's: the stream's own reports go on being believed.
TEST(QuirkD12, TellsNothingOfReports) {
  Stream stream;
  stream.play(3);
  stream.rtp(packet(7, 7, slice(true), true, 0xdead));
  stream.rtcp(sender_report(0xcafe, stream.wall - 200ms, stream.timestamp));
  EXPECT_TRUE(stream.receiver.clock_error());
  stream.play(3);
  EXPECT_EQ(stream.receiver.ssrc(), 0xcafeu);
  EXPECT_EQ(stream.seen(), Ids{"D12"});
}

TEST(QuirkD12, StrictIsTold) {
  Stream stream({Quirk::D12});
  stream.play(3);
  stream.rtp(packet(7, 7, slice(true), true, 0xdead));
  stream.play(3);
  stream.receiver.end();
  EXPECT_EQ(stream.heard.units.size(), 6u);
  EXPECT_EQ(stream.counters.malformed, 1u);
  ASSERT_EQ(stream.heard.faults.size(), 1u);
  EXPECT_THAT(stream.heard.faults[0].what, HasSubstr("D12"));
}

TEST(QuirkF12, StrictIsTold) {
  Stream stream({Quirk::F12});
  stream.play(3);
  stream.rtcp(sender_report(0xcafe, WallTime{946'684'800s}, stream.timestamp));
  EXPECT_FALSE(stream.receiver.clock_error());
  EXPECT_EQ(stream.counters.malformed, 1u);
  stream.expect_fault(Code::rtcp_malformed, "F12");
}

TEST(QuirkF5, WhatIsNoReportAtAll) {
  Stream stream;
  stream.rtcp("no report");
  EXPECT_EQ(stream.counters.malformed, 1u);
  EXPECT_EQ(stream.seen(), Ids{"F5"});
}

TEST(QuirkB22, ReachesTheDepacketizer) {
  RtpTrack track;
  track.packetization_mode = 0;
  Stream stream({Quirk::B22}, track);
  stream.rtp(packet(1, 0, std::string("\x78\x00\x02\x65\x88", 5)));
  EXPECT_EQ(stream.counters.malformed, 1u);
  EXPECT_EQ(stream.seen(), Ids{"B22"});
}

TEST(QuirkReceiver, AHealthyStreamMarksNothing) {
  Stream stream;
  for (int connection = 0; connection < 3; ++connection) {
    for (int i = 0; i < 20; ++i) {
      if (i % 5 == 0) stream.rtcp(sender_report(0xcafe, stream.wall - 20ms, stream.timestamp));
      stream.play(5);
    }
    stream.receiver.end();
    stream.timestamp = 77;
    stream.sequence = 9;
    stream.now += 5s;
    stream.wall += 5s;
    ASSERT_TRUE(stream.receiver.begin({}, RtpPath::interleaved, "10.0.0.7:554", stream.heard).ok());
  }
  EXPECT_EQ(stream.heard.units.size(), 300u);
  EXPECT_EQ(stream.heard.faults.size(), 0u);
  EXPECT_EQ(stream.seen(), Ids{});
}

}  // namespace
}  // namespace vigie::source
