// A knocked camera, through a whole engine: events, figures, and the still that goes out and comes back.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/base64.h"
#include "mask/lane_support.h"
#include "runtime/engine.h"

namespace vigie::runtime {
namespace {

using Json = nlohmann::json;
constexpr uint32_t kGop = 25;  // units, a second

Json snapshot(const Json& more) {
  const Json points = {{mask::kLeft, mask::kTop}, {mask::kRight, mask::kTop}, {mask::kRight, mask::kBottom}};
  Json masks{{"revision", 1}, {"regions", {{{"name", "flat-3"}, {"points", points}}}}};
  masks.update(more);
  const Json stream{{"name", "main"}, {"kind", "push"}, {"url", "push:"}};
  const Json camera{{"name", "a"}, {"privacy", "masked"}, {"masks", masks}, {"streams", Json::array({stream})}};
  return {{"revision", 1}, {"cameras", Json::array({camera})}};
}

class SceneWatchTest : public ::testing::Test {
 protected:
  // A new engine, as after a start.
  void start(const Json& more) {
    auto made = Engine::make({.shards = 1, .codec_workers = 1});
    ASSERT_TRUE(made.ok());
    engine = std::move(made).value();
    const auto applied = engine->apply(snapshot(more).dump());
    ASSERT_TRUE(applied.ok()) << applied.error().text();
    units = engine->subscribe({.camera = "a", .stream = ""}).value();
    camera = std::make_unique<mask::TestCamera>(kGop);
  }
  // A second from each view, each looked at before the next one comes.
  void seconds(uint32_t count, uint32_t left) {
    camera->scene = mask::street(left);
    for (uint32_t i = 0; i < count * kGop; ++i) {
      const auto coded = camera->next();
      PushedUnit unit;
      unit.camera = "a";
      unit.data = coded->payload.bytes();
      unit.pts = coded->pts;
      ASSERT_TRUE(engine->push_access_unit(unit).ok());
      ++pushed_;
      while (figures()["lane"]["units"] < pushed_) std::this_thread::yield();
    }
  }
  Json figures() { return Json::parse(*engine->stats())["cameras"]["a"]["streams"]["main"]; }
  // The next event of the kind, as "state|text".
  std::string next(EventKind kind) {
    for (;;) {
      const auto event = engine->next_event_blocking(WaitLimit(20'000));
      if (!event.ok()) return event.error().text();
      if (event->kind == kind) return event->state + "|" + event->text;
    }
  }
  void stop() {
    units.reset();
    engine.reset();
    pushed_ = 0;
  }

  std::shared_ptr<Engine> engine;
  std::shared_ptr<UnitQueue> units;
  std::unique_ptr<mask::TestCamera> camera;
  uint64_t pushed_ = 0;
};

constexpr uint32_t kKnock = 16;

TEST_F(SceneWatchTest, AlarmAndCardWhenKnockedAndTheStillComesBackWithThePolicy) {
  start(Json::object());
  EXPECT_EQ(engine->scene_reference("a", "").error().code, Code::not_found);
  seconds(2, 0);
  EXPECT_EQ(next(EventKind::scene_reference), "learned|the view of mask revision 1 was learned");
  EXPECT_EQ(figures()["scene"]["origin"], "learned");
  const auto still = engine->scene_reference("a", "main");
  ASSERT_TRUE(still.ok()) << still.error().text();
  EXPECT_EQ(still->size(), 30612u);
  seconds(3, kKnock);
  EXPECT_EQ(next(EventKind::scene_alarm), "moved|shifted by -5.0 % to the right, 0.0 % down");
  EXPECT_EQ(figures()["privacy"], "covered");
  EXPECT_EQ(figures()["scene"]["covers"], true);
  seconds(3, 0);
  EXPECT_TRUE(next(EventKind::scene_alarm).starts_with("in_place|")) << figures().dump();
  EXPECT_EQ(figures()["privacy"], "masked");
  stop();

  start({{"scene_reference", base64_encode(*still)}});
  seconds(1, kKnock);
  EXPECT_TRUE(next(EventKind::scene_alarm).starts_with("moved|"));
  EXPECT_EQ(figures()["scene"]["origin"], "approved");
  EXPECT_EQ(figures()["privacy"], "covered") << "a knocked view is not learned";
  stop();

  start({{"scene_watch", false}});
  seconds(2, 0);
  seconds(4, kKnock);
  EXPECT_EQ(figures()["scene"]["origin"], "off");
  EXPECT_EQ(figures()["privacy"], "masked");
  EXPECT_EQ(engine->scene_reference("a", "").error().code, Code::not_found);
}

}  // namespace
}  // namespace vigie::runtime
