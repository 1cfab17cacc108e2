// Knocked cameras, as a lane sees them: decoded keyframes in, the card out while the view is another.
#include "mask/scene_keeper.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lane_support.h"
#include "mask/lane_work.h"

namespace vigie::mask {
namespace {

constexpr const char* kMasked = "masked: ";
constexpr const char* kMoved = "covered: the camera has moved: masks no longer fit";
using States = std::vector<std::string>;
using Origin = SceneReport::Origin;

struct Results final : LaneResults {
  void on_lane_unit(uint32_t version, MaskedUnit /*unit*/) override { ++units.at(version); }
  void on_lane_frame(uint32_t, LaneFrame) override {}
  void on_clear_frame(uint32_t, uint64_t, Ref<const Frame>) override {}
  void on_lane_state(uint32_t version, uint64_t, PrivacyState state, std::string_view reason) override {
    states.at(version).push_back(std::string(privacy_state_name(state)) + ": " + std::string(reason));
  }
  void on_scene(const SceneReport& seen) override { reports.push_back(seen); }
  std::vector<size_t> units{0, 0};
  std::vector<States> states{{}, {}};
  std::vector<SceneReport> reports;
};

std::shared_ptr<SceneOrder> scene_order(uint64_t revision = 1, std::vector<uint8_t> approved = {}) {
  auto order = std::make_shared<SceneOrder>();
  order->mask_revision = revision;
  order->hidden = {private_region()};
  order->approved = std::move(approved);
  return order;
}

class SceneKeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    look_from(0);
    order(work);
  }
  // The camera is turned so that its view begins `left` samples further to the right.
  void look_from(uint32_t left) { camera.scene = street(left); }
  static void order(LaneWork& lane, uint32_t version = 0) {
    lane.order(version, {.decision = std::make_shared<const PrivacyDecision>(masked({private_region()})),
                         .epoch = 1,
                         .units = true,
                         .frames = false});
  }
  // Keyframes come once a second.
  void run_seconds(int seconds, bool show = true) {
    for (int i = 0; i < 25 * seconds; ++i) work.take(camera.next(), show, results);
  }
  Origin origin() const { return results.reports.empty() ? Origin::off : results.reports.back().origin; }

  ManualClock clock;
  codec::FramePool frames{size_t{16} << 20};
  TestCamera camera;
  LaneWork work{clock, frames};
  Results results;
};

constexpr uint32_t kKnock = 16;  // samples: 5 % of the width

TEST_F(SceneKeeperTest, AKnockedCameraIsCoveredUntilItIsBack) {
  work.watch_scene(scene_order());
  run_seconds(1);
  EXPECT_EQ(origin(), Origin::learning);
  run_seconds(2);
  EXPECT_EQ(origin(), Origin::learned);
  ASSERT_TRUE(results.reports.back().reference);
  look_from(kKnock);
  run_seconds(2);
  EXPECT_EQ(results.states[0], (States{kMasked})) << "two looks may be mistaken";
  run_seconds(1);
  EXPECT_EQ(results.states[0], (States{kMasked, kMoved}));
  EXPECT_NEAR(results.reports.back().verdict.dx, -0.05, 0.01);
  look_from(0);
  run_seconds(2);
  EXPECT_EQ(results.states[0].size(), 2u);
  run_seconds(1);
  EXPECT_EQ(results.states[0], (States{kMasked, kMoved, kMasked}));
  EXPECT_EQ(results.units[0], 25u * 9) << "viewers get a picture all the while";
}

TEST_F(SceneKeeperTest, TheApprovedViewCoversAKnockedCameraFromTheFirstPicture) {
  work.watch_scene(scene_order());
  run_seconds(2);
  const std::vector<uint8_t> approved = *results.reports.back().reference;
  for (const bool given : {true, false}) {
    SCOPED_TRACE(given);
    LaneWork other(clock, frames);
    Results out;
    TestCamera knocked;
    knocked.scene = street(kKnock);
    order(other);
    other.watch_scene(scene_order(1, given ? approved : std::vector<uint8_t>{}));
    for (int i = 0; i < 50; ++i) other.take(knocked.next(), true, out);
    EXPECT_EQ(out.states[0], (States{given ? kMoved : kMasked})) << "without it the knocked view is learned";
    EXPECT_EQ(out.reports.back().origin, given ? Origin::approved : Origin::learned);
  }
}

TEST_F(SceneKeeperTest, ApprovingWhatWasLearnedChangesNothing) {
  work.watch_scene(scene_order());
  run_seconds(2);
  look_from(kKnock);
  run_seconds(3);
  ASSERT_EQ(results.states[0].back(), kMoved);
  work.watch_scene(scene_order(1, *results.reports.back().reference));
  run_seconds(1);
  EXPECT_EQ(origin(), Origin::approved);
  EXPECT_EQ(results.states[0].back(), kMoved);
  work.watch_scene(scene_order(1));
  run_seconds(1);
  EXPECT_EQ(results.states[0].back(), kMoved);
}

TEST_F(SceneKeeperTest, NobodyLooksWhereNothingIsWatched) {
  run_seconds(2);
  look_from(kKnock);
  run_seconds(4);
  EXPECT_EQ(results.states[0], (States{kMasked}));
  EXPECT_TRUE(results.reports.empty());
  work.watch_scene(scene_order());
  run_seconds(2);
  look_from(0);
  run_seconds(3);
  ASSERT_EQ(results.states[0].back(), kMoved);
  work.watch_scene(nullptr);
  run_seconds(1);
  EXPECT_EQ(results.states[0].back(), kMasked);
}

TEST_F(SceneKeeperTest, ANewMaskRevisionBeginsAnew) {
  work.watch_scene(scene_order());
  run_seconds(2);
  look_from(kKnock);
  run_seconds(3);
  ASSERT_EQ(results.states[0].back(), kMoved);
  work.watch_scene(scene_order(2));
  run_seconds(2);
  EXPECT_EQ(results.states[0].back(), kMasked);
  EXPECT_EQ(origin(), Origin::learned);
  EXPECT_EQ(results.reports.back().mask_revision, 2u);
  look_from(0);
  run_seconds(3);
  EXPECT_EQ(results.states[0].back(), kMoved) << "the view of the new revision counts";
}

TEST_F(SceneKeeperTest, KnockedWhileNobodyLooked) {
  work.watch_scene(scene_order());
  run_seconds(3);
  work.sleep();
  look_from(kKnock);
  for (int i = 0; i < 5; ++i) work.take(camera.next(), false, results);  // catching up
  work.take(camera.next(), true, results);
  EXPECT_EQ(results.states[0].back(), kMoved) << "from the first picture on";
}

TEST_F(SceneKeeperTest, EveryMaskedFormIsCoveredByOneLook) {
  order(work, 1);
  work.watch_scene(scene_order());
  run_seconds(2);
  look_from(kKnock);
  run_seconds(3);
  EXPECT_EQ(results.states[0].back(), kMoved);
  EXPECT_EQ(results.states[1].back(), kMoved);
  EXPECT_EQ(results.reports.size(), 5u);
}

TEST_F(SceneKeeperTest, WhatPassesInTheFirstPictureIsNotLearned) {
  work.watch_scene(scene_order());
  look_from(300);
  run_seconds(1);
  look_from(0);
  run_seconds(1);
  EXPECT_EQ(origin(), Origin::learning);
  run_seconds(1);
  EXPECT_EQ(origin(), Origin::learned);
  run_seconds(5);
  EXPECT_EQ(results.states[0], (States{kMasked}));
}

}  // namespace
}  // namespace vigie::mask
