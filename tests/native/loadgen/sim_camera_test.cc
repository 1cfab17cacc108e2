// When a simulated camera sends what, by a clock turned by hand.
#include "loadgen/sim_camera.h"

#include <gtest/gtest.h>

#include <set>

#include "loadgen/stamp.h"

namespace vigie::loadgen {
namespace {

struct Written {
  int64_t at_ns;
  size_t from, to;
  PatchValues values;
  bool keyframe;
  std::vector<uint32_t> order;
  UnitStamp stamp;
  int64_t trailer_ns;
};

class Recorder final : public UnitWriter {
 public:
  explicit Recorder(const Clock& clock) : clock_(clock) {}
  void begin_unit(SimCamera&) override { ++begun; }
  void end_unit(SimCamera&) override { ++ended; }
  void write_packets(SimCamera&, UnitTrain& train, size_t from, size_t to, std::span<const uint32_t> order,
                     const PatchValues& values) override {
    const auto stamp = find_stamp(ByteSpan(train.bytes).subspan(static_cast<size_t>(train.stamp_offset)));
    const auto trailer = read_trailer(train.bytes);
    writes.push_back({clock_.now_mono().time_since_epoch().count(),
                      from,
                      to,
                      values,
                      train.keyframe,
                      {order.begin(), order.end()},
                      *stamp,
                      trailer->last_ns});
    packets = train.packets.size();
  }
  const Clock& clock_;
  std::vector<Written> writes;
  size_t packets = 0;
  int begun = 0, ended = 0;
};

Clip small_clip(uint32_t gop = 10) {
  SyntheticOptions options;
  options.gop = gop;
  options.bits_per_second = 2e6;
  return make_synthetic_clip(options);
}

// Turns the clock from due time to due time for so long.
void run(SimCamera& camera, ManualClock& clock, Recorder& recorder, MonoTime due, Nanos duration) {
  const MonoTime end = clock.now_mono() + duration;
  while (due <= end) {
    if (due > clock.now_mono()) clock.advance(due - clock.now_mono());
    due = camera.step(recorder);
  }
}

TEST(SimCamera, KeepsItsRateSequenceAndTimestamps) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(3, clip, Pace{0, 0}, clock, 11);
  Recorder recorder(clock);
  run(camera, clock, recorder, camera.resume(false), 4s);
  ASSERT_NEAR(static_cast<double>(recorder.writes.size()), 100, 1);
  EXPECT_EQ(recorder.begun, recorder.ended);
  uint16_t expected = recorder.writes[0].values.first_sequence;
  for (size_t i = 0; i < recorder.writes.size(); ++i) {
    const Written& write = recorder.writes[i];
    EXPECT_EQ(write.from, 0u);
    EXPECT_EQ(write.values.first_sequence, expected);
    expected = static_cast<uint16_t>(expected + write.to);
    EXPECT_EQ(write.stamp.unit, i + 1);
    EXPECT_EQ(write.stamp.camera, 3u);
    EXPECT_EQ(write.stamp.first_ns, write.at_ns);
    EXPECT_EQ(write.trailer_ns, write.at_ns);
    if (i == 0) continue;
    EXPECT_EQ(write.values.rtp_timestamp - recorder.writes[i - 1].values.rtp_timestamp, 3600u);
    EXPECT_EQ(write.at_ns - recorder.writes[i - 1].at_ns, 40'000'000);
    EXPECT_FALSE(write.keyframe && recorder.writes[i - 1].keyframe);
  }
  EXPECT_EQ(camera.counts().late_units, 0u);
}

TEST(SimCamera, SpreadsAKeyframeOverTime) {
  ManualClock clock;
  Clip clip = small_clip();
  const Pace pace{10e6, 8000};
  SimCamera camera(0, clip, pace, clock, 5);
  Recorder recorder(clock);
  const MonoTime due = camera.resume(true);
  run(camera, clock, recorder, due, due - clock.now_mono() + 39ms);
  ASSERT_GT(recorder.writes.size(), 2u);
  size_t next = 0;
  int64_t begun = recorder.writes[0].at_ns;
  for (const Written& write : recorder.writes) {
    EXPECT_EQ(write.from, next);
    next = write.to;
    const double bits = 8.0 * (clip.units[0].packets[write.from].offset - 4);
    EXPECT_NEAR(static_cast<double>(write.at_ns - begun), bits / 10e6 * 1e9, 1);
  }
  EXPECT_EQ(next, clip.units[0].packets.size());
  // Planned when it began, and true when it ended.
  EXPECT_EQ(recorder.writes[0].stamp.last_ns, recorder.writes.back().at_ns);
  EXPECT_EQ(recorder.writes.back().trailer_ns, recorder.writes.back().at_ns);
}

TEST(SimCamera, FinishesAUnitWhenTheNextOneIsDue) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{1e6, 1500}, clock, 5);  // half of what the stream needs
  Recorder recorder(clock);
  run(camera, clock, recorder, camera.resume(true), 1s);
  EXPECT_NEAR(recorder.ended, 25, 1);
  EXPECT_EQ(camera.counts().late_units, 0u);
}

TEST(SimCamera, PhasesDiffer) {
  ManualClock clock;
  Clip clip = small_clip(50);
  std::set<int64_t> phases;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SimCamera camera(0, clip, Pace{0, 0}, clock, seed);
    const MonoTime due = camera.resume(false);
    EXPECT_LE(due - clock.now_mono(), 41ms);
    phases.insert((due - clock.now_mono()).count() / 1'000'000);
  }
  EXPECT_GT(phases.size(), 35u);  // of 40 whole milliseconds
}

