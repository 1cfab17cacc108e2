// What a camera that masks itself may let out: nothing before a proof, everything untouched after it, nothing after a
// fault.
#include "mask/source_guard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lane_support.h"
#include "mask/publish_gate.h"
#include "worker_support.h"

namespace vigie::mask {
namespace {

constexpr const char* kGone = "the camera's own mask is not there: region flat";

PrivacyDecision at_source(uint64_t proof_epoch = 1) {
  PrivacyDecision decision = masked({private_region()});
  decision.state = PrivacyState::masked_at_source;
  decision.proof_epoch = proof_epoch;
  return decision;
}

struct Passed final : SourceGuardObserver {
  void on_verified_unit(const Ref<const AccessUnit>& unit, const SourceProof& proof) override {
    units.push_back(unit);
    newest_proof = proof;
  }
  void on_source_judged(const std::string& fault) override { judged.push_back(fault); }
  void on_scene(const SceneReport& report) override { scenes.push_back(report); }
  std::vector<Ref<const AccessUnit>> units;
  std::vector<std::string> judged;
  std::vector<SceneReport> scenes;
  std::optional<SourceProof> newest_proof;
};

using Judged = std::vector<std::string>;

class SourceGuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = WorkerPool::make({.name = "test", .threads = 1});
    ASSERT_TRUE(made.ok());
    workers = std::move(made).value();
    start({});
  }
  void TearDown() override { guard->stop(); }
  void start(SourceGuardOptions options) {
    if (guard) guard->stop();
    passed = {};
    guard = std::make_shared<SourceGuard>(home, *workers, clock, frames, at_source(), passed, options);
  }
  void push(int count) {
    for (int i = 0; i < count; ++i) guard->push(camera.next());
  }
  void settle() {
    finish_work(*workers);
    home.run();
  }
  // Each unit judged before the next one comes.
  void push_settled(int count) {
    for (int i = 0; i < count; ++i) {
      push(1);
      settle();
    }
  }

  ManualClock clock;
  codec::FramePool frames{size_t{16} << 20};
  Home home;
  Passed passed;
  std::unique_ptr<WorkerPool> workers;
  std::shared_ptr<SourceGuard> guard;
  TestCamera camera;  // its private place is of one colour: a camera that masks itself
};

TEST_F(SourceGuardTest, NothingLeavesBeforeAProofThenEverythingAsItCame) {
  const auto errand = hold_worker(*workers);
  std::vector<Ref<const AccessUnit>> sent;
  for (int i = 0; i < 10; ++i) {
    sent.push_back(camera.next());
    guard->push(sent.back());
  }
  EXPECT_TRUE(passed.units.empty());
  EXPECT_FALSE(guard->passing());
  errand->go.set();
  settle();
  EXPECT_EQ(passed.judged, (Judged{""}));
  for (int i = 0; i < 5; ++i) {
    sent.push_back(camera.next());
    guard->push(sent.back());
  }
  EXPECT_EQ(passed.units, sent) << "the very same units, in order; later ones at once";
}

// One look is under way when the next keyframe comes: what is held lasts. One that has not begun gives way to the newer.
TEST_F(SourceGuardTest, ALateProofLetsOutWhatItProves) {
  push(1);
  finish_work(*workers);  // the verdict is on its way home
  push(29);
  home.run();
  EXPECT_EQ(passed.units.size(), 30u);
  start({});
  TestCamera other;
  const auto errand = hold_worker(*workers);
  for (int i = 0; i < 30; ++i) guard->push(other.next());
  errand->go.set();
  settle();
  ASSERT_EQ(passed.units.size(), 5u) << "from the keyframe that was looked at";
  EXPECT_TRUE(passed.units[0]->keyframe);
}

TEST_F(SourceGuardTest, ACameraThatDoesNotMaskIsCoveredFromTheBeginning) {
  camera.private_place = false;
  push_settled(60);
  EXPECT_TRUE(passed.units.empty());
  EXPECT_EQ(passed.judged, (Judged{kGone})) << "told once";
}

TEST_F(SourceGuardTest, WhatBeginsWithoutAWholeKeyframeIsNotPassed) {
  auto harmed = camera.next();
  harmed->damaged = true;
  guard->push(harmed);
  push_settled(24);
  EXPECT_TRUE(passed.units.empty());
  push_settled(1);
  EXPECT_EQ(passed.units.size(), 1u);
}

