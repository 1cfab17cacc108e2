// A camera that masks itself, through a whole engine: what leaves, and when it no longer may.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "mask/lane_support.h"
#include "runtime/engine.h"

namespace vigie::runtime {
namespace {

using Json = nlohmann::json;
constexpr uint32_t kGop = 25;  // units, a second

Json snapshot(uint64_t revision, uint64_t mask_revision = 1) {
  const Json points = {{mask::kLeft, mask::kTop},
                       {mask::kRight, mask::kTop},
                       {mask::kRight, mask::kBottom},
                       {mask::kLeft, mask::kBottom}};
  const Json masks{{"revision", mask_revision}, {"regions", {{{"name", "flat-3"}, {"points", points}}}}};
  const Json stream{{"name", "main"}, {"kind", "push"}, {"url", "push:"}};
  const Json camera{
      {"name", "a"}, {"privacy", "masked_at_source"}, {"masks", masks}, {"streams", Json::array({stream})}};
  return {{"revision", revision}, {"cameras", Json::array({camera})}};
}

class MaskedAtSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Engine::make({.shards = 2, .codec_workers = 1});
    ASSERT_TRUE(made.ok());
    engine = std::move(made).value();
    ASSERT_TRUE(engine->apply(snapshot(1).dump()).ok());
    auto queue = engine->subscribe({.camera = "a", .stream = ""});
    ASSERT_TRUE(queue.ok()) << queue.error().text();
    units = std::move(queue).value();
  }
  void TearDown() override { units->close(); }

  void push(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      const auto coded = camera.next();
      PushedUnit unit;
      unit.camera = "a";
      unit.data = coded->payload.bytes();
      unit.pts = coded->pts;
      pushed.emplace_back(as_text(unit.data));
      ASSERT_TRUE(engine->push_access_unit(unit).ok());
    }
  }
  Json figures() { return Json::parse(*engine->stats())["cameras"]["a"]["streams"]["main"]; }
  // Until so many keyframes have been looked at.
  void wait_for_looks(uint64_t keyframes) {
    while (figures()["source_check"]["keyframes"] < keyframes) std::this_thread::yield();
  }
  // The next change of what is shown, as "state: reason".
  std::string next_shown() {
    for (;;) {
      const auto event = engine->next_event_blocking(WaitLimit(20'000));
      if (!event.ok()) return event.error().text();
      if (event->kind == EventKind::privacy_state) return event->text;
    }
  }
  PublishedUnit take() {
    auto unit = units->next_blocking(WaitLimit(20'000));
    EXPECT_TRUE(unit.ok()) << unit.error().text();
    return unit.ok() ? unit->unit : PublishedUnit{};
  }

  // Takes units up to the first of this state; media time never goes back.
  Ticks90k take_until(PrivacyState state, Ticks90k newest) {
    for (;;) {
      const PublishedUnit unit = take();
      if (!unit) return newest;
      EXPECT_GT(unit.unit().pts, newest);
      newest = unit.unit().pts;
      taken = as_text(unit.unit().payload.bytes());
      if (unit.provenance().state == state) return newest;
    }
  }

  std::string taken;  // the newest
  mask::TestCamera camera{kGop};
  std::vector<std::string> pushed;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<UnitQueue> units;
};

TEST_F(MaskedAtSourceTest, ProvedPicturesLeaveByteForByte) {
  push(5);
  EXPECT_EQ(next_shown(), "masked_at_source");
  push(25);
  for (uint32_t i = 0; i < 30; ++i) {
    const PublishedUnit unit = take();
    ASSERT_TRUE(unit);
    EXPECT_EQ(as_text(unit.unit().payload.bytes()), pushed[i]) << i;
    EXPECT_EQ(unit.provenance().state, PrivacyState::masked_at_source);
    EXPECT_EQ(unit.provenance().mask_revision, 1u);
  }
  EXPECT_EQ(figures()["privacy"], "masked_at_source");
  EXPECT_FALSE(figures().contains("lane")) << "nothing is coded";
}

TEST_F(MaskedAtSourceTest, WithoutTheMaskOnlyTheCardLeaves) {
  camera.private_place = false;
  push(1);
  EXPECT_EQ(next_shown(), "covered: the camera's own mask is not there: region flat-3");
  push(2 * kGop);
  for (uint32_t i = 0; i < kGop; ++i) {
    const PublishedUnit unit = take();
    ASSERT_TRUE(unit);
    EXPECT_EQ(unit.provenance().state, PrivacyState::covered);
    EXPECT_EQ(unit.unit().keyframe, i == 0);
  }
}

TEST_F(MaskedAtSourceTest, AMaskThatIsTakenAwayIsCoveredWithinAKeyframeAndComesBack) {
  push(kGop);
  ASSERT_EQ(next_shown(), "masked_at_source");
  push(kGop);
  wait_for_looks(2);
  camera.private_place = false;
  push(1);
  ASSERT_EQ(next_shown(), "covered: the camera's own mask is not there: region flat-3");
  EXPECT_EQ(figures()["log_units"], 0) << "nothing of before is left for anybody";
  const uint64_t passed = figures()["published_units"];
  EXPECT_LE(passed, pushed.size());
  push(kGop - 1);
  const auto newest = take_until(PrivacyState::covered, Ticks90k{-1});
  camera.private_place = true;
  for (uint64_t looks = 4; looks <= 6; ++looks) {
    push(kGop);
    wait_for_looks(looks);
  }
  push(kGop);
  EXPECT_EQ(next_shown(), "masked_at_source");
  take_until(PrivacyState::masked_at_source, newest);
  EXPECT_EQ(taken, pushed[6 * kGop]) << "a keyframe, untouched";
}

TEST_F(MaskedAtSourceTest, AnotherPolicyOfTheSameDecisionDoesNotUncover) {
  camera.private_place = false;
  push(1);
  ASSERT_EQ(next_shown(), "covered: the camera's own mask is not there: region flat-3");
  Json renamed = snapshot(2);
  renamed["cameras"][0]["privacy_reason"] = "the camera's masks were set at its installation";
  ASSERT_TRUE(engine->apply(renamed.dump()).ok());
  EXPECT_EQ(figures()["privacy"], "covered");
  // Another revision of the masks is proved anew.
  ASSERT_TRUE(engine->apply(snapshot(3, 2).dump()).ok());
  camera.private_place = true;
  push(2 * kGop);
  EXPECT_EQ(next_shown(), "masked_at_source");
}

TEST_F(MaskedAtSourceTest, AStillThatIsNoneIsRefused) {
  Json with = snapshot(2);
  with["cameras"][0]["masks"]["scene_reference"] = "VkdTUg==";
  const auto applied = engine->apply(with.dump());
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().where, "/cameras/0/masks/scene_reference");
  EXPECT_EQ(engine->scene_reference("a", "").error().code, Code::not_found);
}

}  // namespace
}  // namespace vigie::runtime
