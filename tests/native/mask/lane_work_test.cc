// What comes out of a lane, looked at decoded: private places, damage, the card, revisions, versions.
#include "mask/lane_work.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lane_support.h"
#include "mask/publish_gate.h"
#include "privacy_mark.h"

namespace vigie::mask {
namespace {

struct Results final : LaneResults {
  void on_lane_unit(uint32_t version, MaskedUnit unit) override { units[version].push_back(std::move(unit)); }
  void on_lane_frame(uint32_t version, LaneFrame frame) override { frames[version].push_back(std::move(frame)); }
  void on_clear_frame(uint32_t version, uint64_t, Ref<const Frame> frame) override {
    clear_frames[version].push_back(std::move(frame));
  }
  void on_lane_state(uint32_t, uint64_t, PrivacyState state, std::string_view reason) override {
    states.push_back(std::string(privacy_state_name(state)) + ": " + std::string(reason));
  }
  std::map<uint32_t, std::vector<MaskedUnit>> units;
  std::map<uint32_t, std::vector<LaneFrame>> frames;
  std::map<uint32_t, std::vector<Ref<const Frame>>> clear_frames;
  std::vector<std::string> states;
};

class LaneWorkTest : public ::testing::Test {
 protected:
  void order(uint32_t version, PrivacyDecision decision, uint64_t epoch = 1, bool units = true,
             bool with_frames = false) {
    work.order(version, {.decision = std::make_shared<const PrivacyDecision>(std::move(decision)),
                         .epoch = epoch,
                         .units = units,
                         .frames = with_frames});
  }
  void run(int count) {
    for (int i = 0; i < count; ++i) work.take(camera.next(), true, results);
  }
  // Of everything that left for `version`, decoded.
  Eye looked_at(uint32_t version) {
    Eye eye;
    for (const MaskedUnit& unit : results.units[version]) eye.look(*unit.unit());
    return eye;
  }