TEST_F(SourceGuardTest, AMaskThatGoesIsSeenAtTheNextKeyframeAndIsBackAfterThreeGoodOnes) {
  push_settled(30);  // the first group was followed to its end
  camera.private_place = false;
  push_settled(20);
  EXPECT_EQ(passed.units.size(), 50u) << "between two looks it slips";
  push_settled(1);
  EXPECT_EQ(passed.judged, (Judged{"", kGone}));
  const size_t slipped = passed.units.size();
  EXPECT_LE(slipped, 51u);
  push_settled(9);
  camera.private_place = true;
  push_settled(90);  // keyframes 75, 100 and 125 are good
  EXPECT_EQ(passed.units.size(), slipped);
  push_settled(1);
  EXPECT_EQ(passed.judged, (Judged{"", kGone, ""}));
  ASSERT_EQ(passed.units.size(), slipped + 1);
  EXPECT_TRUE(passed.units.back()->keyframe);
}

TEST_F(SourceGuardTest, ABadKeyframeBetweenGoodOnesCountsFromTheBeginning) {
  camera.private_place = false;
  push_settled(1);
  camera.private_place = true;
  push_settled(50);  // 25 and 50 are good
  camera.private_place = false;
  push_settled(25);  // 75 is not
  camera.private_place = true;
  push_settled(99);  // 100, 125, 150
  EXPECT_TRUE(passed.units.empty());
  push_settled(1);  // 175
  EXPECT_EQ(passed.units.size(), 1u);
}

TEST_F(SourceGuardTest, BetweenKeyframesOneWholeGroupIsLookedAtNowAndThen) {
  push_settled(5);
  camera.private_place = false;
  push_settled(2);
  EXPECT_EQ(passed.judged, (Judged{"", kGone})) << "in the middle of the group";
}

TEST_F(SourceGuardTest, TheBudgetIsKept) {
  push_settled(500);  // 20 s
  const SourceCheckCounters counters = guard->stats().counters;
  EXPECT_EQ(counters.keyframes, 20u);
  EXPECT_EQ(counters.pictures, 20u + 2 * 24u) << "two groups in 20 s";
  EXPECT_EQ(counters.faults, 0u);
  TestCamera all_intra(1);
  start({});
  for (int i = 0; i < 500; ++i) {
    guard->push(all_intra.next());
    settle();
  }
  EXPECT_EQ(guard->stats().counters.keyframes, 20u);
}

TEST_F(SourceGuardTest, AfterAReconnectionItIsProvedAnew) {
  push_settled(5);
  auto errand = hold_worker(*workers);
  push(25);
  guard->on_discontinuity();
  const size_t before = passed.units.size();
  push(5);
  errand->go.set();
  settle();
  EXPECT_EQ(passed.units.size(), before) << "what was seen before says nothing of what comes now";
  EXPECT_FALSE(guard->passing());
  camera.private_place = false;
  push_settled(15);
  EXPECT_EQ(passed.units.size(), before);
  push_settled(1);
  EXPECT_EQ(passed.judged.back(), kGone);
}

TEST_F(SourceGuardTest, OtherParameterSetsAreProvedAnew) {
  push_settled(5);
  TestCamera larger(25, 640, 360);
  larger.private_place = false;
  const size_t before = passed.units.size();
  Ref<const ParameterSets> sets;  // made whole before the guard's worker sees them
  for (int i = 0; i < 3; ++i) {
    auto unit = larger.next();
    if (!sets) {
      auto made = make_ref<ParameterSets>();
      made->revision = 2;
      made->sps = unit->parameter_sets->sps;
      made->pps = unit->parameter_sets->pps;
      sets = std::move(made);
    }
    unit->parameter_sets = sets;
    guard->push(unit);
  }
  EXPECT_EQ(passed.units.size(), before);
  settle();
  EXPECT_EQ(passed.units.size(), before);
  EXPECT_EQ(passed.judged.back(), kGone);
}

