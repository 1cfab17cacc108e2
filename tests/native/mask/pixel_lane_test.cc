// The lane on its worker: waking in the middle of a GOP, sleeping, falling behind, stopping.
#include "mask/pixel_lane.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lane_support.h"
#include "worker_support.h"

namespace vigie::mask {
namespace {

struct Seen final : LaneObserver {
  void on_lane_unit(uint32_t version, const MaskedUnit& unit) override { units[version].push_back(unit.unit()); }
  void on_lane_frame(uint32_t version, const LaneFrame&) override { ++frames[version]; }
  void on_clear_frame(uint32_t, uint64_t, Ref<const Frame>) override {}
  void on_lane_state(uint32_t, uint64_t, PrivacyState state, const std::string& reason) override {
    states.push_back(std::string(privacy_state_name(state)) + ": " + reason);
  }
  void on_overload(const OverloadReport& report) override { overload.emplace_back(overload_name(report.state)); }
  std::map<uint32_t, std::vector<Ref<const AccessUnit>>> units;
  std::map<uint32_t, size_t> frames;
  std::vector<std::string> states;
  std::vector<std::string> overload;
};

class PixelLaneTest : public ::testing::Test {
 protected:
  void SetUp() override { start(); }
  void TearDown() override { lane->stop(); }
  void start(PixelLaneOptions options = {}) {
    auto made = WorkerPool::make({.name = "test", .threads = 1});
    ASSERT_TRUE(made.ok());
    workers = std::move(made).value();
    lane = std::make_shared<PixelLane>(home, *workers, clock, frames, seen, options);
  }
  void order(bool units, uint64_t epoch = 1) {
    lane->order(0, {.decision = std::make_shared<const PrivacyDecision>(masked({private_region()})),
                    .epoch = epoch,
                    .units = units,
                    .frames = false});
  }
  void settle() {
    finish_work(*workers);
    home.run();
  }
  std::shared_ptr<Errand> hold_worker() { return vigie::mask::hold_worker(*workers); }
  std::vector<int64_t> shown() const {
    std::vector<int64_t> numbers;
    const auto found = seen.units.find(0);
    if (found == seen.units.end()) return numbers;
    for (const auto& unit : found->second) numbers.push_back(unit->pts / kInterval);
    return numbers;
  }

