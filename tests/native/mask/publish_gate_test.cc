#include "mask/publish_gate.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace vigie::mask {
namespace {

Ref<const AccessUnit> make_unit() {
  auto unit = make_ref<AccessUnit>();
  unit->payload = Buffer::make_heap(8);
  unit->payload.append(std::vector<uint8_t>{0, 0, 0, 1, 0x65, 0xaa});
  unit->nals.push_back({4, 2});
  unit->keyframe = true;
  return unit;
}

TEST(PublishGate, NothingPassesBeforeADecision) {
  PublishGate gate;
  EXPECT_FALSE(gate.publish_clear(make_unit()));
  EXPECT_EQ(gate.state(), PrivacyState::withheld);
  EXPECT_EQ(gate.withheld_units(), 1U);
  ASSERT_FALSE(gate.may_publish().ok());
  EXPECT_EQ(gate.may_publish().error().code, Code::withheld);
}

struct Case {
  const char* name;
  PrivacyDecision decision;
  bool passes;
};

TEST(PublishGate, OnlyClearWithAReasonPasses) {
  const Case cases[] = {
      {"withheld", {PrivacyState::withheld, 3, ""}, false},
      {"withheld, reason given", {PrivacyState::withheld, 3, "prefect's order is missing"}, false},
      {"clear without a reason", {PrivacyState::clear_by_decision, 3, ""}, false},
      {"clear", {PrivacyState::clear_by_decision, 3, "open water, no dwelling in view"}, true},
      {"masked without a revision", {PrivacyState::masked, 3, "dwellings"}, false},
      {"covered without a reason", {PrivacyState::covered, 3, ""}, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    PublishGate gate;
    gate.decide(c.decision);
    const auto unit = make_unit();
    const PublishedUnit published = gate.publish_clear(unit);
    EXPECT_EQ(static_cast<bool>(published), c.passes);
    EXPECT_EQ(gate.may_publish().ok(), c.passes);
    if (!c.passes) {
      EXPECT_NE(gate.may_publish().error().what, "");
      continue;
    }
    EXPECT_EQ(published.ref().get(), unit.get()) << "passed on untouched, the very same unit";
    EXPECT_EQ(published.provenance().policy_revision, 3U);
    EXPECT_EQ(published.provenance().reason, c.decision.reason);
    EXPECT_EQ(published.provenance().state, PrivacyState::clear_by_decision);
  }
}

TEST(PublishGate, MaskedAndCoveredLetNothingPassAsItCame) {
  for (const PrivacyDecision& decision :
       {PrivacyDecision{PrivacyState::masked, 3, "", 5}, PrivacyDecision{PrivacyState::covered, 3, "no mask set"}}) {
    PublishGate gate;
    EXPECT_TRUE(gate.decide(decision));
    EXPECT_TRUE(gate.may_publish().ok()) << "a lane may";
    EXPECT_FALSE(gate.publish_clear(make_unit()));
    EXPECT_FALSE(gate.publish_clear(make_ref<Frame>(), gate.epoch()));
    EXPECT_EQ(gate.state(), decision.state);
  }
}

TEST(PublishGate, EveryChangeOfWhatMayBeSeenIsANewEpoch) {
  const auto square = [](double side) {
    policy::MaskRegion region;
    region.points = {{0, 0}, {side, 0}, {side, side}};
    return region;
  };
  PrivacyDecision masks{PrivacyState::masked, 1, "", 5, 0, {square(0.5)}};
  PublishGate gate;
  EXPECT_TRUE(gate.decide(masks));
  uint64_t epoch = gate.epoch();
  const auto changes = [&](const char* what, bool expected) {
    EXPECT_EQ(gate.decide(masks), expected) << what;
    EXPECT_EQ(gate.epoch() != epoch, expected) << what;
    epoch = gate.epoch();
  };
  masks.policy_revision = 2;
  masks.reason = masks.title = "other words";
  changes("words alone", false);
  masks.regions = {square(0.6)};
  changes("an area, even if nobody counted the revision up", true);
  masks.mask_revision = 6;
  changes("the mask set's revision", true);
  masks.version_revision = 1;
  changes("the version's", true);
  masks.dome.emplace();
  changes("it turns", true);
  masks.state = PrivacyState::covered;
  masks.reason = "lens dirty";
  changes("covered", true);
  masks.reason = "lens covered";
  changes("the card's reason", true);
}

TEST(PublishGate, SaysWhenOlderUnitsMustGo) {
  PublishGate gate;
  const PrivacyDecision clear{PrivacyState::clear_by_decision, 1, "harbour"};
  EXPECT_TRUE(gate.decide(clear));
  EXPECT_FALSE(gate.decide({PrivacyState::clear_by_decision, 2, "harbour basin"})) << "still clear: nothing to purge";
  EXPECT_TRUE(gate.decide({PrivacyState::withheld, 3, ""}));
  EXPECT_FALSE(gate.publish_clear(make_unit()));
  EXPECT_FALSE(gate.decide({PrivacyState::clear_by_decision, 4, ""})) << "clear without a reason stays withheld";
  EXPECT_FALSE(gate.publish_clear(make_unit()));
}

TEST(PublishedUnit, CannotBeMadeElsewhere) {
  static_assert(!std::is_constructible_v<PublishedUnit, Ref<const AccessUnit>, Ref<const Provenance>>);
  static_assert(!std::is_constructible_v<PublishedUnit, Ref<const AccessUnit>>);
  EXPECT_FALSE(PublishedUnit());
}

}  // namespace
}  // namespace vigie::mask