TEST_F(SourceGuardTest, AProofThatNobodyRenewsEnds) {
  start({.proof_life = 400ms});
  TestCamera endless(1000);
  for (int i = 0; i < 11; ++i) {
    guard->push(endless.next());
    settle();
  }
  EXPECT_EQ(passed.units.size(), 11u);
  guard->push(endless.next());
  EXPECT_EQ(passed.judged.back(), "the camera's own mask was not seen for too long");
  EXPECT_EQ(passed.units.size(), 11u);
}

TEST_F(SourceGuardTest, WhatCannotBeDecodedIsAFault) {
  auto keyframe = camera.next();
  auto broken = make_ref<AccessUnit>();
  broken->keyframe = true;
  broken->parameter_sets = keyframe->parameter_sets;
  broken->payload = Buffer::make_heap(16);
  broken->payload.append(std::vector<uint8_t>{0, 0, 0, 1, 0x65, 0xff, 0xff, 0xff, 0xff});
  broken->nals.push_back({4, 5});
  guard->push(broken);
  settle();
  ASSERT_EQ(passed.judged.size(), 1u);
  EXPECT_NE(passed.judged[0].find("cannot be checked"), std::string::npos) << passed.judged[0];
  EXPECT_TRUE(passed.units.empty());
}

TEST_F(SourceGuardTest, ACameraThatTookItsMasksElsewhereIsCovered) {
  auto order = std::make_shared<SceneOrder>();
  order->mask_revision = 1;
  order->hidden = {private_region()};
  guard->watch_scene(order);
  camera.scene = street(0);
  push_settled(50);
  ASSERT_EQ(passed.scenes.size(), 2u);
  EXPECT_EQ(passed.scenes.back().origin, SceneReport::Origin::learned);
  camera.scene = street(16);  // the private place is hidden in the picture all the same
  push_settled(75);
  EXPECT_EQ(passed.judged, (Judged{"", "the camera has moved: masks no longer fit"}));
  const size_t slipped = passed.units.size();
  camera.scene = street(0);
  push_settled(6 * 25);  // three looks with the view in its place, three good keyframes (of which one is the same)
  EXPECT_EQ(passed.judged.back(), "");
  EXPECT_GT(passed.units.size(), slipped);
}

TEST_F(SourceGuardTest, TheHeldGroupIsBounded) {
  start({.held_units = 8});
  const auto errand = hold_worker(*workers);
  push(20);
  EXPECT_LE(guard->stats().held_units, 8u);
  errand->go.set();
  settle();
  EXPECT_LE(passed.units.size(), 8u);
  EXPECT_TRUE(guard->passing());
}

TEST_F(SourceGuardTest, TheGateWantsTheProofOfItsOwnDecisionAndTime) {
  push_settled(3);
  ASSERT_EQ(passed.units.size(), 3u);
  const Ref<const AccessUnit> unit = passed.units[2];
  const SourceProof proof = *passed.newest_proof;
  PublishGate gate;
  EXPECT_FALSE(gate.publish_verified(unit, proof)) << "withheld";
  gate.decide(at_source(1));
  const PublishedUnit published = gate.publish_verified(unit, proof);
  ASSERT_TRUE(published);
  EXPECT_EQ(published.ref().get(), unit.get());
  EXPECT_EQ(published.provenance().state, PrivacyState::masked_at_source);
  EXPECT_EQ(published.provenance().mask_revision, 1u);
  EXPECT_FALSE(gate.publish_clear(unit)) << "no proof, no picture";

  auto late = camera.next();
  late->last_arrival = proof.until() + 1ns;
  EXPECT_FALSE(gate.publish_verified(late, proof));
  late->last_arrival = proof.until();
  EXPECT_TRUE(gate.publish_verified(late, proof));
  late->pts = proof.from() - Ticks90k{1};
  EXPECT_FALSE(gate.publish_verified(late, proof));

  const struct {
    const char* name;
    PrivacyDecision decision;
  } others[] = {{"another number", at_source(2)},
                {"covered", {PrivacyState::covered, 1, kGone, 1}},
                {"masked by the engine", masked({private_region()})},
                {"clear", {PrivacyState::clear_by_decision, 1, "harbour"}},
                {"no number for proofs", at_source(0)},
                {"withheld", {}}};
  for (const auto& other : others) {
    SCOPED_TRACE(other.name);
    gate.decide(other.decision);
    EXPECT_FALSE(gate.publish_verified(unit, proof));
  }
}

}  // namespace
}  // namespace vigie::mask