  ManualClock clock;
  codec::FramePool frames{size_t{16} << 20};
  TestCamera camera;
  LaneWork work{clock, frames};
  Results results;
};

std::vector<PrivacyMark> marks_of(const AccessUnit& unit) {
  std::vector<PrivacyMark> marks;
  for (size_t i = 0; i < unit.nals.size(); ++i) {
    if (const auto mark = read_privacy_sei(unit.nal(i))) marks.push_back(*mark);
  }
  return marks;
}

TEST_F(LaneWorkTest, APrivatePlaceIsInNoPicture) {
  order(0, masked({private_region()}));
  run(60);
  ASSERT_EQ(results.units[0].size(), 60u);
  const Eye eye = looked_at(0);
  EXPECT_EQ(eye.pictures, 60u);
  EXPECT_EQ(eye.corrupt_pictures, 0u);
  EXPECT_EQ(eye.leaking_pictures, 0u);
  EXPECT_EQ(results.states, std::vector<std::string>{"masked: "});
}

TEST_F(LaneWorkTest, TheEyeSeesWhatAMaskElsewhereLeaves) {
  order(0, masked({region(0.0, 0.0, 0.1, 0.1)}));
  run(5);
  EXPECT_EQ(looked_at(0).leaking_pictures, 5u);
}

TEST_F(LaneWorkTest, EveryUnitCarriesItsRevisionsOnce) {
  PrivacyDecision decision = masked({private_region()}, 12);
  decision.version_revision = 0x0000000100000003;
  order(0, decision);
  run(30);
  for (const MaskedUnit& unit : results.units[0]) {
    const auto marks = marks_of(*unit.unit());
    ASSERT_EQ(marks.size(), 1u);
    EXPECT_EQ(marks[0], (PrivacyMark{PrivacyState::masked, 7, 12, 0x0000000100000003}));
  }
}

TEST_F(LaneWorkTest, TimesAreTheSources) {
  order(0, masked({private_region()}));
  TestCamera same;
  run(30);
  for (const MaskedUnit& masked : results.units[0]) {
    const auto source = same.next();
    const AccessUnit& unit = *masked.unit();
    EXPECT_EQ(unit.pts, source->pts);
    EXPECT_EQ(unit.capture_time, source->capture_time);
    EXPECT_EQ(unit.last_arrival, source->last_arrival);
    EXPECT_EQ(unit.presentation_offset, Ticks90k{0});
  }
}

TEST_F(LaneWorkTest, KeyframesFollowTheSource) {
  order(0, masked({private_region()}));
  run(80);
  for (size_t i = 0; i < 80; ++i) EXPECT_EQ(results.units[0][i].unit()->keyframe, i % 25 == 0) << i;
}

TEST_F(LaneWorkTest, ANewRevisionBeginsWithAnIdrPicture) {
  order(0, masked({region(0, 0, 0.1, 0.1)}), 1);
  run(7);
  order(0, masked({private_region()}, 2), 2);
  run(7);
  const auto& units = results.units[0];
  ASSERT_EQ(units.size(), 14u);
  EXPECT_TRUE(units[7].unit()->keyframe);
  EXPECT_EQ(units[6].epoch(), 1u);
  EXPECT_EQ(units[7].epoch(), 2u);
  EXPECT_EQ(units[7].provenance()->mask_revision, 2u);
  Eye eye;
  for (size_t i = 7; i < 14; ++i) eye.look(*units[i].unit());
  EXPECT_EQ(eye.pictures, 7u);
  EXPECT_EQ(eye.leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, AfterDamageNothingUntilTheNextKeyframe) {
  struct Case {
    const char* name;
    void (*harm)(AccessUnit&);
    bool drop_one;
  };
  const Case cases[] = {{"gap", [](AccessUnit& unit) { unit.gap = true; }, false},
                        {"damaged", [](AccessUnit& unit) { unit.damaged = true; }, false},
                        {"a frame_num jump", [](AccessUnit&) {}, true}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TestCamera source;
    LaneWork lane(clock, frames);
    Results out;
    lane.order(0, {std::make_shared<const PrivacyDecision>(masked({private_region()})), 1, true, false});
    for (int i = 0; i < 10; ++i) lane.take(source.next(), true, out);
    if (c.drop_one) (void)source.next();
    auto harmed = source.next();
    c.harm(*harmed);
    lane.take(harmed, true, out);
    EXPECT_EQ(out.units[0].size(), 10u);
    for (int i = c.drop_one ? 12 : 11; i < 25; ++i) lane.take(source.next(), true, out);
    EXPECT_EQ(out.units[0].size(), 10u) << "not before the next keyframe";
    lane.take(source.next(), true, out);
    EXPECT_EQ(out.units[0].size(), 11u);
    EXPECT_GT(lane.counters().damaged_units, 0u);
  }
}

TEST_F(LaneWorkTest, ADamagedKeyframeIsNoBeginning) {
  order(0, masked({private_region()}));
  auto keyframe = camera.next();
  keyframe->damaged = true;
  work.take(keyframe, true, results);
  run(24);
  EXPECT_TRUE(results.units[0].empty());
  run(1);
  EXPECT_EQ(results.units[0].size(), 1u);
}

TEST_F(LaneWorkTest, LongDamageIsToldByTheCard) {
  TestCamera endless(100000);
  order(0, masked({private_region()}));
  for (int i = 0; i < 5; ++i) work.take(endless.next(), true, results);
  (void)endless.next();
  for (int i = 0; i < 50; ++i) work.take(endless.next(), true, results);
  EXPECT_EQ(results.units[0].size(), 5u) << "less than two seconds";
  for (int i = 0; i < 60; ++i) work.take(endless.next(), true, results);
  const auto& units = results.units[0];
  ASSERT_EQ(units.size(), 65u);
  EXPECT_TRUE(units[5].unit()->keyframe);
  EXPECT_EQ(units[5].provenance()->state, PrivacyState::covered);
  EXPECT_EQ(units[5].provenance()->reason, "pictures are missing");
  EXPECT_EQ(marks_of(*units[64].unit()).at(0).state, PrivacyState::covered);
  EXPECT_EQ(results.states.back(), "covered: pictures are missing");
  EXPECT_EQ(looked_at(0).leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, ACoveredPictureIsACardAndThenCostsNothing) {
  order(0, {.state = PrivacyState::covered, .policy_revision = 1, .reason = "no mask set is there"});
  run(30);
  const auto& units = results.units[0];
  ASSERT_EQ(units.size(), 30u);
  for (size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(units[i].unit()->keyframe, i % 25 == 0);
    if (i % 25 != 0) {
      EXPECT_LT(units[i].unit()->payload.size(), 100u) << "skipped, not coded";
    }
  }
  const Eye eye = looked_at(0);
  EXPECT_EQ(eye.pictures, 30u);
  EXPECT_EQ(eye.corrupt_pictures, 0u);
  EXPECT_EQ(eye.leaking_pictures, 0u);
  Eye first, last;
  first.look(*units[0].unit());
  for (size_t i = 0; i < 25; ++i) last.look(*units[i].unit());
  for (uint32_t y = 0; y < kHeight; ++y) {
    ASSERT_TRUE(std::equal(first.newest->row(0, y), first.newest->row(0, y) + kWidth, last.newest->row(0, y))) << y;
  }
}

TEST_F(LaneWorkTest, BackFromTheCardWithAnIdrPicture) {
  order(0, {.state = PrivacyState::covered, .policy_revision = 1, .reason = "no mask set is there"}, 1);
  run(4);
  order(0, masked({private_region()}), 2);
  run(4);
  ASSERT_EQ(results.units[0].size(), 8u);
  EXPECT_TRUE(results.units[0][4].unit()->keyframe);
  const Eye eye = looked_at(0);
  EXPECT_EQ(eye.pictures, 8u);
  EXPECT_EQ(eye.corrupt_pictures, 0u);
  EXPECT_EQ(eye.leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, CatchingUpShowsNothing) {
  order(0, masked({private_region()}));
  for (int i = 0; i < 10; ++i) work.take(camera.next(), false, results);
  EXPECT_TRUE(results.units[0].empty());
  EXPECT_EQ(work.counters().pictures, 10u);
  run(1);
  ASSERT_EQ(results.units[0].size(), 1u);
  EXPECT_TRUE(results.units[0][0].unit()->keyframe);
  EXPECT_EQ(looked_at(0).leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, VersionsShareOneDecoder) {
  order(0, masked({private_region()}));
  PrivacyDecision more = masked({private_region(), region(0, 0, 0.5, 0.2)});
  more.version_revision = 3;
  order(4, more);
  run(10);
  EXPECT_EQ(work.counters().units_in, 10u);
  EXPECT_EQ(work.counters().coded_units, 20u);
  const Eye own = looked_at(0), version = looked_at(4);
  EXPECT_EQ(own.leaking_pictures + version.leaking_pictures, 0u);
  // One corner is filled (0x202020 is 43 of limited range) in the version alone.
  EXPECT_NEAR(version.newest->row(0, 10)[20], 43, 4);
  EXPECT_GT(own.newest->row(0, 10)[20], 55);
  work.forget(4);
  run(5);
  EXPECT_EQ(results.units[0].size(), 15u);
  EXPECT_EQ(results.units[4].size(), 10u);
}

TEST_F(LaneWorkTest, FramesAreMaskedAndNeedNoEncoder) {
  order(0, masked({private_region()}), 1, false, true);
  run(10);
  EXPECT_TRUE(results.units[0].empty());
  ASSERT_EQ(results.frames[0].size(), 10u);
  for (const LaneFrame& frame : results.frames[0]) EXPECT_EQ(private_samples(*frame.filled.frame()), 0u);
  EXPECT_EQ(work.encoder(), "");
}

TEST_F(LaneWorkTest, AClearCamerasFramesComeAsTheyAre) {
  order(0, {.state = PrivacyState::clear_by_decision, .policy_revision = 1, .reason = "open water"}, 1, false, true);
  run(3);
  ASSERT_EQ(results.clear_frames[0].size(), 3u);
  EXPECT_GT(private_samples(*results.clear_frames[0][0]), 0u);
  EXPECT_TRUE(results.frames[0].empty());
}

TEST_F(LaneWorkTest, WithheldGivesNothing) {
  order(0, {}, 1, true, true);
  run(3);
  EXPECT_TRUE(results.units[0].empty());
  EXPECT_TRUE(results.frames[0].empty());
  EXPECT_TRUE(results.clear_frames[0].empty());
}

TEST_F(LaneWorkTest, ARegionsDatesCount) {
  policy::MaskRegion dated = private_region();
  const WallTime start = WallTime{std::chrono::seconds(1'700'000'000)};
  dated.from = start + std::chrono::milliseconds(400);
  order(0, masked({region(0, 0, 0.1, 0.1), dated}));
  run(20);
  const auto& units = results.units[0];
  ASSERT_EQ(units.size(), 20u);
  EXPECT_TRUE(units[10].unit()->keyframe) << "in force from the picture that arrived at its time on";
  Eye eye;
  for (size_t i = 10; i < 20; ++i) eye.look(*units[i].unit());
  EXPECT_EQ(eye.leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, AfterSleepItBeginsAtAKeyframe) {
  order(0, masked({private_region()}));
  run(5);
  work.sleep();
  run(20);
  EXPECT_EQ(results.units[0].size(), 5u) << "no decoder knows the pictures before";
  run(1);
  ASSERT_EQ(results.units[0].size(), 6u);
  EXPECT_TRUE(results.units[0][5].unit()->keyframe);
}

TEST_F(LaneWorkTest, ADomeWithoutAPoseIsCovered) {
  PrivacyDecision decision = masked({private_region()});
  decision.dome.emplace();
  decision.regions[0].space = policy::MaskSpace::world;
  decision.regions[0].points = {{-5, -5}, {5, -5}, {5, 5}, {-5, 5}};
  order(0, decision);
  run(5);
  ASSERT_EQ(results.units[0].size(), 5u);
  EXPECT_EQ(results.units[0][0].provenance()->state, PrivacyState::covered);
  EXPECT_EQ(looked_at(0).leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, ADomesFixedRegionsAreDrawnAlsoWhenItsFirstPictureHadNoPose) {
  PrivacyDecision decision = masked({private_region(), region(0, 0, 0.1, 0.1)});
  decision.dome.emplace();
  decision.regions[0].fill_rgb = 0x7a1f1f;
  decision.regions[1].space = policy::MaskSpace::world;
  decision.regions[1].points = {{-5, -5}, {5, -5}, {5, 5}, {-5, 5}};
  order(0, decision);
  for (int i = 0; i < 4; ++i) {
    auto unit = camera.next();
    unit->clock_quality = ClockQuality::reported;
    if (i >= 2) {
      ASSERT_TRUE(work.push_pose({0, 0, 60, unit->capture_time, PoseState::idle}).ok());
    }
    work.take(unit, true, results);
  }
  ASSERT_EQ(results.units[0].size(), 4u);
  EXPECT_EQ(results.units[0][1].provenance()->state, PrivacyState::covered);
  EXPECT_EQ(results.units[0][2].provenance()->state, PrivacyState::masked) << results.units[0][2].provenance()->reason;
  EXPECT_EQ(looked_at(0).leaking_pictures, 0u);
}

TEST_F(LaneWorkTest, ADomesPictureWithoutATimeIsCovered) {
  PrivacyDecision decision = masked({private_region()});
  decision.dome.emplace();
  decision.regions[0].space = policy::MaskSpace::world;
  decision.regions[0].points = {{-5, -5}, {5, -5}, {5, 5}, {-5, 5}};
  order(0, decision);
  for (const ClockQuality quality : {ClockQuality::reported, ClockQuality::none, ClockQuality::suspect}) {
    auto unit = camera.next();
    unit->clock_quality = quality;
    ASSERT_TRUE(work.push_pose({0, 0, 60, unit->capture_time, PoseState::idle}).ok());
    work.take(unit, true, results);
    ASSERT_FALSE(results.units[0].empty());
    EXPECT_EQ(results.units[0].back().provenance()->state,
              quality == ClockQuality::reported ? PrivacyState::masked : PrivacyState::covered)
        << clock_quality_name(quality);
  }
}

TEST_F(LaneWorkTest, TheGateTakesOnlyWhatItsDecisionFilled) {
  PublishGate gate;
  ASSERT_TRUE(gate.decide(masked({private_region()}, 3)));
  order(0, masked({private_region()}, 3), gate.epoch());
  run(2);
  EXPECT_TRUE(gate.publish_masked(results.units[0][0]));
  EXPECT_FALSE(gate.publish_clear(results.units[0][0].unit())) << "masked: nothing passes as it came";
  ASSERT_TRUE(gate.decide(masked({region(0, 0, 1, 1)}, 4)));
  EXPECT_FALSE(gate.publish_masked(results.units[0][1])) << "filled under the former masks";
  EXPECT_EQ(gate.stale_units(), 1u);
  EXPECT_FALSE(gate.decide(masked({region(0, 0, 1, 1)}, 4))) << "the same masks: nothing to purge";
  ASSERT_TRUE(gate.decide(masked({region(0, 0, 1, 0.9)}, 3))) << "somebody forgot to count up";
  EXPECT_FALSE(gate.publish_masked(results.units[0][1])) << "the number fits, the decision does not";
  gate.decide({});
  EXPECT_FALSE(gate.publish_masked(results.units[0][1]));
}

}  // namespace
}  // namespace vigie::mask
