#include <gtest/gtest.h>

#include "rtp/timeline.h"
#include "rtp/wall_clock.h"
#include "rtp_support.h"

namespace vigie::rtp {
namespace {

int64_t pts_ms(const MediaTime& time) { return time.pts.count() / 90; }

// Feeds 25 units a second, whose arrival is punctual.
struct Camera {
  Timeline timeline;
  int64_t now_ms = 5000;
  uint32_t timestamp = 0;
  int64_t last = -1;
  MediaTime unit(uint32_t stamp) {
    const MediaTime time = timeline.map(stamp, at_ms(now_ms).mono);
    EXPECT_GT(time.pts.count(), last);
    last = time.pts.count();
    return time;
  }
  MediaTime next() {
    now_ms += 40;
    timestamp += 3600;
    return unit(timestamp);
  }
  // How far media time is from real time, once it began at `epoch`.
  int64_t error_ms(const MediaTime& time) const { return pts_ms(time) - (now_ms - 5000); }
};

TEST(Timeline, SurvivesWrap) {  // quirk I6
  Camera camera;
  camera.timestamp = 0xffffffffu - 3600 * 5;
  camera.unit(camera.timestamp);
  for (int i = 1; i < 20; ++i) EXPECT_EQ(camera.next().pts.count(), 3600 * i);
  EXPECT_EQ(camera.timeline.stats().jumps, 0u);
}

TEST(Timeline, JumpsAreAbsorbed) {
  struct Row {
    const char* what;
    int64_t jump_s;
  };
  for (const Row& row : {Row{"I4 back", -5}, Row{"far back", -9800}, Row{"ahead", 60}, Row{"far ahead", 9000},
                         Row{"I2 restart at zero", -11111}}) {
    Camera camera;
    camera.timestamp = 1'000'000'000;
    camera.unit(camera.timestamp);
    for (int i = 0; i < 100; ++i) camera.next();
    camera.timestamp += static_cast<uint32_t>(row.jump_s * 90000);
    for (int i = 0; i < 100; ++i) {
      const MediaTime time = camera.next();
      EXPECT_LE(std::abs(camera.error_ms(time)), 45) << row.what << " unit " << i;
      EXPECT_EQ(time.presentation_offset.count(), 0);
    }
    EXPECT_EQ(camera.timeline.stats().jumps, 1u) << row.what;
  }
}

TEST(Timeline, IsolatedWildStampsReturnToTheOldTimeline) {  // quirk I1
  Camera camera;
  camera.unit(camera.timestamp);
  for (int i = 0; i < 300; ++i) {
    MediaTime time;
    if (i % 60 == 30) {
      camera.now_ms += 40;
      camera.timestamp += 3600;
      time = camera.unit(camera.timestamp + static_cast<uint32_t>((i % 120 == 30 ? -9800 : 37600) * int64_t{90000}));
    } else {
      time = camera.next();
      EXPECT_EQ(time.pts.count(), 3600 * (i + 1));
    }
    EXPECT_LE(std::abs(camera.error_ms(time)), 1) << i;
  }
  EXPECT_EQ(camera.timeline.stats().returns, 5u);
}

TEST(Timeline, FrozenStampsFollowRealTime) {  // quirk I5
  Camera camera;
  camera.unit(camera.timestamp);
  for (int i = 0; i < 10; ++i) camera.next();
  MediaTime time;
  for (int i = 0; i < 200; ++i) {
    camera.now_ms += 40;
    time = camera.unit(camera.timestamp);
  }
  EXPECT_LE(std::abs(camera.error_ms(time)), 45);
  // They move again: from where they stood.
  for (int i = 0; i < 100; ++i) time = camera.next();
  EXPECT_LE(std::abs(camera.error_ms(time)), 45);
}

TEST(Timeline, TwoUnitsWithOneStamp) {
  Camera camera;
  camera.unit(camera.timestamp);
  camera.next();
  const MediaTime twin = camera.unit(camera.timestamp);
  EXPECT_EQ(twin.pts.count(), 3601);
  EXPECT_EQ(camera.next().pts.count(), 7200);
}

TEST(Timeline, NetworkStallKeepsDistances) {
  Camera camera;
  camera.unit(camera.timestamp);
  for (int i = 0; i < 50; ++i) camera.next();
  camera.now_ms += 6000;  // nothing comes for six seconds, then all of it at once
  for (int i = 0; i < 150; ++i) {
    camera.timestamp += 3600;
    EXPECT_EQ(camera.unit(camera.timestamp).pts.count(), 3600 * (51 + i));
  }
  EXPECT_EQ(camera.timeline.stats().jumps, 0u);
}

TEST(Timeline, SlowCamerasAreNotJumps) {  // quirk I7
  Timeline timeline;
  int64_t ms = 0;
  uint32_t stamp = 77;
  timeline.map(stamp, at_ms(ms).mono);
  for (int i = 1; i < 20; ++i) {
    ms += 5000;
    stamp += 450000;
    EXPECT_EQ(timeline.map(stamp, at_ms(ms).mono).pts.count(), 450000 * i);
  }
  EXPECT_EQ(timeline.stats().jumps, 0u);
}

TEST(Timeline, PicturesInDecodingOrderKeepTheirPresentation) {
  Camera camera;
  camera.unit(0);
  // I0 P3 B1 B2 P6 B4 B5 …
  int64_t i = 0;
  for (int group = 0; group < 20; ++group) {
    for (const int64_t frame : {i + 3, i + 1, i + 2}) {
      camera.now_ms += 40;
      const MediaTime time = camera.unit(static_cast<uint32_t>(frame * 3600));
      EXPECT_EQ((time.pts + time.presentation_offset).count(), frame * 3600);
    }
    i += 3;
  }
  EXPECT_EQ(camera.timeline.stats().jumps, 0u);
}

TEST(Timeline, ReconnectGoesOnInRealTime) {  // quirk I2
  Camera camera;
  camera.timestamp = 500'000'000;
  camera.unit(camera.timestamp);
  for (int i = 0; i < 50; ++i) camera.next();
  camera.now_ms += 20'000;
  camera.timestamp = 0;
  camera.timeline.restart();
  const MediaTime time = camera.next();
  EXPECT_LE(std::abs(camera.error_ms(time)), 45);
}

TEST(Timeline, OtherClockRates) {
  Timeline timeline(1000);
  timeline.map(10, at_ms(0).mono);
  EXPECT_EQ(timeline.map(50, at_ms(40).mono).pts.count(), 3600);
}

SenderReport report_at(WallTime wall, uint32_t rtp) { return {1, ntp_from_wall(wall), rtp, 0, 0}; }
constexpr WallTime kWall{1'800'000'000s};

double off_ms(const WallClock::Capture& capture, WallTime expected) {
  return static_cast<double>((capture.time - expected).count()) / 1e6;
}

TEST(WallClock, ArrivalUntilAReportComes) {
  WallClock clock;
  EXPECT_EQ(clock.map(1, at_ms(5)).quality, ClockQuality::none);
  EXPECT_EQ(clock.map(1, at_ms(5)).time, at_ms(5).wall);
  EXPECT_EQ(clock.on_sender_report(report_at(kWall + 3ms, 90000), at_ms(5)), ReportVerdict::first);
  const auto capture = clock.map(90000 + 9000, at_ms(130));
  EXPECT_EQ(capture.quality, ClockQuality::reported);
  EXPECT_NEAR(off_ms(capture, kWall + 103ms), 0, 0.001);
  EXPECT_NEAR(off_ms(clock.map(90000 - 9000, at_ms(130)), kWall - 97ms), 0, 0.001);
}

TEST(WallClock, ReportsWithoutAClock) {  // quirk F12
  WallClock clock;
  EXPECT_EQ(clock.on_sender_report({1, 0, 5, 0, 0}, at_ms(0)), ReportVerdict::no_clock);
  EXPECT_EQ(clock.on_sender_report({1, uint64_t{3600} << 32, 5, 0, 0}, at_ms(0)), ReportVerdict::no_clock);
  EXPECT_EQ(clock.on_sender_report({1, uint64_t{2'208'988'800} << 32, 5, 0, 0}, at_ms(0)), ReportVerdict::no_clock);
  EXPECT_FALSE(clock.known());
}

// Unix seconds where NTP wants those since 1900, and other clocks that nobody set: no time, and the count tells which.
TEST(WallClock, TellsAnEpochMistakeFromAClockThatWasNeverSet) {
  WallClock clock;
  const uint64_t unix_seconds = 1'800'000'000;
  for (uint64_t second = 0; second < 3; ++second) {
    const auto ms = static_cast<int64_t>(second * 1000);
    EXPECT_EQ(clock.on_sender_report({1, (unix_seconds + second) << 32, 5, 0, 0}, at_ms(ms)), ReportVerdict::no_clock);
  }
  EXPECT_EQ(clock.on_sender_report({1, 0, 5, 0, 0}, at_ms(3000)), ReportVerdict::no_clock);
  EXPECT_EQ(clock.counts().reports, 4u);
  EXPECT_EQ(clock.counts().without_time, 4u);
  EXPECT_EQ(clock.counts().since_1970, 3u);
  EXPECT_EQ(clock.quality(), ClockQuality::none);
  EXPECT_EQ(clock.map(7, at_ms(4000)).time, at_ms(4000).wall);
}

// A wrong time zone is a clock like any other: the camera's time, and suspect.
TEST(WallClock, WholeHoursOffAreSuspect) {
  WallClock clock;
  for (int second = 0; second < 5; ++second) {
    const WallTime theirs = kWall + 2h + 1s * second;
    clock.on_sender_report(report_at(theirs, static_cast<uint32_t>(second) * 90000), at_ms(second * 1000));
    const auto capture = clock.map(static_cast<uint32_t>(second) * 90000 + 3600, at_ms(second * 1000 + 40));
    EXPECT_EQ(capture.quality, ClockQuality::suspect);
    EXPECT_NEAR(off_ms(capture, theirs + 40ms), 0, 0.001);
  }
  EXPECT_EQ(clock.counts().rejected, 0u);
  EXPECT_EQ(clock.counts().steps, 0u);
}

TEST(WallClock, CountsStepsAndBeginsAnew) {
  WallClock clock;
  const auto report = [&](int second, Nanos step) {
    clock.on_sender_report(report_at(kWall + 1s * second + step, static_cast<uint32_t>(second) * 90000),
                           at_ms(second * 1000));
  };
  for (int second = 0; second < 4; ++second) report(second, 0s);
  for (int second = 4; second < 7; ++second) report(second, -90s);
  EXPECT_EQ(clock.counts().steps, 1u);
  EXPECT_EQ(clock.counts().last_step, -90s);
  EXPECT_EQ(clock.quality(), ClockQuality::suspect);
  // The RTP clock jumped and the wall clock did not: a move, and no step.
  for (int second = 7; second < 10; ++second) {
    clock.on_sender_report(report_at(kWall - 90s + 1s * second, static_cast<uint32_t>(second + 400) * 90000),
                           at_ms(second * 1000));
  }
  EXPECT_EQ(clock.counts().steps, 1u);
  clock.restart();
  EXPECT_EQ(clock.counts().reports, 0u);
  EXPECT_EQ(clock.quality(), ClockQuality::none);
}

// 2000 ppm, reports each second: never rejected, and capture times go with the camera's clock.
TEST(WallClock, FollowsDrift) {
  WallClock clock;
  for (int second = 0; second < 120; ++second) {
    const WallTime theirs = kWall + 1'002ms * second;
    const auto rtp = static_cast<uint32_t>(second) * 90000;
    clock.on_sender_report(report_at(theirs, rtp), at_ms(second * 1000));
    EXPECT_NEAR(off_ms(clock.map(rtp, at_ms(second * 1000)), theirs), 0, 0.001);
  }
  EXPECT_EQ(clock.counts().rejected, 0u);
  EXPECT_EQ(clock.error(), 238ms);
  EXPECT_EQ(clock.quality(), ClockQuality::reported);
}

// one report that moves the offset by more than 100 ms is not believed; the third that agrees is (I3).
TEST(WallClock, ThreeMustAgreeOnAMove) {
  WallClock clock;
  const auto report = [&](int second, Nanos step) {
    return clock.on_sender_report(report_at(kWall + 1s * second + step, static_cast<uint32_t>(second) * 90000),
                                  at_ms(second * 1000));
  };
  EXPECT_EQ(report(0, 0ms), ReportVerdict::first);
  EXPECT_EQ(report(1, 90ms), ReportVerdict::accepted);
  EXPECT_EQ(report(2, 500ms), ReportVerdict::rejected);
  EXPECT_NEAR(off_ms(clock.map(2 * 90000, at_ms(2000)), kWall + 2s + 90ms), 0, 0.001);
  EXPECT_EQ(clock.map(2 * 90000, at_ms(2000)).quality, ClockQuality::suspect);
  EXPECT_EQ(report(3, 90ms), ReportVerdict::accepted);  // it was alone
  EXPECT_EQ(clock.map(3 * 90000, at_ms(3000)).quality, ClockQuality::reported);
  EXPECT_EQ(report(4, 700ms), ReportVerdict::rejected);
  EXPECT_EQ(report(5, -700ms), ReportVerdict::rejected);  // does not agree with the one before
  EXPECT_EQ(report(6, -700ms), ReportVerdict::rejected);
  EXPECT_EQ(report(7, -700ms), ReportVerdict::moved);
  EXPECT_NEAR(off_ms(clock.map(7 * 90000, at_ms(7000)), kWall + 7s - 700ms), 0, 0.001);
  EXPECT_EQ(clock.counts().rejected, 4u);
}

TEST(WallClock, SuspectWhenFarFromOurs) {
  WallClock clock;
  clock.on_sender_report(report_at(kWall + 1500ms, 0), at_ms(0));
  EXPECT_EQ(clock.map(0, at_ms(0)).quality, ClockQuality::suspect);
  EXPECT_EQ(clock.error(), 1500ms);
}

TEST(WallClock, RtpClockThatJumpedIsNotBelieved) {
  WallClock clock;
  clock.on_sender_report(report_at(kWall, 0), at_ms(0));
  const auto capture = clock.map(90000u * 3600, at_ms(1000));
  EXPECT_EQ(capture.quality, ClockQuality::suspect);
  EXPECT_NEAR(off_ms(capture, kWall + 1s), 0, 0.001);
}

}  // namespace
}  // namespace vigie::rtp