  ManualClock clock;
  codec::FramePool frames{size_t{16} << 20};
  Home home;
  Seen seen;
  std::unique_ptr<WorkerPool> workers;
  std::shared_ptr<PixelLane> lane;
  TestCamera camera;
};

using Numbers = std::vector<int64_t>;

TEST_F(PixelLaneTest, WhatNobodyWantsIsNotDecoded) {
  order(false);
  for (int i = 0; i < 30; ++i) lane->push(camera.next());
  settle();
  EXPECT_EQ(lane->stats().counters.units_in, 0u);
  EXPECT_FALSE(lane->stats().awake);
  EXPECT_GT(lane->stats().raw_gop_bytes, 0u);
}

TEST_F(PixelLaneTest, WokenInTheMiddleOfAGopItShowsTheNewestPictureAtOnce) {
  order(false);
  for (int i = 0; i < 35; ++i) lane->push(camera.next());
  order(true);
  settle();
  EXPECT_EQ(shown(), (Numbers{34}));
  EXPECT_TRUE(seen.units[0][0]->keyframe);
  EXPECT_EQ(lane->stats().counters.units_in, 10u) << "from the keyframe on, decoded alone";
  lane->push(camera.next());
  settle();
  EXPECT_EQ(shown(), (Numbers{34, 35}));
  Eye eye;
  for (const auto& unit : seen.units[0]) eye.look(*unit);
  EXPECT_EQ(eye.leaking_pictures, 0u);
}

TEST_F(PixelLaneTest, WithTheLastWishItSleepsAndKeepsTheGop) {
  order(true);
  for (int i = 0; i < 10; ++i) lane->push(camera.next());
  settle();
  ASSERT_EQ(shown().size(), 10u);
  order(false);
  for (int i = 0; i < 5; ++i) lane->push(camera.next());
  settle();
  EXPECT_EQ(shown().size(), 10u);
  EXPECT_EQ(lane->stats().encoder, "");
  order(true, 2);
  settle();
  EXPECT_EQ(shown().back(), 14);
  EXPECT_TRUE(seen.units[0].back()->keyframe);
}

TEST_F(PixelLaneTest, WokenAgainItShowsTheNewestPictureHoweverLate) {
  order(true);
  for (int i = 0; i < 5; ++i) lane->push(camera.next());
  settle();
  order(false);
  settle();
  const auto errand = hold_worker();
  order(true);
  clock.advance(200ms);
  errand->go.set();
  settle();
  EXPECT_EQ(shown(), (Numbers{0, 1, 2, 3, 4, 4})) << "no other may ever come";
}

TEST_F(PixelLaneTest, AReconnectionBeginsAnew) {
  order(true);
  for (int i = 0; i < 5; ++i) lane->push(camera.next());
  settle();
  lane->on_discontinuity();
  lane->push(camera.next());
  settle();
  EXPECT_EQ(shown().size(), 5u) << "the rest of the GOP refers to what may be gone";
  for (int i = 6; i < 26; ++i) lane->push(camera.next());
  settle();
  EXPECT_EQ(shown().back(), 25);
}

TEST_F(PixelLaneTest, ALateLaneThinsOutDownToTheFloor) {
  struct Case {
    Nanos late;
    Numbers shown;
  };
  // 25 a second: 12 at least, then 6 at least (L-14).
  const Case cases[] = {
      {100ms, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, {200ms, {0, 2, 4, 6, 8, 10}}, {500ms, {0, 4, 8}}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.late.count());
    seen = {};
    TestCamera source;
    start();
    order(true);
    lane->push(source.next());
    settle();
    const auto errand = hold_worker();
    for (int i = 1; i < 12; ++i) lane->push(source.next());
    clock.advance(c.late);
    errand->go.set();
    settle();
    EXPECT_EQ(shown(), c.shown);
    EXPECT_EQ(lane->stats().counters.units_in, 12u) << "all are decoded: later ones refer to them";
    EXPECT_EQ(lane->stats().counters.thinned_pictures, 12 - c.shown.size());
    lane->stop();
  }
}

// Whose pictures always wait so long, then not at all, then with nobody who wants them.
TEST_F(PixelLaneTest, ALateLaneSaysSo) {
  order(true);
  const auto second = [&](Nanos late) {
    const auto errand = hold_worker();
    for (int i = 0; i < 25; ++i) lane->push(camera.next());
    clock.advance(late);
    errand->go.set();
    settle();
    clock.advance(1s - late);
  };
  for (int i = 0; i < 4; ++i) second(0ms);
  EXPECT_TRUE(seen.overload.empty());
  for (int i = 0; i < 3; ++i) second(200ms);
  EXPECT_EQ(seen.overload, std::vector<std::string>{"late"});
  EXPECT_EQ(lane->stats().overload, Overload::late);
  for (int i = 0; i < 12; ++i) second(0ms);
  EXPECT_EQ(seen.overload, (std::vector<std::string>{"late", "in_time"}));
  for (int i = 0; i < 3; ++i) second(200ms);
  order(false);
  settle();
  EXPECT_EQ(seen.overload, (std::vector<std::string>{"late", "in_time", "late", "in_time"}));
}

TEST_F(PixelLaneTest, ASecondLateItGoesOnAtTheNewestKeyframe) {
  order(true);
  for (int i = 0; i < 3; ++i) lane->push(camera.next());
  settle();
  const auto errand = hold_worker();
  for (int i = 3; i < 60; ++i) lane->push(camera.next());  // with two keyframes: 25 and 50
  clock.advance(1100ms);
  errand->go.set();
  settle();
  const Numbers numbers = shown();
  ASSERT_GT(numbers.size(), 3u);
  EXPECT_EQ(numbers[3], 50);
  EXPECT_EQ(lane->stats().counters.skipped_units, 47u);
  Eye eye;
  for (const auto& unit : seen.units[0]) eye.look(*unit);
  EXPECT_EQ(eye.leaking_pictures, 0u);
  EXPECT_EQ(eye.corrupt_pictures, 0u);
}

TEST_F(PixelLaneTest, AStarvedLaneKeepsABoundedQueue) {
  lane->stop();
  start({.inbox_units = 40});
  order(true);
  const auto errand = hold_worker();
  for (int i = 0; i < 500; ++i) lane->push(camera.next());
  EXPECT_LE(lane->stats().waiting_units, 41u);
  errand->go.set();
  settle();
  EXPECT_EQ(lane->stats().waiting_units, 0u);
}

TEST_F(PixelLaneTest, AfterStopNothingComes) {
  order(true);
  for (int i = 0; i < 5; ++i) lane->push(camera.next());
  lane->stop();
  settle();
  EXPECT_TRUE(shown().empty());
  const std::weak_ptr<PixelLane> weak = lane;
  auto other = std::make_shared<PixelLane>(home, *workers, clock, frames, seen);
  std::swap(lane, other);
  other.reset();
  settle();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace vigie::mask