TEST(SimCamera, GoesOnWhereItsClockIsAfterAPause) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{0, 0}, clock, 9);
  Recorder recorder(clock);
  run(camera, clock, recorder, camera.resume(false), 1s);
  const Written last = recorder.writes.back();
  camera.pause();
  clock.advance(100s);
  run(camera, clock, recorder, camera.resume(false), 50ms);
  const Written& next = recorder.writes[static_cast<size_t>(last.stamp.unit)];
  EXPECT_EQ(next.stamp.unit, last.stamp.unit + 1);
  const int64_t passed = next.at_ns - last.at_ns;
  EXPECT_EQ(passed % 40'000'000, 0);
  EXPECT_EQ(next.values.rtp_timestamp - last.values.rtp_timestamp, static_cast<uint32_t>(passed / 40'000'000 * 3600));
}

TEST(SimCamera, BeginsWithAKeyframeWhereAsked) {
  ManualClock clock;
  Clip clip = small_clip(50);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimCamera camera(0, clip, Pace{0, 0}, clock, seed);
    Recorder recorder(clock);
    const MonoTime due = camera.resume(true);
    EXPECT_LE(due - clock.now_mono(), 41ms);
    run(camera, clock, recorder, due, 3s);
    EXPECT_TRUE(recorder.writes[0].keyframe);
    for (size_t i = 1; i < recorder.writes.size(); ++i) {
      EXPECT_EQ(recorder.writes[i].keyframe, i % 50 == 0);
      EXPECT_EQ(recorder.writes[i].values.rtp_timestamp - recorder.writes[i - 1].values.rtp_timestamp, 3600u);
    }
  }
}

TEST(SimCamera, SilenceNumbersNothing) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{0, 0}, clock, 2);
  Recorder recorder(clock);
  MonoTime due = camera.resume(false);
  run(camera, clock, recorder, due, 1s);
  const size_t before = recorder.writes.size();
  camera.set_silent(true);
  run(camera, clock, recorder, clock.now_mono(), 2s);
  EXPECT_EQ(recorder.writes.size(), before);
  camera.set_silent(false);
  run(camera, clock, recorder, clock.now_mono(), 100ms);
  ASSERT_GT(recorder.writes.size(), before);
  EXPECT_EQ(recorder.writes[before].stamp.unit, recorder.writes[before - 1].stamp.unit + 1);
}

TEST(SimCamera, AnEndlessUnitHasNoMarkerAndOneTimestamp) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{0, 0}, clock, 2);
  Recorder recorder(clock);
  camera.set_endless(true);
  run(camera, clock, recorder, camera.resume(false), 1s);
  for (const Written& write : recorder.writes) {
    EXPECT_FALSE(write.values.marker);
    EXPECT_EQ(write.values.rtp_timestamp, recorder.writes[0].values.rtp_timestamp);
  }
  camera.set_endless(false);
  const size_t before = recorder.writes.size();
  run(camera, clock, recorder, clock.now_mono(), 100ms);
  EXPECT_TRUE(recorder.writes[before].values.marker);
  EXPECT_NE(recorder.writes[before].values.rtp_timestamp, recorder.writes[0].values.rtp_timestamp);
}

TEST(SimCamera, ClockJumpAndReportTimeGoTogether) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{0, 0}, clock, 2);
  Recorder recorder(clock);
  run(camera, clock, recorder, camera.resume(false), 1s);
  const uint32_t before = recorder.writes.back().values.rtp_timestamp;
  camera.jump_clock(-900'000);
  const size_t count = recorder.writes.size();
  run(camera, clock, recorder, clock.now_mono() + 1ms, 100ms);
  EXPECT_EQ(recorder.writes[count].values.rtp_timestamp, before + 3600 - 900'000);
  // The report's RTP time at the instant a unit is due is that unit's.
  const Written& last = recorder.writes.back();
  const auto at = MonoTime(Nanos(last.at_ns));
  EXPECT_NEAR(static_cast<double>(static_cast<int32_t>(camera.clock_timestamp(at) - last.values.rtp_timestamp)), 0, 9);
}

TEST(SimCamera, LostPacketsKeepTheirSequenceNumbers) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{0, 0}, clock, 2);
  Fault loss;
  loss.kind = FaultKind::loss;
  loss.every = 3;
  camera.packet_faults().set(loss);
  Recorder recorder(clock);
  run(camera, clock, recorder, camera.resume(false), 1s);
  uint64_t sent = 0;
  uint16_t expected = recorder.writes[0].values.first_sequence;
  for (const Written& write : recorder.writes) {
    EXPECT_EQ(write.values.first_sequence, expected);
    expected = static_cast<uint16_t>(expected + write.to);
    sent += write.order.size();
  }
  EXPECT_EQ(sent + camera.packet_faults().counts().dropped, camera.counts().packets);
  EXPECT_EQ(camera.packet_faults().counts().dropped, camera.counts().packets / 3);
}

TEST(SimCamera, ALateStepIsCounted) {
  ManualClock clock;
  Clip clip = small_clip();
  SimCamera camera(0, clip, Pace{0, 0}, clock, 2);
  Recorder recorder(clock);
  const MonoTime due = camera.resume(false);
  clock.advance(due - clock.now_mono() + 6ms);
  (void)camera.step(recorder);
  EXPECT_EQ(camera.counts().late_units, 1u);
  EXPECT_EQ(camera.counts().latest, 6ms);
  // More than a second behind: it catches the clock up instead of sending a burst.
  clock.advance(10s);
  EXPECT_GT(camera.step(recorder), clock.now_mono());
  EXPECT_EQ(recorder.writes.size(), 1u);
}

}  // namespace
}  // namespace vigie::loadgen
