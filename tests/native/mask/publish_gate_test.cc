#include "mask/publish_gate.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

#include "mask/lane.h"

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
      {"masked, and nobody here can mask", {PrivacyState::masked, 3, "dwellings"}, false},
      {"covered", {PrivacyState::covered, 3, "x"}, false},
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

TEST(ClearLane, PassesOnInOrderAndStopsWithTheDecision) {
  struct Output : LaneOutput {
    std::vector<PublishedUnit> units;
    void on_published(PublishedUnit unit) override { units.push_back(std::move(unit)); }
  } output;
  PublishGate gate;
  ClearLane lane(gate, output);
  lane.push(make_unit());
  EXPECT_TRUE(output.units.empty());
  gate.decide({PrivacyState::clear_by_decision, 1, "square, no dwelling"});
  const auto a = make_unit();
  const auto b = make_unit();
  lane.push(a);
  lane.push(b);
  ASSERT_EQ(output.units.size(), 2U);
  EXPECT_EQ(output.units[0].ref().get(), a.get());
  EXPECT_EQ(output.units[1].ref().get(), b.get());
  gate.decide({PrivacyState::withheld, 2, "under review"});
  lane.push(make_unit());
  EXPECT_EQ(output.units.size(), 2U);
}

}  // namespace
}  // namespace vigie::mask
