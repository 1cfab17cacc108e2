// Masks through the whole engine: what a subscriber gets, decoded, while policies come and go.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "mask/lane_support.h"
#include "runtime/engine.h"

namespace vigie::runtime {
namespace {

using Json = nlohmann::json;
using mask::Eye;

Json square(const std::string& name, double left, double top, double right, double bottom) {
  return {{"name", name}, {"points", {{left, top}, {right, top}, {right, bottom}, {left, bottom}}}};
}
Json private_square() { return square("flat", mask::kLeft, mask::kTop, mask::kRight, mask::kBottom); }

Json masked_camera(const std::string& name, uint64_t mask_revision, std::vector<Json> regions = {private_square()}) {
  const Json stream{{"name", "main"}, {"kind", "push"}, {"url", "push:"}};
  return {{"name", name},
          {"privacy", "masked"},
          {"streams", Json::array({stream})},
          {"masks", {{"revision", mask_revision}, {"reason", "dwellings"}, {"regions", std::move(regions)}}}};
}

class MaskingTest : public ::testing::Test {
 protected:
  void SetUp() override { start({.shards = 2, .codec_workers = 2}); }
  void start(const EngineOptions& options) {
    auto engine = Engine::make(options);
    ASSERT_TRUE(engine.ok()) << engine.error().text();
    engine_ = std::move(engine).value();
  }
  Status apply(std::vector<Json> cameras) {
    auto applied = engine_->apply(Json{{"revision", ++revision_}, {"cameras", std::move(cameras)}}.dump());
    return applied.ok() ? Status{} : Status(std::move(applied).error());
  }
  void push(const std::string& name, int count = 1) {
    for (int i = 0; i < count; ++i) {
      const auto picture = camera_.next();
      PushedUnit unit;
      unit.camera = name;
      unit.data = picture->payload.bytes();
      unit.pts = picture->pts * 5;  // so slow that a lane leaves none out, however late it is
      ASSERT_TRUE(engine_->push_access_unit(unit).ok());
    }
  }
  std::shared_ptr<UnitQueue> subscribe(const std::string& name) {
    auto queue = engine_->subscribe({.camera = name, .stream = ""});
    EXPECT_TRUE(queue.ok()) << queue.error().text();
    return queue.ok() ? *queue : nullptr;
  }
  static std::vector<PublishedUnit> take(UnitQueue& queue, size_t count) {
    std::vector<PublishedUnit> units;
    while (units.size() < count) {
      auto next = queue.next_blocking(WaitLimit(5000));
      if (!next.ok()) {
        ADD_FAILURE() << next.error().text() << " after " << units.size();
        break;
      }
      units.push_back(next->unit);
    }
    return units;
  }
  static size_t leaks(const std::vector<PublishedUnit>& units) {
    Eye eye;
    for (const PublishedUnit& unit : units) eye.look(unit.unit());
    EXPECT_EQ(eye.corrupt_pictures, 0u);
    EXPECT_EQ(eye.pictures, units.size());
    return eye.leaking_pictures;
  }

