// The chain from packets to units: media time across connections, counters, reports, faults.
#include "source/rtp_receiver.h"

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

class RtpReceiverTest : public ::testing::Test {
 protected:
  void begin(Codec codec = Codec::h264, RtpPath path = RtpPath::interleaved) {
    RtpTrack track;
    track.codec = codec;
    ASSERT_TRUE(receiver.begin(track, path, "10.0.0.7:554", heard).ok());
  }
  void rtp(const std::string& bytes) { receiver.on_rtp(as_bytes(bytes), {now, wall}); }
  void rtcp(const std::string& bytes) { receiver.on_rtcp(as_bytes(bytes), {now, wall}); }
  // Pictures of one packet each, 40 ms apart.
  void play(int pictures, uint16_t sequence, uint32_t timestamp) {
    for (int i = 0; i < pictures; ++i) {
      rtp(packet(sequence, timestamp, slice(i == 0)));
      ++sequence;
      timestamp += 3600;
      now += 40ms;
      wall += 40ms;
    }
  }
  void expect_strictly_increasing() {
    for (size_t i = 1; i < heard.units.size(); ++i) {
      EXPECT_GT(heard.units[i]->pts, heard.units[i - 1]->pts) << "unit " << i;
    }
  }

  BufferPool pool;
  SourceCounters counters;
  RtpReceiver receiver{pool, counters, "town/main"};
  Heard heard;
  MonoTime now{1000s};
  WallTime wall{1'800'000'000s};
};

TEST_F(RtpReceiverTest, MakesUnitsAndCounts) {
  begin();
  play(10, 65530, 0xfffff000);  // across the wrap of both
  receiver.end();
  EXPECT_EQ(heard.units.size(), 10u);
  EXPECT_EQ(counters.units, 10u);
  EXPECT_EQ(counters.keyframes, 1u);
  EXPECT_EQ(counters.packets, 10u);
  EXPECT_EQ(counters.lost_packets, 0u);
  EXPECT_EQ(counters.bytes, 10u * 52);
  expect_strictly_increasing();
  EXPECT_EQ(heard.units[9]->pts - heard.units[0]->pts, Ticks90k{9 * 3600});
}

// Who joins in the middle of a unit may get all of its slices, and not what led them: nothing else shows it.
TEST_F(RtpReceiverTest, MarksTheUnitThatItComesInto) {
  for (const RtpPath path : {RtpPath::interleaved, RtpPath::datagrams, RtpPath::joined}) {
    RtpReceiver fresh(pool, counters, "town/main");
    Heard units;
    ASSERT_TRUE(fresh.begin(RtpTrack{}, path, "10.0.0.7:554", units).ok());
    for (uint16_t i = 0; i < 4; ++i) fresh.on_rtp(as_bytes(packet(i, i * 3600u, slice(i == 0))), {now, wall});
    fresh.end();
    ASSERT_EQ(units.units.size(), 4u);
    EXPECT_EQ(units.units[0]->gap, path == RtpPath::joined);
    EXPECT_FALSE(units.units[0]->damaged);
    EXPECT_FALSE(units.units[1]->gap);
    EXPECT_EQ(units.units[0]->lost_packets, 0u);
  }
}

TEST_F(RtpReceiverTest, CountsLossAndMarksIt) {
  begin();
  play(3, 10, 0);
  play(3, 20, 90000);
  receiver.end();
  EXPECT_EQ(counters.lost_packets, 7u);
  ASSERT_EQ(heard.units.size(), 6u);
  EXPECT_TRUE(heard.units[3]->gap);
}

// a clock that is more than a second off is told once, and again when it has moved by as much.
TEST_F(RtpReceiverTest, TellsOfAClockThatIsOff) {
  begin();
  uint32_t timestamp = 0;
  const auto report = [&](Nanos off, int times) {
    for (int i = 0; i < times; ++i) {
      play(25, static_cast<uint16_t>(timestamp / 3600), timestamp);
      timestamp += 90'000;
      rtcp(sender_report(0xcafe, wall + off, timestamp));
    }
  };
  report(900ms, 3);
  EXPECT_TRUE(heard.faults.empty());
  report(2h, 6);
  ASSERT_EQ(heard.faults.size(), 1u);
  EXPECT_EQ(heard.faults[0].code, Code::camera_clock);
  EXPECT_THAT(heard.faults[0].where, HasSubstr("town/main, 10.0.0.7:554"));
  EXPECT_THAT(heard.faults[0].what, HasSubstr("+7200.0 s"));
  EXPECT_EQ(heard.units.back()->clock_quality, ClockQuality::suspect);
  EXPECT_EQ(receiver.facts()->clock_quality, ClockQuality::suspect);
  EXPECT_EQ(receiver.facts()->reports.steps, 1u);
  receiver.end();
  begin();  // the same camera again: known already
  report(2h, 3);
  EXPECT_EQ(heard.faults.size(), 1u);
  report(-5s, 4);
  ASSERT_EQ(heard.faults.size(), 2u);
  EXPECT_THAT(heard.faults[1].what, HasSubstr("-5.0 s"));
  report(0s, 4);
  EXPECT_EQ(receiver.facts()->clock_quality, ClockQuality::reported);
  EXPECT_EQ(heard.faults.size(), 2u);
  report(3s, 4);
  EXPECT_EQ(heard.faults.size(), 3u) << "it had been right in between";
}

TEST_F(RtpReceiverTest, MediaTimeGoesOnOverReconnections) {
  begin();
  play(10, 100, 5000);
  receiver.end();
  now += 10s;
  begin();
  play(10, 7, 123456789);  // I2: the camera begins somewhere else
  receiver.end();
  ASSERT_EQ(heard.units.size(), 20u);
  expect_strictly_increasing();
  const Ticks90k away = heard.units[10]->pts - heard.units[9]->pts;
  EXPECT_NEAR(static_cast<double>(away.count()), 90000 * 10.04, 900) << "placed by its arrival";
  EXPECT_TRUE(heard.units[10]->gap);
}

TEST_F(RtpReceiverTest, MediaTimeGoesOnOverAChangeOfCodec) {
  begin();
  play(10, 100, 5000);
  receiver.end();
  now += 10s;
  begin(Codec::h265);
  for (int i = 0; i < 5; ++i) {
    rtp(packet(static_cast<uint16_t>(i), static_cast<uint32_t>(i) * 3600,
               std::string("\x26\x01\xaf", 3) + slice(true)));
    now += 40ms;
  }
  receiver.end();
  ASSERT_EQ(heard.units.size(), 15u);
  expect_strictly_increasing();
  EXPECT_GT(heard.units[10]->pts, Ticks90k{90000 * 10});
  EXPECT_EQ(heard.tracks.back().codec, Codec::h265);
}

TEST_F(RtpReceiverTest, TellsTheTrackBeforeUnitsAndOnlyWhenItChanges) {
  begin();
  ASSERT_EQ(heard.tracks.size(), 1u);
  EXPECT_FALSE(heard.tracks[0].parameter_sets->complete());
  rtp(packet(1, 0, testing::kSps, false));
  rtp(packet(2, 0, testing::kPps, false));
  rtp(packet(3, 0, slice(true)));
  play(5, 4, 3600);
  receiver.end();
  ASSERT_EQ(heard.tracks.size(), 2u);
  EXPECT_TRUE(heard.tracks[1].parameter_sets->complete());
  begin();
  EXPECT_EQ(heard.tracks.size(), 2u) << "nothing changed with the reconnection";
}

TEST_F(RtpReceiverTest, ReadsTheCamerasClock) {
  begin();
  rtcp(sender_report(0xcafe, wall - 200ms, 9000));
  play(3, 1, 9000);
  EXPECT_EQ(heard.units.back()->clock_quality, ClockQuality::reported);
  ASSERT_TRUE(receiver.clock_error());
  EXPECT_NEAR(static_cast<double>(receiver.clock_error()->count()), -2e8, 1e6);
  rtcp(sender_report(0xdead, wall + 3600s, 9000));  // F6: somebody else's
  EXPECT_NEAR(static_cast<double>(receiver.clock_error()->count()), -2e8, 1e6);
}

TEST_F(RtpReceiverTest, TellsChannelsApartByContent) {  // E5
  begin();
  rtp(sender_report(0xcafe, wall, 0));
  EXPECT_EQ(counters.packets, 0u);
  EXPECT_TRUE(receiver.clock_error());
  rtcp(packet(1, 0, slice(true)));
  rtcp(packet(2, 3600, slice(false)));
  receiver.end();
  EXPECT_EQ(heard.units.size(), 2u);
}

TEST_F(RtpReceiverTest, ReportsReception) {
  begin(Codec::h264, RtpPath::datagrams);
  std::array<uint8_t, 160> memory;
  rtp::RtcpCompound compound;
  rtp::parse_rtcp(receiver.make_report(memory, now), compound);
  EXPECT_TRUE(compound.receiver_ssrc);
  EXPECT_EQ(compound.report_blocks().size(), 0u);
  play(5, 100, 0);
  rtcp(sender_report(0xcafe, wall, 9000));
  now += 1s;
  rtp::RtcpCompound after;
  rtp::parse_rtcp(receiver.make_report(memory, now), after);
  ASSERT_EQ(after.report_blocks().size(), 1u);
  EXPECT_EQ(after.report_blocks()[0].ssrc, 0xcafeu);
  EXPECT_EQ(after.report_blocks()[0].highest_sequence & 0xffff, 104u);
  EXPECT_NEAR(after.report_blocks()[0].delay_since_last_sr, 65536, 100);
  EXPECT_EQ(after.malformed_packets, 0u);
  EXPECT_FALSE(after.cname.empty());
}

TEST_F(RtpReceiverTest, RestoresOrderOnUdpAndGivesUpInTime) {
  begin(Codec::h264, RtpPath::datagrams);
  rtp(packet(1, 0, slice(true)));
  rtp(packet(3, 7200, slice(false)));
  rtp(packet(2, 3600, slice(false)));
  EXPECT_EQ(counters.reordered_packets, 1u);
  EXPECT_EQ(counters.lost_packets, 0u);
  EXPECT_FALSE(receiver.deadline());
  rtp(packet(5, 14400, slice(false)));
  ASSERT_TRUE(receiver.deadline());
  receiver.on_time(*receiver.deadline());
  EXPECT_EQ(counters.lost_packets, 1u);
}

TEST_F(RtpReceiverTest, AFloodOfRubbishIsCountedAndToldOnceASecond) {
  begin();
  for (int i = 0; i < 1000; ++i) {
    rtp("rubbish");
    now += 1ms;
  }
  EXPECT_EQ(counters.malformed, 1000u);
  ASSERT_EQ(heard.faults.size(), 1u);
  EXPECT_EQ(heard.faults[0].code, Code::rtp_malformed);
  EXPECT_THAT(heard.faults[0].where, HasSubstr("town/main, 10.0.0.7:554"));
  EXPECT_THAT(heard.faults[0].where, HasSubstr("packet 1"));
  rtp("rubbish");
  ASSERT_EQ(heard.faults.size(), 2u);
  EXPECT_THAT(heard.faults[1].what, HasSubstr("1000 such"));
}

TEST_F(RtpReceiverTest, LeavesOutPacketsOfAnotherPayloadType) {  // B15
  begin();
  rtp(packet(1, 0, slice(true)));
  rtp(packet(2, 0, "vendor data", true, 0xcafe, 50));
  EXPECT_EQ(counters.malformed, 1u);
}

TEST_F(RtpReceiverTest, BelievesADeviceThatNeverUsesThePromisedPayloadType) {
  begin();
  for (uint16_t i = 0; i < 4; ++i) rtp(packet(i, i * 3600u, slice(i == 0), true, 0xcafe, 35));
  receiver.end();
  EXPECT_EQ(heard.units.size(), 4u);
}

TEST_F(RtpReceiverTest, AnOldListenerCannotSilenceANewOne) {
  begin();
  Heard old;
  receiver.mute(old);
  receiver.end(old);
  EXPECT_TRUE(receiver.active());
  receiver.mute(heard);
  EXPECT_FALSE(receiver.active());
}

}  // namespace
}  // namespace vigie::source
