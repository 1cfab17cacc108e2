// Timestamps and sender reports that are not what the clock shows: E9, F5, F12, I1, I3, I4; and what makes I2, I6 to
// I8 harmless.
#include <gtest/gtest.h>

#include "quirks_support.h"

namespace vigie::rtp {
namespace {

uint32_t seconds(int64_t count) { return static_cast<uint32_t>(count * 90'000); }

// Pictures 40 ms apart; every thirtieth is stamped hours off.
void play_i1(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 300; ++n, camera.rx.now_ms += 40) {
    const uint32_t off = n % 60 == 30 ? seconds(-9800) : n % 60 == 59 ? seconds(37'600) : 0;
    camera.rx.send(5'000'000 + n * 3600 + off, true, h264_nal(1, 30));
  }
  camera.rx.flush();
}

TEST(QuirkI1, Tolerated) {
  QuirkReceiver camera(Codec::h264);
  play_i1(camera);
  ASSERT_EQ(camera.rx.units.size(), 300u);
  for (size_t n = 0; n < 300; ++n) {
    EXPECT_NEAR(static_cast<double>(camera.rx.units[n]->pts.count()), static_cast<double>(n) * 3600, 90) << n;
    EXPECT_FALSE(camera.rx.units[n]->gap);
  }
  EXPECT_EQ(seen(camera.quirks), Ids{"I1"});
}

TEST(QuirkI1, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::I1});
  play_i1(camera);
  ASSERT_EQ(camera.rx.units.size(), 300u) << "media time goes on";
  size_t gaps = 0;
  for (const auto& unit : camera.rx.units) gaps += unit->gap;
  EXPECT_EQ(gaps, 9u) << "told when the right time comes back; the last one had no successor";
  EXPECT_TRUE(camera.rx.units[31]->gap);
  EXPECT_EQ(seen(camera.quirks), Ids{"I1"});
}

// Two wrong ones in a row, each in another way.
TEST(QuirkI1, ToleratedInPairs) {
  QuirkReceiver camera(Codec::h264);
  for (uint32_t n = 0; n < 200; ++n, camera.rx.now_ms += 40) {
    const uint32_t off = n % 50 == 20 ? seconds(-9800) : n % 50 == 21 ? seconds(7200) : 0;
    camera.rx.send(5'000'000 + n * 3600 + off, true, h264_nal(1, 30));
    if (n % 50 != 20 && n % 50 != 21 && !camera.rx.units.empty()) {
      EXPECT_EQ(camera.rx.units.back()->pts.count(), int64_t{3600} * static_cast<int64_t>(camera.rx.units.size() - 1));
    }
  }
  EXPECT_EQ(seen(camera.quirks), Ids{"I1"});
}

void play_i4(QuirkReceiver& camera) {
  for (uint32_t n = 0; n < 100; ++n, camera.rx.now_ms += 40) {
    camera.rx.send(5'000'000 + n * 3600 - (n < 50 ? 0 : seconds(7)), true, h264_nal(1, 30));
  }
  camera.rx.flush();
}

TEST(QuirkI4, Tolerated) {
  QuirkReceiver camera(Codec::h264);
  play_i4(camera);
  ASSERT_EQ(camera.rx.units.size(), 100u);
  EXPECT_NEAR(static_cast<double>(camera.rx.units[99]->pts.count()), 99 * 3600.0, 90);
  for (const auto& unit : camera.rx.units) EXPECT_FALSE(unit->gap);
  EXPECT_EQ(seen(camera.quirks), Ids{"I4"});
}

TEST(QuirkI4, Strict) {
  QuirkReceiver camera(Codec::h264, {Quirk::I4});
  play_i4(camera);
  ASSERT_EQ(camera.rx.units.size(), 100u);
  for (size_t n = 0; n < 100; ++n) EXPECT_EQ(camera.rx.units[n]->gap, n == 51) << n << ": told once it is sure";
  EXPECT_EQ(seen(camera.quirks), Ids{"I4"});
}

// Back by less than a second, longer than any order of B pictures.
TEST(QuirkI4, ToleratedWhenSmall) {
  QuirkReceiver camera(Codec::h264);
  for (uint32_t n = 0; n < 100; ++n, camera.rx.now_ms += 40) {
    camera.rx.send(5'000'000 + n * 3600 - (n < 50 ? 0 : 80'000), true, h264_nal(1, 30));
  }
  EXPECT_EQ(seen(camera.quirks), Ids{"I4"});
}

TEST(QuirkI2, Practice) {
  QuirkReceiver camera(Codec::h264);
  for (int round = 0; round < 3; ++round) {
    for (uint32_t n = 0; n < 20; ++n, camera.rx.now_ms += 40) camera.rx.send(n * 3600, true, h264_nal(1, 30));
    camera.rx.flush();
    camera.rx.depacketizer->restart();
    camera.rx.now_ms += 3000;
  }
  ASSERT_EQ(camera.rx.units.size(), 60u);
  EXPECT_NEAR(static_cast<double>(camera.rx.units[20]->pts.count()), (20 * 40 + 3000) * 90.0, 4000);
  EXPECT_EQ(seen(camera.quirks), Ids{});
}

// 40 days at one picture in 40 s: 72 wraps of the timestamp, past every 32-bit count of anything.
TEST(QuirkI6, Practice) {
  Quirks quirks;
  Timeline timeline(90'000, &quirks);
  constexpr int64_t kStep = 40 * 90'000;
  for (int64_t n = 0; n < 86'400; ++n) {
    const MediaTime time = timeline.map(static_cast<uint32_t>(4'294'000'000 + n * kStep), at_ms(n * 40'000).mono);
    ASSERT_EQ(time.pts.count(), n * kStep);
  }
  EXPECT_EQ(timeline.stats().jumps, 0u);
  EXPECT_EQ(seen(quirks), Ids{});
}

TEST(QuirkI7, Practice) {
  for (const int64_t period_ms : {1500, 10'000, 60'000, 3'600'000}) {
    Quirks quirks;
    Timeline timeline(90'000, &quirks);
    for (int64_t n = 0; n < 30; ++n) {
      const MediaTime time = timeline.map(static_cast<uint32_t>(n * period_ms * 90), at_ms(n * period_ms).mono);
      EXPECT_EQ(time.pts.count(), n * period_ms * 90);
    }
    EXPECT_EQ(seen(quirks), Ids{});
  }
}

SenderReport report_at(WallTime wall, uint32_t rtp) { return {1, ntp_from_wall(wall), rtp, 0, 0}; }
constexpr WallTime kWall{1'800'000'000s};
double off_ms(WallTime time, WallTime expected) { return static_cast<double>((time - expected).count()) / 1e6; }

// A media clock that is 100 ppm fast, for two days of a report each 5 s: the capture time keeps to the wall clock.
TEST(QuirkI8, Practice) {
  Quirks quirks;
  WallClock clock(90'000, &quirks);
  for (int64_t second = 0; second < 2 * 86'400; second += 5) {
    const auto rtp = static_cast<uint32_t>(second * 90'009);
    clock.on_sender_report(report_at(kWall + 1s * second, rtp), at_ms(second * 1000));
    const WallClock::Capture capture = clock.map(rtp + 3600, at_ms(second * 1000 + 40));
    ASSERT_NEAR(off_ms(capture.time, kWall + 1s * second + 40ms), 0, 1) << second;
    ASSERT_EQ(capture.quality, ClockQuality::reported);
  }
  EXPECT_EQ(seen(quirks), Ids{});
}

TEST(QuirkF12, Tolerated) {
  struct Row {
    const char* what;
    uint64_t ntp;
  };
  const uint64_t since_1970 = uint64_t{1'800'000'000} << 32;
  for (const Row& row : {Row{"zero", 0}, Row{"since its start", uint64_t{3600} << 32},
                         Row{"1970", uint64_t{2'208'988'800} << 32}, Row{"seconds since 1970", since_1970}}) {
    Quirks quirks;
    WallClock clock(90'000, &quirks);
    EXPECT_EQ(clock.on_sender_report({1, row.ntp, 5, 0, 0}, at_ms(0)), ReportVerdict::no_clock) << row.what;
    EXPECT_FALSE(clock.known());
    EXPECT_EQ(clock.map(5, at_ms(7)).time, at_ms(7).wall) << "the time of arrival";
    EXPECT_EQ(seen(quirks), Ids{"F12"}) << row.what;
  }
  Quirks quirks;  // another time altogether: told as suspect
  WallClock clock(90'000, &quirks);
  EXPECT_EQ(clock.on_sender_report(report_at(WallTime{946'684'800s}, 5), at_ms(0)), ReportVerdict::first);
  EXPECT_EQ(clock.map(5, at_ms(0)).quality, ClockQuality::suspect);
  EXPECT_EQ(seen(quirks), Ids{"F12"});
}

TEST(QuirkF12, Strict) {
  for (const uint64_t ntp : {uint64_t{0}, uint64_t{1'800'000'000} << 32, ntp_from_wall(WallTime{946'684'800s})}) {
    Quirks quirks;
    quirks.strict.insert(Quirk::F12);
    WallClock clock(90'000, &quirks);
    EXPECT_EQ(clock.on_sender_report({1, ntp, 5, 0, 0}, at_ms(0)), ReportVerdict::refused);
    EXPECT_FALSE(clock.known());
    EXPECT_EQ(seen(quirks), Ids{"F12"});
  }
}

// Reports a second apart; from the tenth on the camera's clock is half a second ahead.
void play_i3(WallClock& clock, Nanos step, uint32_t rtp_step) {
  for (int second = 0; second < 20; ++second) {
    const bool stepped = second >= 10;
    clock.on_sender_report(
        report_at(kWall + 1s * second + (stepped ? step : Nanos{0}), seconds(second) + (stepped ? rtp_step : 0)),
        at_ms(second * 1000));
    if (second >= 10 && second < 12) {
      EXPECT_EQ(clock.map(seconds(second), at_ms(second * 1000)).quality, ClockQuality::suspect);
    }
  }
}

TEST(QuirkI3, Tolerated) {
  Quirks quirks;
  WallClock clock(90'000, &quirks);
  play_i3(clock, 500ms, 0);
  EXPECT_NEAR(off_ms(clock.map(seconds(19), at_ms(19'000)).time, kWall + 19s + 500ms), 0, 1);
  EXPECT_EQ(clock.map(seconds(19), at_ms(19'000)).quality, ClockQuality::reported);
  EXPECT_EQ(seen(quirks), Ids{"I3"});
}

TEST(QuirkI3, Strict) {
  Quirks quirks;
  quirks.strict.insert(Quirk::I3);
  WallClock clock(90'000, &quirks);
  play_i3(clock, 500ms, 0);
  EXPECT_NEAR(off_ms(clock.map(seconds(19), at_ms(19'000)).time, kWall + 19s), 0, 1) << "the old clock is kept";
  EXPECT_EQ(clock.map(seconds(19), at_ms(19'000)).quality, ClockQuality::suspect);
  EXPECT_EQ(seen(quirks), Ids{"I3"});
}

// The wall clock goes on and the RTP clock jumps: the mapping moves, and nobody stepped a clock.
TEST(QuirkI3, AJumpOfTheRtpClockIsNone) {
  Quirks quirks;
  WallClock clock(90'000, &quirks);
  play_i3(clock, Nanos{0}, seconds(100));
  EXPECT_NEAR(off_ms(clock.map(seconds(119), at_ms(19'000)).time, kWall + 19s), 0, 1);
  EXPECT_EQ(seen(quirks), Ids{});
}

Bytes good_report() {
  Bytes memory(256);
  RtcpWriter writer(memory);
  writer.sender_report({1, 2, 3, 4, 5});
  writer.sdes_cname(1, "camera");
  memory.resize(writer.bytes().size());
  return memory;
}

const Bytes kBadTails[] = {
    {0x80, 201, 0xff, 0xff, 0, 0, 0, 1},              // length past the end
    {0x00, 201, 0, 1, 0, 0, 0, 1},                    // version
    {0x80, 201},                                      // half a header
    {0x85, 201, 0, 1, 0, 0, 0, 1},                    // five blocks in eight bytes
    {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, 'a', 'b'},  // SDES item past the end
    {0x80, 77, 0, 0},                                 // no RTCP type at all
};

TEST(QuirkF5, Tolerated) {
  for (const Bytes& tail : kBadTails) {
    Quirks quirks;
    RtcpCompound compound;
    parse_rtcp(joined({good_report(), tail}), compound, &quirks);
    EXPECT_TRUE(compound.sender_report);
    EXPECT_FALSE(compound.refused);
    EXPECT_EQ(seen(quirks), Ids{"F5"});
  }
  Quirks quirks;  // application-defined, feedback and extended reports are in order
  RtcpCompound compound;
  parse_rtcp(joined({good_report(), Bytes{0x80, 204, 0, 2, 0, 0, 0, 1, 'a', 'b', 'c', 'd'}, Bytes{0x80, 207, 0, 0}}),
             compound, &quirks);
  EXPECT_EQ(compound.unknown_packets, 2u);
  EXPECT_EQ(seen(quirks), Ids{});
}

TEST(QuirkF5, Strict) {
  for (const Bytes& tail : kBadTails) {
    Quirks quirks;
    quirks.strict.insert(Quirk::F5);
    RtcpCompound compound;
    parse_rtcp(joined({good_report(), tail}), compound, &quirks);
    EXPECT_FALSE(compound.sender_report) << "nothing of it counts";
    EXPECT_TRUE(compound.cname.empty());
    EXPECT_TRUE(compound.refused);
    EXPECT_EQ(compound.malformed_packets, 1u);
    EXPECT_EQ(seen(quirks), Ids{"F5"});
  }
}

Bytes endless_rtcp() {
  Bytes bytes = good_report();
  while (bytes.size() < 60'000) bytes.insert(bytes.end(), {0x80, 204, 0, 0});
  return bytes;
}

TEST(QuirkE9, Tolerated) {
  Quirks quirks;
  RtcpCompound compound;
  parse_rtcp(endless_rtcp(), compound, &quirks);
  EXPECT_TRUE(compound.sender_report);
  EXPECT_EQ(compound.unknown_packets, RtcpCompound::kMaxPackets - 2) << "the rest is not read";
  EXPECT_EQ(compound.malformed_packets, 0u);
  EXPECT_EQ(seen(quirks), Ids{"E9"});
}

TEST(QuirkE9, Strict) {
  Quirks quirks;
  quirks.strict.insert(Quirk::E9);
  RtcpCompound compound;
  parse_rtcp(endless_rtcp(), compound, &quirks);
  EXPECT_FALSE(compound.sender_report);
  EXPECT_TRUE(compound.refused);
  EXPECT_EQ(seen(quirks), Ids{"E9"});
}

}  // namespace
}  // namespace vigie::rtp