  std::shared_ptr<Engine> engine_;
  mask::TestCamera camera_{30};
  uint64_t revision_ = 0;
};

TEST_F(MaskingTest, ASubscriberGetsMaskedPictures) {
  ASSERT_TRUE(apply({masked_camera("a", 4)}).ok());
  const auto queue = subscribe("a");
  push("a", 28);
  const auto units = take(*queue, 28);
  EXPECT_EQ(leaks(units), 0u);
  EXPECT_TRUE(units[0].unit().keyframe);
  EXPECT_EQ(units[0].provenance().state, PrivacyState::masked);
  EXPECT_EQ(units[0].provenance().mask_revision, 4u);
  const Json stats = Json::parse(*engine_->stats());
  const Json& stream = stats["cameras"]["a"]["streams"]["main"];
  EXPECT_EQ(stream["privacy"], "masked");
  EXPECT_EQ(stream["lane"]["coded_units"], 28);
}

TEST_F(MaskingTest, NobodyWatchingNothingIsDecoded) {
  ASSERT_TRUE(apply({masked_camera("a", 1)}).ok());
  push("a", 30);
  Json stats = Json::parse(*engine_->stats());
  EXPECT_EQ(stats["cameras"]["a"]["streams"]["main"]["lane"]["units"], 0);
  EXPECT_EQ(stats["cameras"]["a"]["streams"]["main"]["published_units"], 0);
  // Who comes now sees the newest picture at once.
  const auto queue = subscribe("a");
  const auto first = take(*queue, 1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(leaks(first), 0u);
}

TEST_F(MaskingTest, AVersionHidesMore) {
  Json camera = masked_camera("a", 1);
  camera["versions"] = {
      {{"name", "police"}, {"masks", {{"revision", 9}, {"regions", {square("roof", 0, 0, 0.4, 0.3)}}}}}};
  ASSERT_TRUE(apply({camera}).ok());
  const auto own = subscribe("a"), police = subscribe("a@police");
  push("a", 10);
  const auto own_units = take(*own, 10), police_units = take(*police, 10);
  EXPECT_EQ(leaks(own_units), 0u);
  EXPECT_EQ(leaks(police_units), 0u);
  EXPECT_EQ(police_units[0].provenance().version_revision, 9u);
  EXPECT_EQ(own_units[0].provenance().version_revision, 0u);
  Eye own_eye, police_eye;
  own_eye.look(own_units[0].unit());
  police_eye.look(police_units[0].unit());
  EXPECT_NEAR(police_eye.newest->row(0, 10)[20], 43, 4);
  EXPECT_GT(own_eye.newest->row(0, 10)[20], 55);
  // A version that goes ends its subscriptions and nobody else's.
  camera.erase("versions");
  ASSERT_TRUE(apply({camera}).ok());
  EXPECT_EQ(police->next_blocking(WaitLimit(5000)).error().code, Code::not_found);
  push("a", 1);
  EXPECT_EQ(take(*own, 1).size(), 1u);
  EXPECT_EQ(engine_->subscribe({.camera = "a@police", .stream = ""}).error().code, Code::not_found);
}

TEST_F(MaskingTest, WithoutAMaskSetThePictureIsCovered) {
  Json camera = masked_camera("a", 1);
  camera.erase("masks");
  ASSERT_TRUE(apply({camera}).ok());
  const auto queue = subscribe("a");
  push("a", 5);
  const auto units = take(*queue, 5);
  EXPECT_EQ(leaks(units), 0u);
  EXPECT_EQ(units[0].provenance().state, PrivacyState::covered);
  EXPECT_EQ(units[0].provenance().reason, "no mask set is there for this camera");
}

TEST_F(MaskingTest, WhoWatchesAClearCameraSeesItMaskedFromTheApplyOn) {
  Json camera = masked_camera("a", 1);
  camera["privacy"] = "clear";
  camera["privacy_reason"] = "nothing there yet";
  const Json masks = camera["masks"];
  camera.erase("masks");
  ASSERT_TRUE(apply({camera}).ok());
  const auto queue = subscribe("a");
  push("a", 25);
  EXPECT_EQ(leaks(take(*queue, 25)), 25u) << "the eye works";
  camera["privacy"] = "masked";
  camera["masks"] = masks;
  ASSERT_TRUE(apply({camera}).ok());
  push("a", 10);  // the sixth is a keyframe
  const auto units = take(*queue, 5);
  EXPECT_TRUE(units[0].unit().keyframe);
  for (const PublishedUnit& unit : units) EXPECT_EQ(unit.provenance().state, PrivacyState::masked);
  EXPECT_EQ(leaks(units), 0u);
}

TEST_F(MaskingTest, AfterApplyReturnsNoOlderRevisionIsHandedOut) {
  ASSERT_TRUE(apply({masked_camera("a", 1)}).ok());
  const auto queue = subscribe("a");
  std::atomic<bool> stop{false};
  std::thread pusher([&] {
    while (!stop) {
      push("a");
      std::this_thread::yield();
    }
  });
  for (uint64_t revision = 2; revision < 60; ++revision) {
    // Each hides more than the one before.
    const double grown = 0.2 + 0.001 * static_cast<double>(revision);
    ASSERT_TRUE(apply({masked_camera("a", revision, {private_square(), square("yard", 0, 0, grown, grown)})}).ok());
    const auto units = take(*queue, 2);
    ASSERT_EQ(units.size(), 2u);
    EXPECT_TRUE(units[0].unit().keyframe) << revision;
    for (const PublishedUnit& unit : units) EXPECT_EQ(unit.provenance().mask_revision, revision);
    EXPECT_EQ(leaks(units), 0u);
  }
  stop = true;
  pusher.join();
}

TEST_F(MaskingTest, MoreLanesThanTheWorkersCanServeAreRefused) {
  start({.shards = 1, .codec_workers = 1});
  std::vector<Json> cameras;
  for (int i = 0; i < 12; ++i) cameras.push_back(masked_camera("cam" + std::to_string(i), 1));
  ASSERT_TRUE(apply(cameras).ok());
  std::vector<std::shared_ptr<UnitQueue>> queues;
  std::optional<Error> refused;
  for (int i = 0; i < 12 && !refused; ++i) {
    auto queue = engine_->subscribe({.camera = "cam" + std::to_string(i), .stream = ""});
    if (queue.ok()) {
      queues.push_back(*queue);
    } else {
      refused = queue.error();
    }
  }
  ASSERT_TRUE(refused) << "nobody has shown a picture yet, so all count as 1080p25";
  EXPECT_GE(queues.size(), 2u);
  EXPECT_EQ(refused->code, Code::admission_refused);
  EXPECT_NE(refused->what.find("processor"), std::string::npos) << refused->text();
  const auto tap = engine_->tap_frames({.camera = "cam11"});
  ASSERT_FALSE(tap.ok());
  EXPECT_EQ(tap.error().code, Code::admission_refused);
  EXPECT_EQ(Json::parse(engine_->stats().value())["taps"]["open"], 0) << "who tries again and again must cost nothing";
}

TEST_F(MaskingTest, ClosingInTheMiddleOfIt) {
  ASSERT_TRUE(apply({masked_camera("a", 1), masked_camera("b", 1)}).ok());
  const auto a = subscribe("a"), b = subscribe("b");
  push("a", 30);
  push("b", 30);
  ASSERT_TRUE(engine_->close().ok());
  while (true) {
    const auto next = a->next_blocking(WaitLimit(0));
    if (!next.ok()) {
      EXPECT_EQ(next.error().code, Code::closed);
      break;
    }
  }
}

}  // namespace
}  // namespace vigie::runtime
